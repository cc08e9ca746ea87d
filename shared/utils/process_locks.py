"""The device between tasks and plugins, under the import path that WanGP's plugins use."""

from shared.ui.plugins.device_exports import (
    acquire_GPU_ressources,
    any_GPU_process_running,
    get_gen_info,
    register_GPU_resident,
    release_GPU_ressources,
)

__all__ = [
    "acquire_GPU_ressources",
    "any_GPU_process_running",
    "get_gen_info",
    "register_GPU_resident",
    "release_GPU_ressources",
]
