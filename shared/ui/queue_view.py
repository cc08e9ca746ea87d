"""The queue as the windows see it: a row a task, made anew only when something of it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.errors import ModelNotFound
from shared.core.task import Task
from shared.ui.catalogue import model_name_and_fps
from shared.ui.task_view import task_row

SHOWN_STATUSES = ("running", "waiting", "failed")
# Further tasks are counted, not shown: a browser is quick with these, and nobody reads more.
TASKS_SHOWN = 1000


@dataclass(frozen=True)
class QueueSnapshot:
    """The rows by task id, and their order; `more` tasks are not shown."""

    order: tuple[int, ...]
    rows: Mapping[int, dict[str, Any]]
    more: int
    waiting: int
    is_paused: bool

    def message(self, known: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
        """What a window is told that knows the rows `known`: the order of all, and the rows that are new to it."""
        fresh = [self.rows[number] for number in self.order if known.get(number) is not self.rows[number]]
        return {
            "kind": "queue", "order": list(self.order), "tasks": fresh, "more": self.more, "waiting": self.waiting,
            "paused": self.is_paused,
        }  # fmt: skip


@dataclass(frozen=True)
class _Kept:
    task: Task
    holder: str
    version: int
    row: dict[str, Any]


class QueueView:
    """Makes snapshots of a runtime's queue; call it from one thread at a time."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self._kept: dict[int, _Kept] = {}
        self._versions: dict[str, int] = {}

    def note_output(self, model_type: str) -> None:
        """A model has made something: its tasks are estimated anew."""
        self.runtime.history.estimates.forget(model_type)
        self._versions[model_type] = self._versions.get(model_type, 0) + 1

    def snapshot(self) -> QueueSnapshot:
        """The queue as it stands."""
        queue = self.runtime.queue
        tasks = [task for task in queue.tasks() if task.status in SHOWN_STATUSES]
        held = queue.held()
        shown = tasks[:TASKS_SHOWN]
        self._kept = {task.id: self._row(task, held.get(task.id, "")) for task in shown}
        return QueueSnapshot(
            tuple(task.id for task in shown),
            {number: kept.row for number, kept in self._kept.items()},
            len(tasks) - len(shown),
            sum(task.status == "waiting" for task in tasks),
            bool(queue.is_paused),
        )

    def _row(self, task: Task, holder: str) -> _Kept:
        version = self._versions.get(str(task.params.get("model_type") or ""), 0)
        kept = self._kept.get(task.id)
        if kept is not None and kept.task is task and (kept.holder, kept.version) == (holder, version):
            return kept
        row = task_row(task, *model_name_and_fps(self.runtime.registry, task.params))
        row |= {"editor": holder, "estimate_s": self._estimate(task), "extends": self._can_be_extended(task)}
        if kept is not None and kept.row == row:
            row = kept.row
        return _Kept(task, holder, version, row)

    def _estimate(self, task: Task) -> float | None:
        """Seconds to two digits, so that a little more experience changes no row."""
        seconds = self.runtime.history.estimates.seconds(task.params)
        return None if seconds is None else float(f"{seconds:.2g}")

    def _can_be_extended(self, task: Task) -> bool:
        """Whether one more window can be ordered while the task runs."""
        try:
            model = self.runtime.registry.model_for(task.params)
        except ModelNotFound:
            return False
        return bool(model.get("sliding_window")) and not task.params.get("image_mode") and not task.params.get("mode")
