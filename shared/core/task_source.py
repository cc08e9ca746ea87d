"""What callers hand in (settings, tasks, manifests, files) as tasks of one form (wangp.md 1.7)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.core.conditions import Lookup, is_given
from shared.core.declarations.frames import fps_text
from shared.core.errors import SettingsError, WanGPError
from shared.core.task import Task
from shared.core.units import FrameRule, parse_seconds, seconds_to_frames
from shared.core.virtual_path import parse_virtual_media_path
from shared.core.vocabulary import MEDIA_KEYS, SETTINGS_VERSION

ATTACHMENT_KEYS = MEDIA_KEYS

LoadQueue = Callable[[Path], list[Task]]
FindModel = Callable[[Mapping[str, Any]], Lookup | None]


def read_source(source: Any, load_queue: LoadQueue) -> list[Any]:
    """The entries of a source: settings dicts, task dicts or, from a queue file, Tasks.

    A dict with a list under "tasks" and a list are manifests, any other dict is one entry. A path is a .json file
    with one of these, or else a queue file for `load_queue`. Raises FileNotFoundError, TypeError for another kind of
    source, RuntimeError for a file that cannot be used.
    """
    if isinstance(source, Mapping):
        tasks = source.get("tasks")
        return list(tasks) if isinstance(tasks, (list, tuple)) else [source]
    if isinstance(source, (list, tuple)):
        return list(source)
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"A source is a settings dict, a list of them or the path of a .json or .zip, not {type(source).__name__}."
        )
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"The file {path} does not exist.")
    if path.suffix.lower() == ".json":
        return _read_json(path)
    try:
        return list(load_queue(path))
    except (WanGPError, OSError, ValueError, KeyError) as exc:
        raise RuntimeError(f"{path} could not be loaded as a queue: {exc}") from exc


def normalize_task(
    entry: Any, index: int, find_model: FindModel, base_folder: str | os.PathLike[str]
) -> tuple[Task, list[str]]:
    """A task of its own from an entry, and what was inferred as lines to announce.

    `index` counts the entries from 1 and is the id of those that bring none. `find_model` gives the model's
    definition (None when unknown). Relative media paths start at `base_folder`. Raises TypeError for an entry that
    is no dict, ValueError for a duration that is none.
    """
    record = entry.as_dict() if isinstance(entry, Task) else entry
    if not isinstance(record, Mapping):
        raise TypeError(f"Task {index} is no settings dict, but {type(record).__name__}.")
    given = record.get("params", record.get("settings"))
    is_task = isinstance(given, Mapping)
    params = own_copy(given if isinstance(given, Mapping) else record)
    plugin_data = own_copy(record.get("plugin_data") or {}) if is_task else {}
    params.pop("state", None)
    api = params.pop("_api", None)
    if isinstance(api, Mapping):
        plugin_data["api"] = dict(api)
    params.setdefault("settings_version", SETTINGS_VERSION)
    notes = _infer(params, find_model(params))
    absolute_attachments(params, base_folder)
    client_id = str(params.get("client_id") or getattr(entry, "client_id", "") or f"api_{time.time_ns()}_{index}")
    params["client_id"] = client_id
    task_id = record.get("id") if is_task else index
    number = task_id if isinstance(task_id, int) and task_id > 0 else index
    task = Task(params, number, client_id, plugin_data)
    if isinstance(entry, Task):
        task = task.with_changes(status=entry.status, error=entry.error, created=entry.created)
    return task, notes


def apply_media_flag_defaults(settings: dict[str, Any], model_def: Lookup) -> dict[str, str]:
    """Set the flag letters that the given media ask for and that the model allows; those inferred come back.

    Letters that are there are kept.
    """
    inferred: dict[str, str] = {}
    starts = _start_letters(settings, str(model_def.get("image_prompt_types_allowed", "") or ""))
    if starts:
        inferred["image_prompt_type"] = str(settings.get("image_prompt_type") or "") + starts
    control = str(settings.get("video_prompt_type") or "")
    if is_given(settings.get("image_refs")) and "I" not in control:
        letters = _first_choice(model_def.get("image_ref_choices", None), "I")
        added = "".join(letter for letter in letters if letter not in control)
        if added:
            inferred["video_prompt_type"] = control + added
    sound = str(settings.get("audio_prompt_type") or "")
    wanted = "B" if is_given(settings.get("audio_guide2")) else "A" if is_given(settings.get("audio_guide")) else ""
    if wanted and wanted not in sound:
        letters = _first_choice(model_def.get("audio_prompt_type_sources", None), wanted)
        added = "".join(letter for letter in letters if letter not in sound)
        if added:
            inferred["audio_prompt_type"] = sound + added
    settings.update(inferred)
    return inferred


def apply_video_length_duration(settings: dict[str, Any], model_def: Lookup) -> dict[str, Any] | None:
    """Turn a `video_length` such as "10s" into frames; {input, seconds, fps, frames}, or None where it is no duration.

    Raises ValueError for a duration that is not above 0.
    """
    given = settings.get("video_length")
    if not isinstance(given, str):
        return None
    try:
        seconds = parse_seconds(given)
    except SettingsError as exc:
        raise ValueError(str(exc)) from exc
    if seconds is None:
        return None
    fps = _fps(settings.get("force_fps"), model_def)
    rule = FrameRule(
        int(model_def.get("frames_minimum", 5) or 5),
        int(model_def.get("frames_steps", 4) or 4),
        int(model_def.get("frames_offset", 1) if model_def.get("frames_offset", 1) is not None else 1),
    )
    frames = seconds_to_frames(seconds, fps, rule)
    settings["video_length"] = frames
    return {"input": given, "seconds": seconds, "fps": fps, "frames": frames}


def absolute_attachments(settings: dict[str, Any], base_folder: str | os.PathLike[str]) -> None:
    """Make the relative media paths of the settings absolute; suffixes, URLs and media in memory stay as they are."""
    for key in ATTACHMENT_KEYS:
        value = settings.get(key)
        if isinstance(value, (list, tuple)):
            settings[key] = [_absolute(item, base_folder) for item in value]
        elif value is not None:
            settings[key] = _absolute(value, base_folder)


def own_copy(value: Any) -> Any:
    """A copy of dicts and lists at every level; pictures, arrays and other objects are shared."""
    if isinstance(value, Mapping):
        return {key: own_copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [own_copy(item) for item in value]
    return value


def _infer(params: dict[str, Any], model: Lookup | None) -> list[str]:
    """Durations, flags and frames a second of a task's settings, with lines about the first two."""
    source: Lookup = model if model is not None else {}
    notes: list[str] = []
    duration = apply_video_length_duration(params, source)
    if duration:
        notes.append(f"video_length: {duration['input']} is {duration['frames']} frames at {duration['fps']:g} fps")
    for name, letters in apply_media_flag_defaults(params, source).items():
        notes.append(f'{name}: "{letters}", from the media given')
    if "force_fps" in params and params["force_fps"] is not None:
        params["force_fps"] = fps_text(params["force_fps"])
    return notes


