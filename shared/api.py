"""WanGP's Python API: `init()` gives a session, the session takes settings and gives results.

Importing this module loads neither torch nor a page framework.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from os import PathLike
from typing import Any

from shared.core.phases import extract_status_phase_label
from shared.core.results import (
    GeneratedArtifact,
    GenerationError,
    GenerationResult,
    PreviewUpdate,
    ProgressUpdate,
    SessionEvent,
    StreamMessage,
)
from shared.core.task_source import apply_media_flag_defaults, apply_video_length_duration
from shared.engine.artifacts import (
    build_api_output_artifact_payload,
    get_api_output_options,
    store_api_output_artifact,
)
from shared.engine.history_query import HistoryQuery
from shared.session.device_lock import acquire_device, release_device
from shared.session.edits import (
    build_audio_postprocessing_settings,
    build_audio_remux_settings,
    build_media_postprocessing_settings,
    postprocessing_choices,
)
from shared.session.job import SessionJob
from shared.session.plugin_install import PluginInstaller, install_refusal
from shared.session.plugins import create_gradio_progress_callbacks, create_gradio_webui_session
from shared.session.runtime import Runtime
from shared.session.session import WanGPSession
from shared.session.stream import SessionStream

__all__ = [
    "GeneratedArtifact",
    "GenerationError",
    "GenerationResult",
    "HistoryQuery",
    "PluginInstaller",
    "PreviewUpdate",
    "ProgressUpdate",
    "Runtime",
    "SessionEvent",
    "SessionJob",
    "SessionStream",
    "StreamMessage",
    "WanGPSession",
    "acquire_device",
    "apply_media_flag_defaults",
    "apply_video_length_duration",
    "build_api_output_artifact_payload",
    "build_audio_postprocessing_settings",
    "build_audio_remux_settings",
    "build_media_postprocessing_settings",
    "create_gradio_progress_callbacks",
    "create_gradio_webui_session",
    "extract_status_phase_label",
    "get_api_output_options",
    "init",
    "install_refusal",
    "postprocessing_choices",
    "release_device",
    "store_api_output_artifact",
]

_GENERATION = ("generate_video", "generate_media", "generate_preview")


def __getattr__(name: str) -> Any:
    if name in _GENERATION:
        return getattr(importlib.import_module("shared.engine.generate"), name)
    raise AttributeError(f"module 'shared.api' has no attribute {name!r}")


def init(
    *,
    root: str | PathLike[str] | None = None,
    config_path: str | PathLike[str] | None = None,
    output_dir: str | PathLike[str] | None = None,
    callbacks: Any = None,
    cli_args: Sequence[Any] = (),
    console_output: bool = True,
    console_isatty: bool = True,
    webui_state: dict[str, Any] | None = None,
) -> WanGPSession:
    """A session that is ready to work; arguments and errors as of `WanGPSession`."""
    session = WanGPSession(
        root=root,
        config_path=config_path,
        output_dir=output_dir,
        callbacks=callbacks,
        cli_args=cli_args,
        console_output=console_output,
        console_isatty=console_isatty,
        webui_state=webui_state,
    )
    return session.ensure_ready()
