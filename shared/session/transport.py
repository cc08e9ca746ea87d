"""How a session reaches the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.events import Event
from shared.core.task import Task


class Transport(Protocol):
    """The way of one job's tasks into the queue, and of their events back."""

    @property
    def backend(self) -> str:
        """Named in the `started` event; empty for the headless transport."""

    @property
    def is_page(self) -> bool:
        """Whether a page shows the job: one path a task, no console lines, other tasks outlive a cancelled one."""

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin to listen to these tasks, which are not queued yet."""

    def put(self, tasks: Sequence[Task]) -> list[Task]:
        """Queue tasks, all or none; they come back with the queue's ids."""

    def get(self, timeout_s: float) -> Event | None:
        """The next event of these tasks."""

    def cancel(self, task_id: int) -> None:
        """Remove a waiting task, or end a running one at its next step."""

    def is_waiting(self, task_id: int) -> bool:
        """Whether the task stands in the queue and has not started."""

    def close(self) -> None:
        """Stop listening."""
