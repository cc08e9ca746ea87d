"""The queue's tasks in memory: who is next. Knows nothing of disks and threads."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from shared.core.task import Task, TaskStatus
from shared.engine.queue_store import StoredTask

_RANK: dict[TaskStatus, int] = {"running": 0, "waiting": 1, "failed": 2, "done": 3, "cancelled": 3}
_SMALLEST_GAP = 1e-6


class QueueOrder:
    """Tasks by id with their positions (any real numbers; smaller runs earlier)."""

    def __init__(self, entries: Iterable[StoredTask] = ()) -> None:
        self._entries = {entry.task.id: entry for entry in entries}

    def all(self) -> list[Task]:
        """Running, waiting in order, failed."""
        return [entry.task for entry in self._sorted()]

    def get(self, task_id: int) -> Task | None:
        """The task with this id."""
        entry = self._entries.get(task_id)
        return entry.task if entry else None

    def find(self, client_id: str | None) -> Task | None:
        """The newest running or waiting task with this client_id."""
        found = [e.task for e in self._entries.values() if client_id and e.task.client_id == client_id]
        return max(found, key=lambda task: (-_RANK[task.status], task.id), default=None)

    def next_waiting(self, held: Container[int] = ()) -> Task | None:
        """The task that runs next; those `held` are passed over."""
        entry = min((entry for entry in self._waiting() if entry.task.id not in held), key=_place, default=None)
        return entry.task if entry else None

    def end(self) -> float:
        """A position behind all others."""
        return max((entry.position for entry in self._entries.values()), default=0.0) + 1.0

    def place(
        self, entries: Sequence[StoredTask], *, first: bool, behind: int | None = None
    ) -> list[StoredTask]:
        """Give new entries their positions: at the front, behind earlier priority tasks or a given one, at the end."""
        waiting = sorted(self._waiting(), key=_place)
        index = next((index for index, entry in enumerate(waiting, start=1) if entry.task.id == behind), None)
        if index is not None:
            positions = self._between(waiting, index, len(entries))
            return [replace(entry, position=place) for entry, place in zip(entries, positions, strict=True)]
        ahead = 0 if first else next((i for i, e in enumerate(waiting) if not e.has_priority), len(waiting))
        urgent = [entry for entry in entries if first or entry.has_priority]
        between = iter(self._between(waiting, ahead, len(urgent)))
        end = iter(range(len(entries)))
        start = self.end()
        return [
            replace(entry, position=next(between))
            if first or entry.has_priority
            else replace(entry, position=start + next(end))
            for entry in entries
        ]

    def add(self, entry: StoredTask, task_id: int) -> Task:
        """Take up a placed entry under its id."""
        task = entry.task.with_changes(id=task_id)
        self._entries[task_id] = replace(entry, task=task)
        return task

    def replace(self, task: Task) -> None:
        """A new state of a task, at its place."""
        self._entries[task.id] = replace(self._entries[task.id], task=task)

    def restore(self, task: Task) -> None:
        """Take up a task that was dropped, behind all others."""
        self._entries[task.id] = StoredTask(task, self.end())

    def drop(self, task_id: int) -> None:
        """Forget a task."""
        self._entries.pop(task_id, None)

    def positions_after_move(self, task_id: int, index: int) -> Mapping[int, float] | None:
        """The positions that change when a waiting task goes to `index` among the waiting ones; None: not waiting."""
        waiting = sorted(self._waiting(), key=_place)
        moved = next((entry for entry in waiting if entry.task.id == task_id), None)
        if moved is None:
            return None
        waiting.remove(moved)
        index = max(0, min(index, len(waiting)))
        (position,) = self._between(waiting, index, 1)
        below = waiting[index - 1].position if index else position - 1
        above = waiting[index].position if index < len(waiting) else position + 1
        if position - below > _SMALLEST_GAP and above - position > _SMALLEST_GAP:
            return {task_id: position}
        waiting.insert(index, moved)
        return {entry.task.id: float(place) for place, entry in enumerate(waiting)}

    def positions_if_tight(self) -> Mapping[int, float]:
        """New positions for the waiting tasks once halving has brought two of them too near to fit one between."""
        waiting = sorted(self._waiting(), key=_place)
        if all(b.position - a.position > _SMALLEST_GAP for a, b in pairwise(waiting)):
            return {}
        return {entry.task.id: float(place) for place, entry in enumerate(waiting)}

    def set_positions(self, positions: Mapping[int, float]) -> None:
        """Apply what `positions_after_move` gave."""
        for task_id, position in positions.items():
            self._entries[task_id] = replace(self._entries[task_id], position=position)

    def _between(self, waiting: Sequence[StoredTask], index: int, count: int) -> list[float]:
        """`count` rising positions between waiting[index - 1] and waiting[index]."""
        if not waiting:
            return [self.end() + step for step in range(count)]
        if index >= len(waiting):
            return [waiting[-1].position + 1 + step for step in range(count)]
        above = waiting[index].position
        below = waiting[index - 1].position if index else above - 1 - count
        return [below + (above - below) * (step + 1) / (count + 1) for step in range(count)]

    def _waiting(self) -> list[StoredTask]:
        return [entry for entry in self._entries.values() if entry.task.status == "waiting"]

    def _sorted(self) -> list[StoredTask]:
        return sorted(self._entries.values(), key=lambda entry: (_RANK[entry.task.status], *_place(entry)))


def _place(entry: StoredTask) -> tuple[float, int]:
    return entry.position, entry.task.id
