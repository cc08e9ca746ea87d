"""A reader's own line of events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Container, Iterator

from shared.core.events import Event, Preview, Progress, QueueChanged

# A reader that lags keeps this many of a task's last events of the kind; no other event is ever dropped.
MAX_PENDING: dict[type, int] = {Progress: 500, Preview: 2}


class Subscription:
    """The events of some tasks in order, from the moment of subscribing until `close`.

    `client_ids` may be any container, also one that grows meanwhile; None: the events of all tasks. Changes of the
    queue itself (QueueChanged) come in any case.
    """

    def __init__(
        self, client_ids: Container[str] | None = None, on_close: Callable[[Subscription], None] | None = None
    ) -> None:
        self._client_ids, self._on_close = client_ids, on_close
        self._events: deque[Event] = deque()
        self._pending: dict[tuple[type, int], int] = {}
        self._changed = threading.Condition()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """No more events will come; those not yet read can still be."""
        return self._is_closed

    def push(self, event: Event) -> None:
        """Add an event (the queue's side)."""
        is_wanted = self._client_ids is None or isinstance(event, QueueChanged) or event.client_id in self._client_ids
        if not is_wanted:
            return
        with self._changed:
            if self._is_closed:
                return
            self._events.append(event)
            self._drop_old(event)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None when none came in time, or when the subscription is closed and read to its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._is_closed, timeout)
            if not self._events:
                return None
            event = self._events.popleft()
            if type(event) in MAX_PENDING and not isinstance(event, QueueChanged):
                self._pending[type(event), event.task_id] -= 1
            return event

    def close(self) -> None:
        """End it; readers that wait are woken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._on_close is not None:
            self._on_close(self)

    def __iter__(self) -> Iterator[Event]:
        while (event := self.get()) is not None:
            yield event

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop_old(self, event: Event) -> None:
        if isinstance(event, QueueChanged) or type(event) not in MAX_PENDING:
            return
        key = (type(event), event.task_id)
        self._pending[key] = self._pending.get(key, 0) + 1
        if self._pending[key] <= MAX_PENDING[type(event)]:
            return
        for index, old in enumerate(self._events):
            if not isinstance(old, QueueChanged) and (type(old), old.task_id) == key:
                del self._events[index]
                self._pending[key] -= 1
                return
