"""The device between tasks and plugins: the functions of WanGP's process locks, for the program that is running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.api import Runtime, acquire_device, release_device
from shared.core.errors import PluginError
from shared.core.state import AppState

NAMES = (
    "acquire_GPU_ressources", "release_GPU_ressources", "any_GPU_process_running", "register_GPU_resident",
    "get_gen_info",
)  # fmt: skip


def _lock() -> Any:
    runtime = Runtime.current()
    if runtime is None:
        raise PluginError("WanGP is not running in this process; there is no device to share.")
    return runtime.device_lock


def get_gen_info(state: dict[str, Any]) -> dict[str, Any]:
    """The part of a window's state that tells of the queue and the running task."""
    return AppState(state).gen


def acquire_GPU_ressources(
    state: dict[str, Any],
    process_id: str,
    process_name: str,
    gr: Any = None,
    custom_pause_msg: str | None = None,
    custom_wait_msg: str | None = None,
) -> None:
    """Have the device: the running task waits at its next step, no other starts, until it is released.

    With `gr` (the gradio module) a wait is told on the page. Raises PluginError after ten minutes.
    """
    lock = _lock()
    if gr is not None and lock.is_used_by_other(process_id):
        gr.Info(custom_wait_msg or f"{process_name} waits for the running task to come to a step")
    acquire_device(lock, state, process_id, process_name, custom_pause_msg)


def release_GPU_ressources(state: dict[str, Any], process_id: str, keep_resident: bool = False) -> None:
    """Give the device back; without `keep_resident` what the plugin left there is released too."""
    lock = _lock()
    if not keep_resident:
        lock.evict_owner(process_id)
    release_device(lock, state, process_id)


def any_GPU_process_running(
    state: dict[str, Any], process_id: str, ignore_main: bool = False
) -> bool:
    """Whether another plugin, or (unless ignored) a task, uses the device."""
    return bool(_lock().is_used_by_other(process_id, ignores_tasks=ignore_main))


def register_GPU_resident(
    state: dict[str, Any], process_id: str, process_name: str, release_vram_callback: Callable[[], Any]
) -> None:
    """A plugin keeps a model on the device; the callback, called before the next task, takes it off."""
    _lock().add_resident(process_id, process_name, release_vram_callback)
