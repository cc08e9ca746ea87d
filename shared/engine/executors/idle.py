"""Something that must not happen while a task runs."""

from __future__ import annotations

import threading
from collections.abc import Callable


class WhenIdle:
    """Does `action` when asked from any thread: at once, or right after the running task.

    Entered around each task, by one thread.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._lock = threading.Lock()
        self._is_busy = self._is_wanted = False

    def ask(self) -> None:
        """Have it done."""
        with self._lock:
            self._is_wanted = self._is_busy
            if not self._is_busy:
                self._action()

    def __enter__(self) -> WhenIdle:
        with self._lock:
            self._is_busy = True
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_busy = False
            if self._is_wanted:
                self._is_wanted = False
                self._action()
