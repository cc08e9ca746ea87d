"""The headless transport: straight into the queue, no page involved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.core.errors import QueueError
from shared.core.events import Event
from shared.core.task import Task

if TYPE_CHECKING:
    from shared.engine.queue import Subscription, TaskQueue


class DirectTransport:
    """Puts one job's tasks into the queue and hears of them alone."""

    backend = ""
    is_page = False

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._events: Subscription | None = None

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin to listen: before the tasks are queued, so that no event is missed."""
        self._events = self._queue.subscribe(frozenset(task.client_id for task in tasks))

    def put(self, tasks: Sequence[Task]) -> list[Task]:
        """Queue tasks, all or none."""
        return self._queue.put(tasks)

    def get(self, timeout_s: float) -> Event | None:
        """The next event of these tasks."""
        if self._events is None:
            return None
        event = self._events.get(timeout_s)
        if event is None and self._events.is_closed:
            raise QueueError("The queue was closed while the job was running: the program is ending.")
        return event

    def cancel(self, task_id: int) -> None:
        """Remove a waiting task, or end a running one at its next step."""
        self._queue.cancel(task_id=task_id)

    def is_waiting(self, task_id: int) -> bool:
        """Whether the task stands in the queue and has not started."""
        task = self._queue.get(task_id)
        return task is not None and task.status == "waiting"

    def close(self) -> None:
        """Stop listening."""
        if self._events is not None:
            self._events.close()
