"""`generate_video`: the headless core under its published name and arguments."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

from shared.core.events import Finished, Info, Started
from shared.core.settings import DECLARATIONS
from shared.core.state import AppState, GenState, headless_state
from shared.core.task import Task
from shared.engine.generate_control import CommandSender, SendCommand, StateControl
from shared.engine.generate_report import Watchers
from shared.engine.generate_task import run_task
from shared.engine.services import Services, program_services

__all__ = ["generate_media", "generate_preview", "generate_video", "run_task"]

_log = logging.getLogger(__name__)

# Arguments of earlier versions, brought to today's names by core/settings.upgrade.
_EARLIER_NAMES = (
    "model_filename", "MMAudio_setting", "MMAudio_prompt", "MMAudio_neg_prompt", "slg_switch", "slg_layers",
    "slg_start_perc", "slg_end_perc",
)  # fmt: skip


def _with_published_arguments(function: Callable[..., bool]) -> Callable[..., bool]:
    """Show every setting as a named argument with its default, since callers filter their dicts by these names."""
    kind = inspect.Parameter
    shown = [kind(name, kind.POSITIONAL_OR_KEYWORD) for name in ("task", "send_cmd")]
    shown.append(kind("state", kind.POSITIONAL_OR_KEYWORD, default=None))
    for name, param in DECLARATIONS.items():
        shown.append(kind(name, kind.KEYWORD_ONLY, default=param.default))
    for name in (*_EARLIER_NAMES, "plugin_data"):
        shown.append(kind(name, kind.KEYWORD_ONLY, default=None))
    function.__signature__ = inspect.Signature(shown, return_annotation=bool)  # type: ignore[attr-defined]
    return function


@_with_published_arguments
def generate_video(
    task: Mapping[str, Any] | Task,
    send_cmd: SendCommand,
    state: dict[str, Any] | None = None,
    *,
    services: Services | None = None,
    **settings: Any,
) -> bool:
    """Make what a task asks for; True, or False after an "error" command.

    `settings` are the named arguments, over those in `task["params"]`; what neither gives is the model's default.
    `send_cmd(command, data)` hears "progress", "preview", "status", "info", "output", "error", "refresh_models" and
    last "exit". `state["gen"]` is kept up to date, and obeyed: abort, pause_msg / resume, early_stop, extra_orders,
    extra_windows. Runs in this process, with the model kept loaded for the next call.
    """
    queued = _as_task(task, settings)
    state = state if state is not None else queued.params.get("state") or headless_state()
    gen = AppState(state).gen
    queued = _with_last_video(queued, gen)
    control, sender = StateControl(gen), CommandSender(send_cmd, gen)
    sender(Started(queued.id, queued.client_id))
    GenState(gen).num_inference_steps = int(queued.params.get("num_inference_steps") or 0)
    try:
        for name in settings.keys() - DECLARATIONS.keys() - set(_EARLIER_NAMES) - {"plugin_data"}:
            sender(Info(queued.id, queued.client_id, f"{name}: generate_video has no such argument."))
        watchers = Watchers(on_latents=sender.latents, on_position=sender.position)
        finished = run_task(queued, sender, control, services or program_services(), watchers)
    except Exception as error:
        _log.exception("Task %s ended by an error of the program", queued.id)
        finished = Finished(queued.id, queued.client_id, "failed", f"{type(error).__name__}: {error}", "runtime")
    control.clear()
    sender(finished)
    if finished.outcome != "done":
        send_cmd("error", finished.error)
    send_cmd("exit", None)
    return finished.outcome == "done"


generate_media = generate_video


def generate_preview(model_type: str, payload: Any, *, services: Services | None = None) -> Any:
    """The payload of a "preview" command as one wide RGB picture (PIL); None when that model is not loaded.

    The payload is a latents tensor (C,T,H,W), or a dict that holds one under "latents".
    """
    latents = payload.get("latents") if isinstance(payload, Mapping) else payload
    models = (services or program_services()).models
    if latents is None or models.resident is None or models.resident_type != model_type:
        return None
    return models.resident.preview(latents)


def _as_task(task: Mapping[str, Any] | Task, settings: Mapping[str, Any]) -> Task:
    given = {name: value for name, value in settings.items() if value is not None}
    if isinstance(task, Task):
        return task.with_changes(params={**task.params, **given})
    params = {**(task.get("params") or {}), **given}
    plugin_data = params.pop("plugin_data", None) or task.get("plugin_data") or {}
    if isinstance(params.get("_api"), Mapping):
        plugin_data = {**plugin_data, "api": params["_api"]}
    return Task(
        params=params,
        id=int(task.get("id") or 0),
        client_id=str(params.get("client_id") or ""),
        plugin_data=plugin_data,
    )


def _with_last_video(task: Task, gen: dict[str, Any]) -> Task:
    """For the letter L (continue the last output): the newest clip that this state knows."""
    letters = str(task.params.get("image_prompt_type") or "")
    clips = [path for path in GenState(gen).file_list if path.lower().endswith((".mp4", ".mov", ".mkv"))]
    if "L" not in letters or task.params.get("video_source") or not clips:
        return task
    return task.with_changes(params={**task.params, "video_source": clips[-1]})
