"""The events of a job, as its caller reads them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from shared.core.results import SessionEvent


class SessionStream:
    """An unbounded queue of SessionEvent with one reader; once closed and read to its end it only gives None."""

    def __init__(self) -> None:
        self._events: deque[SessionEvent] = deque()
        self._closed = False
        self._changed = threading.Condition()

    @property
    def closed(self) -> bool:
        """Whether nothing more will come (what came before can still be read)."""
        return self._closed

    def put(self, kind: str, data: Any = None) -> None:
        """Add an event; ignored once the stream is closed."""
        with self._changed:
            if not self._closed:
                self._events.append(SessionEvent(kind, data))
                self._changed.notify()

    def close(self) -> None:
        """End the stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop what has not been read."""
        with self._changed:
            self._events.clear()

    def get(self, timeout: float | None = None) -> SessionEvent | None:
        """The next event; None after `timeout` seconds without one, and at the end of the stream."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._events and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            return self._events.popleft() if self._events else None

    def iter(self, timeout: float | None = None) -> Iterator[SessionEvent]:
        """The events until the stream ends; `timeout` is how often a waiting reader wakes up."""
        while True:
            event = self.get(timeout)
            if event is not None:
                yield event
            elif self._closed and not self._events:
                return
