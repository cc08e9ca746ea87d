"""What callers hand in, as tasks for the queue."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.core.errors import ModelNotFound
from shared.core.task import Task
from shared.core.task_source import ATTACHMENT_KEYS, absolute_attachments, normalize_task, own_copy, read_source
from shared.core.virtual_path import parse_virtual_media_path

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.engine.registry import Registry

LoadQueue = Callable[[Path], list[Task]]


@dataclass(frozen=True)
class Submission:
    """A task as it was handed in: the id it came with, lines to announce, and why it cannot be used, if so."""

    task: Task
    submitted_id: Any
    notes: tuple[str, ...] = ()
    problem: str | None = None


def read_submissions(source: Any, registry: Registry, load_queue: LoadQueue) -> list[Submission]:
    """The tasks of a source; relative media paths start at the caller's working directory.

    Raises TypeError, ValueError, FileNotFoundError and RuntimeError for what is no source.
    """
    entries = read_source(source, load_queue)
    if not entries:
        raise ValueError("There is no task to run: the list is empty.")
    return [_submission(entry, index, registry) for index, entry in enumerate(entries, start=1)]


def task_from_settings(settings: Mapping[str, Any], registry: Registry, *, client_id: str = "") -> Task:
    """One settings dict as a task for the queue."""
    given = {**settings, "client_id": client_id} if client_id else dict(settings)
    return _submission(given, 1, registry).task


def read_file(path: Path, bases: Sequence[Path], load_queue: LoadQueue) -> list[Task]:
    """The tasks of a settings file, manifest or saved queue, under the ids they have there.

    Relative media paths start at the first of `bases` where the file is. Raises as `read_submissions`.
    """
    return [_rebased(entry, index, bases) for index, entry in enumerate(read_source(path, load_queue), start=1)]


def _submission(entry: Any, index: int, registry: Registry) -> Submission:
    def find_model(settings: Mapping[str, Any]) -> ModelDef | None:
        try:
            return registry.model_for(settings)
        except ModelNotFound:
            return None

    task, notes = normalize_task(entry, index, find_model, os.getcwd())
    problem = entry.error if isinstance(entry, Task) else None
    return Submission(task.with_changes(id=0), _submitted_id(entry, index), tuple(notes), problem)


def _submitted_id(entry: Any, index: int) -> Any:
    if isinstance(entry, Task):
        return entry.id or index
    return entry.get("id", index) if _is_task(entry) else index


def _is_task(record: Mapping[str, Any]) -> bool:
    return any(isinstance(record.get(key), Mapping) for key in ("params", "settings"))


def _rebased(entry: Any, index: int, bases: Sequence[Path]) -> Task:
    if isinstance(entry, Task):
        return entry
    if not isinstance(entry, Mapping):
        raise TypeError(f"Task {index} is no settings dict, but {type(entry).__name__}.")
    given = entry.get("params", entry.get("settings")) if _is_task(entry) else entry
    params = own_copy(given)
    for key in ATTACHMENT_KEYS:
        if params.get(key) is not None:
            params[key] = _found(key, params[key], bases)
    plugin_data = entry.get("plugin_data") if _is_task(entry) else None
    return Task(params, _submitted_id(entry, index), plugin_data=own_copy(plugin_data or {}))


def _found(key: str, value: Any, bases: Sequence[Path]) -> Any:
    """The value with absolute paths, of the first base where all its files are (the first base where none has)."""
    candidates = []
    for base in bases:
        settings = {key: value}
        absolute_attachments(settings, base)
        candidates.append(settings[key])
    return next((candidate for candidate in candidates if all(map(_exists, _as_list(candidate)))), candidates[0])


def _exists(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    virtual = parse_virtual_media_path(value)
    path = virtual.source_path if virtual else value
    return "://" in path or path.startswith("data:") or os.path.exists(path)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
