"""Saved queues: WanGP's zip (`queue.json` with its media) and plain JSON.

Beyond WanGP's own: `plugin_data` is kept, and the source of a virtual path (`clip.mp4|start_frame=..`) is bundled
with its suffix kept.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from shared.core.errors import MediaError, SettingsError
from shared.core.paths import replace_atomic, write_atomic
from shared.core.task import Task
from shared.core.virtual_path import SEPARATOR, parse_virtual_media_path
from shared.core.vocabulary import MEDIA_KEYS, SETTINGS_VERSION
from shared.engine.queue_media import storable
from shared.engine.safe_zip import MAX_TEXT_BYTES, SafeZip

QUEUE_NAME = "queue.json"
# Never written: they belong to the program that made the task, not to the task.
_NOT_SAVED = ("state", "client_id")


def save_queue(tasks: Sequence[Task], path: str | Path) -> Path:
    """Write tasks as a .zip with their media or, for a name ending in .json, with the paths of their media.

    The file appears whole or not at all. Raises DiskFull, or WanGPError where it cannot be written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="wangp-queue-") as scratch:
        entries = [_entry(task, number, Path(scratch)) for number, task in enumerate(tasks, start=1)]
        if path.suffix.lower() == ".json":
            return write_atomic(path, _json_bytes(entries))
        return replace_atomic(path, lambda stream: _write_zip(entries, stream))


@dataclass(frozen=True)
class LoadedQueue:
    """The tasks of a saved queue, and one sentence for each that cannot be used."""

    tasks: list[Task]
    problems: list[str] = field(default_factory=list)


def load_queue(path: str | Path, media_dir: str | Path) -> list[Task]:
    """The tasks of a saved queue in their order; the media of a zip are copied to `media_dir`.

    A task that cannot be used is there too, with status "failed" and its `error`: put into the queue it is shown
    as failed. Raises SettingsError for a file
    that is no saved queue, is refused, or holds no usable task.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        tasks = [_task(entry, number, _as_given) for number, entry in enumerate(_read_json(path), start=1)]
    else:
        with SafeZip(path) as archive:
            bundle = _Bundle(archive, Path(media_dir))
            entries = _parse(archive.text(QUEUE_NAME), f"{QUEUE_NAME} in {path.name}")
            tasks = [_task(entry, number, bundle.resolve) for number, entry in enumerate(entries, start=1)]
    if not tasks:
        raise SettingsError(f"{path.name} holds no task.")
    if all(task.error for task in tasks):
        raise SettingsError(f"{path.name} holds no usable task. {tasks[0].error}")
    return tasks


def read_queue(path: str | Path, media_dir: str | Path) -> LoadedQueue:
    """Like `load_queue`, with the tasks that cannot be used told apart."""
    tasks = load_queue(path, media_dir)
    return LoadedQueue([task for task in tasks if not task.error], [task.error for task in tasks if task.error])


class _Bundle:
    """The media of an opened zip, each copied out once."""

    def __init__(self, archive: SafeZip, folder: Path) -> None:
        self._archive, self._folder = archive, folder
        self._paths: dict[str, Path] = {}

    def resolve(self, key: str, value: str) -> str:
        """The path of a medium named in the settings. Raises SettingsError or MediaError where there is none."""
        name, separator, suffix = value.partition(SEPARATOR)
        name = name.strip()
        if value.startswith("data:") or "://" in name:
            return value
        if os.path.isabs(name) or name[1:3] in (":\\", ":/"):
            raise SettingsError(f'{key}: the absolute path "{name}" in a zip is refused; media must be inside it.')
        if name not in self._archive:
            raise MediaError(f'{key}: "{name}" is not in the zip.')
        if name not in self._paths:
            self._paths[name] = self._archive.extract(name, self._folder)
        return f"{self._paths[name]}{separator}{suffix}"


def _as_given(key: str, value: str) -> str:
    return value


def _task(entry: Any, number: int, resolve: Callable[[str, str], str]) -> Task:
    if not isinstance(entry, Mapping):
        return Task({}, number, status="failed", error=f"Task {number} is no settings dict.")
    given = entry.get("params", entry.get("settings"))
    params = dict(given if isinstance(given, Mapping) else entry)
    params.pop("state", None)
    plugin_data = entry.get("plugin_data") if isinstance(given, Mapping) else None
    task_id = entry.get("id") if isinstance(given, Mapping) else None
    problem = _resolve_media(params, resolve)
    return Task(
        params=params,
        id=task_id if isinstance(task_id, int) and task_id > 0 else number,
        client_id=str(params.get("client_id") or ""),
        plugin_data=dict(plugin_data) if isinstance(plugin_data, Mapping) else {},
        status="failed" if problem else "waiting",
        error=f"Task {number}: {problem}" if problem else None,
    )


def _resolve_media(params: dict[str, Any], resolve: Callable[[str, str], str]) -> str | None:
    """Put the paths of the media in; the first problem."""
    problem: str | None = None
    for key in MEDIA_KEYS:
        value = params.get(key)
        if not value:
            continue
        try:
            items = [resolve(key, item) if isinstance(item, str) else item for item in _as_list(value)]
            params[key] = items if isinstance(value, list) else items[0]
        except (SettingsError, MediaError) as exc:
            # There is no such file: whoever overlooks the error cannot run the task without its media.
            params[key] = f"refused/{key}"
            problem = problem or str(exc)
    return problem


def _read_json(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise SettingsError(f"{path.name} is refused: it is larger than {MAX_TEXT_BYTES >> 20} MB.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{path.name} is not UTF-8 text.") from exc
    except OSError as exc:
        raise SettingsError(f"{path} could not be read: {exc.strerror or exc}.") from exc
    return _parse(text, path.name)


def _parse(text: str, name: str) -> list[Any]:
    """The entries of a queue: a list, a dict with "tasks", or one dict."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"{name} is no valid JSON ({exc}).") from exc
    if isinstance(content, dict):
        tasks = content.get("tasks")
        return tasks if isinstance(tasks, list) else [content]
    if isinstance(content, list):
        return content
    raise SettingsError(f"{name} holds neither settings nor a list of tasks.")