def _start_letters(settings: Mapping[str, Any], allowed: str) -> str:
    present = str(settings.get("image_prompt_type") or "")
    added = ""
    if not set(present) & set("SVL"):
        if is_given(settings.get("video_source")) and "V" in allowed:
            added = "V"
        elif is_given(settings.get("image_start")) and "S" in allowed:
            added = "S"
    if is_given(settings.get("image_end")) and "E" in allowed and "E" not in present:
        added += "E"
    return added


def _first_choice(declared: Any, letter: str) -> str:
    """The letters of the first declared choice that holds `letter`; "" where none does."""
    if not isinstance(declared, Mapping):
        return ""
    choices: Sequence[Any] = declared.get("choices") or declared.get("selection") or ()
    for choice in choices:
        letters = str(choice[1] if isinstance(choice, (list, tuple)) else choice)
        if letter in letters:
            return letters
    return ""


def _fps(force_fps: Any, model_def: Lookup) -> float:
    try:
        fps = float(force_fps)
    except (TypeError, ValueError):
        fps = 0.0
    return fps if fps > 0 else float(model_def.get("fps", 16) or 16)


def _absolute(value: Any, base_folder: str | os.PathLike[str]) -> Any:
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        return value
    text = os.fspath(value)
    virtual = parse_virtual_media_path(text)
    path = virtual.source_path if virtual else text
    if "://" in path or path.startswith("data:") or (virtual and virtual.extra("vsource")):
        return text
    absolute = os.path.abspath(os.path.join(os.fspath(base_folder), os.path.expanduser(path)))
    suffix = text.partition("|")[2]
    return f"{absolute}|{suffix}" if virtual else absolute


def _read_json(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        raise RuntimeError(f"{path} could not be read as JSON: {exc}") from exc
    if isinstance(content, (Mapping, list)):
        return read_source(content, lambda _: [])
    raise RuntimeError(f"{path} holds neither settings nor a list of tasks.")
