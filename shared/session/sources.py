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
    """A task as it was handed in: the id it came with, and what was inferred for it, as lines to announce."""

    task: Task
    submitted_id: Any
    notes: tuple[str, ...] = ()


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


def read_file(path: str | Path, bases: Sequence[Path], load_queue: LoadQueue) -> list[dict[str, Any]]:
    """The tasks of a settings file, manifest or saved queue, as a manifest.

    Relative media paths start at the first of `bases` where the file is. Raises as `read_submissions`.
    """
    return [_rebased(entry, bases) for entry in read_source(path, load_queue)]


def _submission(entry: Any, index: int, registry: Registry) -> Submission:
    def find_model(settings: Mapping[str, Any]) -> ModelDef | None:
        try:
            return registry.model_for(settings)
        except ModelNotFound:
            return None

    task, notes = normalize_task(entry, index, find_model, os.getcwd())
    return Submission(task.with_changes(id=0), _submitted_id(entry, index), tuple(notes))


def _submitted_id(entry: Any, index: int) -> Any:
    if isinstance(entry, Task):
        return entry.id or index
    is_task = any(isinstance(entry.get(key), Mapping) for key in ("params", "settings"))
    return entry.get("id", index) if is_task else index


def _rebased(entry: Any, bases: Sequence[Path]) -> dict[str, Any]:
    record = entry.as_dict() if isinstance(entry, Task) else entry
    if not isinstance(record, Mapping):
        raise TypeError(f"The file holds a {type(record).__name__} where a settings dict is expected.")
    given = record.get("params", record.get("settings"))
    params = own_copy(given if isinstance(given, Mapping) else record)
    for key in ATTACHMENT_KEYS:
        if params.get(key) is not None:
            params[key] = _found(key, params[key], bases)
    kept = {key: record[key] for key in ("id", "plugin_data") if key in record} if isinstance(given, Mapping) else {}
    return {**kept, "params": params}


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