def _entry(task: Task, number: int, scratch: Path) -> dict[str, Any]:
    params = {"settings_version": SETTINGS_VERSION, **storable(task.params, scratch)}
    for key in _NOT_SAVED:
        params.pop(key, None)
    return {"id": number, "params": params, "plugin_data": storable(task.plugin_data, scratch)}


def _write_zip(entries: Sequence[dict[str, Any]], stream: BinaryIO) -> None:
    members: dict[str, str] = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            for key in MEDIA_KEYS:
                value = entry["params"].get(key)
                if not value:
                    continue
                items = [
                    _bundle(archive, members, item, f"task{entry['id']}_{key}_{index}")
                    for index, item in enumerate(_as_list(value))
                ]
                entry["params"][key] = items if isinstance(value, list) else items[0]
        archive.writestr(QUEUE_NAME, _json_bytes(entries))


def _bundle(archive: zipfile.ZipFile, members: dict[str, str], value: Any, stem: str) -> Any:
    """The name in the zip of a medium, which is written at its first use; what is no file stays as it is."""
    if not isinstance(value, str):
        return value
    virtual = parse_virtual_media_path(value)
    source = Path(virtual.source_path if virtual else value)
    if not source.is_file():
        return value
    real = str(source.resolve())
    if real not in members:
        members[real] = f"{stem}{source.suffix.lower()}"
        # Pictures and clips are compressed already.
        archive.write(source, members[real], zipfile.ZIP_STORED)
    return f"{members[real]}{SEPARATOR}{value.partition(SEPARATOR)[2]}" if virtual else members[real]


def _json_bytes(entries: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    json.dump(list(entries), text, ensure_ascii=False, indent=2)
    return text.getvalue().encode("utf-8")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
