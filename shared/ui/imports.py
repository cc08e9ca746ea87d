"""Files that bring settings back: settings JSON, queue zip, and pictures, clips or sounds made here."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shared.core.errors import ModelNotFound, SettingsError
from shared.core.settings import MEDIA_KEYS
from shared.core.settings_io import import_settings
from shared.media.metadata import read_settings, read_source_images
from shared.ui.lending import lend_bytes
from shared.ui.texts import say

MOST_JSON_BYTES = 20_000_000


@dataclass(frozen=True)
class Imported:
    """What a file gave: settings for the form, or how many tasks went into the queue; and remarks for the user."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    model_type: str = ""
    tasks: int = 0
    remarks: tuple[str, ...] = ()


def import_file(runtime: Any, path: Path, name: str, current_model: str, owner: str = "") -> Imported:
    """Read a file; the tasks of a queue file are put into the queue, as those of the window `owner`.

    Raises WanGPError for what cannot be used.
    """
    if name.lower().endswith(".zip"):
        return _queue_file(runtime, path, name, owner)
    if name.lower().endswith(".json"):
        found = _json(path, name)
        if isinstance(found, list) or (isinstance(found, dict) and "tasks" in found):
            return _queue_file(runtime, path, name, owner)
        if not isinstance(found, dict):
            raise SettingsError(say("nothing_to_import", name=name))
        return _for_form(runtime, found, name, current_model)
    settings = read_settings(path)
    if not settings:
        raise SettingsError(say("nothing_to_import", name=name))
    found = _for_form(runtime, settings, name, current_model)
    return replace(found, settings={**found.settings, **_embedded_pictures(path)})


def inspect_file(runtime: Any, path: Path, name: str) -> dict[str, Any]:
    """What a file says of itself: `settings` and the name of their `model`, or how many `tasks` it holds.

    Raises WanGPError for a file without settings.
    """
    if name.lower().endswith(".zip"):
        return {"name": name, "tasks": len(runtime.load_queue(path))}
    found = _json(path, name) if name.lower().endswith(".json") else read_settings(path)
    if isinstance(found, list) or (isinstance(found, dict) and "tasks" in found):
        return {"name": name, "tasks": len(runtime.load_queue(path))}
    if not isinstance(found, dict) or not found:
        raise SettingsError(say("nothing_to_import", name=name))
    try:
        model = runtime.registry.model_for(found).name
    except ModelNotFound:
        model = str(found.get("model_type") or "")
    return {"name": name, "settings": found, "model": model}


def _queue_file(runtime: Any, path: Path, name: str, owner: str) -> Imported:
    tasks, remarks = runtime.load_queue(path), []
    if name.lower().endswith(".json"):
        # A zip brings its media along; a list of paths must not make this machine read files of its own.
        if any(task.params.get(key) for task in tasks for key in MEDIA_KEYS):
            remarks.append(say("paths_left_out", name=name))
        tasks = [task.with_changes(params=_without_media(task.params)) for task in tasks]
    tasks = [task.with_changes(client_id=f"page-{owner}-{uuid.uuid4().hex[:12]}") for task in tasks]
    runtime.queue.put(tasks)
    return Imported(name, tasks=len(tasks), remarks=tuple(remarks))


def _without_media(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in MEDIA_KEYS}


def _embedded_pictures(path: Path) -> dict[str, Any]:
    """The pictures that a clip was made from, where its file holds them, by their settings."""
    found: dict[str, Any] = {}
    for key, pictures in read_source_images(path).items():
        if key in MEDIA_KEYS and pictures:
            names = [f"{Path(picture.filename).stem}{picture.extension}" for picture in pictures]
            found[key] = [lend_bytes(one.data, name) for one, name in zip(pictures, names, strict=True)]
    return found


def _json(path: Path, name: str) -> Any:
    if path.stat().st_size > MOST_JSON_BYTES:
        raise SettingsError(say("nothing_to_import", name=name))
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name}: this is not a readable JSON file ({error}).") from error


def _for_form(runtime: Any, found: dict[str, Any], name: str, current_model: str) -> Imported:
    """Settings for the form, over the model's own defaults; the current model where theirs is not here."""
    remarks = []
    try:
        model = runtime.registry.model_for(found)
    except ModelNotFound:
        model = runtime.registry.get(current_model)
        wanted = str(found.get("model_type") or "")
        if wanted:
            remarks.append(say("model_kept", name=name, wanted=wanted, model=model.name))
    settings = settings_over_defaults(found, model)
    return Imported(name, settings, model.model_type, remarks=tuple(remarks))


def settings_over_defaults(found: dict[str, Any], model: Any) -> dict[str, Any]:
    """A file's settings, brought to today's form, over the model's own: what the file leaves out is reset.

    Paths of media are left out: a file from elsewhere must not make this machine read files of its own.
    """
    given = {name: value for name, value in import_settings(found, model).items() if name not in MEDIA_KEYS}
    return {**model.default_settings(), **given, "model_type": model.model_type}
