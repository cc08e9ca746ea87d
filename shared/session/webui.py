"""The page transport: the same queue, with the page's own state as its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.core.task import Task
from shared.session.direct import DirectTransport

if TYPE_CHECKING:
    from shared.session.runtime import Runtime

BACKEND = "webui_queue"


class WebuiTransport(DirectTransport):
    """Queues tasks so that the page whose state this is shows them, and hears of them by their client ids."""

    backend = BACKEND
    is_page = True

    def __init__(self, runtime: Runtime, state: dict[str, Any]) -> None:
        super().__init__(runtime.queue)
        self._runtime, self._state = runtime, state

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin to listen; the page's state follows the queue from here on."""
        self._runtime.attach_state(self._state)
        super().start(tasks)

    def put(self, tasks: Sequence[Task]) -> list[Task]:
        """Queue tasks, all or none, ahead of those that wait."""
        return super().put([task.with_changes(params={**task.params, "priority": True}) for task in tasks])
