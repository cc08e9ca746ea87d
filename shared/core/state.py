"""Every key of the `state` dict and of `state["gen"]`: the contract between page, core and plugins.

The dicts stay plain; code reads them through these views. Keys are spelled nowhere else (tests/test_house.py).
"""

from __future__ import annotations

from typing import Any

from shared.core.dictview import DictView, Key
from shared.core.events import Event, Finished, Output, Preview, Progress, Started, Status


class GenState(DictView):
    """`state["gen"]`: the queue as a page or a headless job sees it. `fold` alone writes the progress keys."""

    queue = Key[list[dict[str, Any]]](list, "task dicts; position 0 is the running one", writer="TaskQueue")
    in_progress = Key[bool](lambda: False, "a task of this dict is running; absent when idle", writer="fold")
    abort = Key[bool](lambda: False, "end the running task at the next step", writer="executor")
    resume = Key[bool](lambda: False, "leave the pause", writer="executor")
    pause_msg = Key[str](str, "why the running task waits; empty: not paused", writer="executor")
    early_stop = Key[bool](lambda: False, "finish with what is there", writer="executor")
    extra_orders = Key[int](int, "samples asked for while running", writer="executor")
    extra_windows = Key[int](int, "sliding windows asked for while running", writer="executor")
    total_generation = Key[int](lambda: 1, "samples of the running task", writer="generate")
    repeat_no = Key[int](int, "sample being made, from 1", writer="generate")
    prompt_no = Key[int](int, "prompt being made, from 1", writer="generate")
    prompts_max = Key[int](int, "prompts of the run", writer="generate")
    window_no = Key[int](int, "sliding window being made, from 1", writer="generate")
    total_windows = Key[int](int, "sliding windows of the sample", writer="generate")
    sliding_window = Key[bool](lambda: False, "the sample has several windows", writer="generate")
    num_inference_steps = Key[int](int, "denoising steps of the running task", writer="generate")
    progress = Key[int](int, "percentage of the running task", writer="fold")
    progress_args = Key[list[Any]](list, "payload of the last progress command", writer="fold")
    last_progress_args = Key[list[Any] | None](lambda: None, "the same, kept after the task", writer="fold")
    progress_phase = Key[tuple[str, int]](lambda: ("", -1), "(phase label, step)", writer="fold")
    progress_status = Key[str](str, "the status line without its times", writer="fold")
    status = Key[str](str, "line under the progress bar", writer="fold")
    status_display = Key[bool](lambda: False, "the line is shown", writer="page")
    header_text = Key[str](str, "line above the form", writer="page")
    preview = Key[Any](lambda: None, "last preview: JPEG bytes of a wide strip", writer="fold")
    process_status = Key[str](lambda: "process:main", "who owns the device", writer="page")
    api_output_artifacts = Key[dict[str, Any]](dict, "in-memory media by client_id", writer="fold")
    queue_errors = Key[dict[str, tuple[str, bool, bool]]](
        dict, "by client_id: (text, aborted, tasks were queued behind)", writer="fold"
    )
    inline_queue = Key[list[dict[str, Any]] | None](lambda: None, "manifest handed in by a session", writer="session")
    file_list = Key[list[str]](list, "paths of pictures and clips, oldest first", writer="fold")
    file_settings_list = Key[list[dict[str, Any]]](list, "settings of file_list", writer="fold")
    audio_file_list = Key[list[str]](list, "paths of sounds", writer="fold")
    audio_file_settings_list = Key[list[dict[str, Any]]](list, "settings of audio_file_list", writer="fold")
    selected = Key[int](int, "index in file_list", writer="page")
    audio_selected = Key[int](int, "index in audio_file_list", writer="page")
    last_msg = Key[str](str, "last message shown", writer="page")


class AppState(DictView):
    """`state`: one page's (or one headless job's) own dict."""

    gen = Key[dict[str, Any]](dict, "see GenState", writer="TaskQueue, page")
    model_type = Key[str](str, "model chosen in the form", writer="page")
    edit_model_type = Key[str](str, "model of the task being edited", writer="page")
    advanced = Key[bool](lambda: False, "all settings are shown", writer="page")
    all_settings = Key[dict[str, dict[str, Any]]](dict, "form values by model_type", writer="page")
    loras = Key[list[str]](list, "LoRA files of the chosen model", writer="page")
    loras_presets = Key[list[str]](list, "LoRA presets of the chosen model", writer="page")
    last_model_per_family = Key[dict[str, str]](dict, "model_type by family", writer="page")
    last_model_per_type = Key[dict[str, str]](dict, "model_type by base type", writer="page")
    last_resolution_per_group = Key[dict[str, str]](dict, "resolution by size group", writer="page")
    validate_success = Key[int](int, "1 when the form was valid", writer="page")
    plugin_data = Key[dict[str, Any]](dict, "what plugins send along with the tasks of this window", writer="plugins")
    plugins = Key[dict[str, dict[str, Any]]](dict, "private data by plugin id", writer="plugins")


def headless_state() -> dict[str, Any]:
    """A fresh state dict for a job that no page shows."""
    return {
        "model_type": "",
        "edit_model_type": "",
        "loras": [],
        "gen": {
            "queue": [], "file_list": [], "file_settings_list": [], "audio_file_list": [],
            "audio_file_settings_list": [], "selected": 0, "audio_selected": 0, "prompt_no": 0, "prompts_max": 0,
            "repeat_no": 0, "total_generation": 1, "window_no": 0, "total_windows": 0, "progress_status": "",
            "process_status": "process:main", "api_output_artifacts": {},
        },
    }  # fmt: skip


def fold(gen: dict[str, Any], event: Event) -> None:
    """Write what an event tells into `gen`; the only writer of the progress keys."""
    view = GenState(gen)
    match event:
        case Started():
            view.in_progress = True
            view.preview, view.status, view.progress_phase = None, "", ("", -1)
            view.progress_args = []
        case Progress(step=step, total=total, text=text, phase=phase):
            args: list[Any] = [0, text] if step is None else [(step, total), text, total]
            view.progress_args = view.last_progress_args = args
            view.progress_phase = (phase, -1 if step is None else step)
            view.progress_status = text.split(" | ")[0]
        case Preview(jpeg=jpeg):
            view.preview = jpeg
        case Status(text=text):
            view.status = text
        case Output():
            _fold_output(view, event)
        case Finished(client_id=client_id, outcome=outcome, error=error):
            if outcome != "done" and client_id:
                view.queue_errors[client_id] = (error or "", outcome == "cancelled", len(view.queue) > 1)
            view.progress_args, view.preview = [], None
            del view.in_progress


def _fold_output(view: GenState, event: Output) -> None:
    if event.media_type == "text":
        return
    is_audio = event.media_type == "audio"
    paths, settings = (
        (view.audio_file_list, view.audio_file_settings_list) if is_audio else (view.file_list, view.file_settings_list)
    )
    if event.path and event.path not in paths:
        paths.append(event.path)
        settings.append(event.settings)
    if event.artifact and event.client_id:
        view.api_output_artifacts[event.client_id] = event.artifact
