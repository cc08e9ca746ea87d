"""Who hears of the queue: subscriptions, and state dicts that are kept up to date."""

from __future__ import annotations

import threading
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.events import Event, Finished, Output, Preview, Progress, QueueChanged, Started, Status
from shared.core.state import GenState, fold
from shared.core.task import ACTIVE_STATUSES, Task
from shared.engine.subscription import Subscription

# The last of each is told again to a state dict that is attached while the task runs.
_REMEMBERED = (Started, Progress, Preview, Status)


@dataclass(frozen=True)
class _Attached:
    gen: dict[str, Any]
    client_ids: Container[str] | None

    def wants(self, client_id: str) -> bool:
        return self.client_ids is None or client_id in self.client_ids


class Readers:
    """Hands each event to everyone who asked for it, in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._subscriptions: list[Subscription] = []
        self._attached: list[_Attached] = []
        self._dicts: dict[int, dict[str, Any]] = {}
        self._last_events: dict[int, dict[type, Event]] = {}
        self._told_outputs: dict[int, set[tuple[int, str]]] = {}

    def subscribe(self, client_ids: Container[str] | None) -> Subscription:
        """A new line of events."""
        subscription = Subscription(client_ids, self._unsubscribe)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def attach(self, gen: dict[str, Any], client_ids: Container[str] | None, tasks: Sequence[Task]) -> None:
        """Keep `gen` up to date from now on; of running tasks the last events are told again."""
        attached = _Attached(gen, client_ids)
        with self._lock:
            self.detach(gen)
            self._attached.append(attached)
            self._refresh(attached, tasks)
            for task in tasks:
                if attached.wants(task.client_id):
                    for event in self._last_events.get(task.id, {}).values():
                        fold(gen, event)

    def detach(self, gen: dict[str, Any]) -> None:
        """Leave `gen` alone from now on."""
        with self._lock:
            self._attached = [attached for attached in self._attached if attached.gen is not gen]

    def tell(self, event: Event) -> None:
        """Hand out one event; an output that was told already is not told again."""
        with self._lock:
            if not isinstance(event, QueueChanged):
                if self._was_told(event):
                    return
                if isinstance(event, _REMEMBERED):
                    self._last_events.setdefault(event.task_id, {})[type(event)] = event
                for attached in self._attached:
                    if attached.wants(event.client_id):
                        fold(attached.gen, event)
                if isinstance(event, Finished):
                    self.forget(event.task_id)
            for subscription in self._subscriptions:
                subscription.push(event)

    def tell_change(self, reason: str, tasks: Sequence[Task]) -> None:
        """The queue is now `tasks`: bring the `queue` lists up to date, in place, and tell the subscriptions."""
        with self._lock:
            for attached in self._attached:
                self._refresh(attached, tasks)
            self.tell(QueueChanged(reason))

    def rewind(self, task_id: int) -> None:
        """The task will start anew: its progress so far is not told to anyone who attaches."""
        with self._lock:
            self._last_events.pop(task_id, None)

    def forget(self, task_id: int) -> None:
        """The task has ended."""
        with self._lock:
            for book in (self._dicts, self._last_events, self._told_outputs):
                book.pop(task_id, None)

    def close(self) -> None:
        """End every subscription."""
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.close()

    def _refresh(self, attached: _Attached, tasks: Sequence[Task]) -> None:
        active = [task for task in tasks if task.status in ACTIVE_STATUSES and attached.wants(task.client_id)]
        for task in active:
            self._dicts.setdefault(task.id, {}).update(task.as_dict())
        GenState(attached.gen).queue[:] = [self._dicts[task.id] for task in active]

    def _was_told(self, event: Event) -> bool:
        if not isinstance(event, Output):
            return False
        told = self._told_outputs.setdefault(event.task_id, set())
        key = (event.index, event.path)
        if key in told:
            return True
        told.add(key)
        return False

    def _unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = [other for other in self._subscriptions if other is not subscription]
