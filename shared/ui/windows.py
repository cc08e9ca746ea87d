"""The open windows: each one's `state` is attached to the queue as long as the window lives."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

LEASE_S = 180.0
SWEEP_S = 30.0


@dataclass
class _Window:
    state: dict[str, Any] | None = None
    streams: int = 0
    seen: float = field(default_factory=time.monotonic)


class Windows:
    """Attaches the state of each window to the queue, detaches it when the window is gone.

    A window is gone when it said so, or when it has neither an open stream nor given a sign for `LEASE_S` seconds:
    hidden windows close their stream, because a browser allows six connections to one host over all its windows.
    """

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self._windows: dict[str, _Window] = {}
        self._gone_holders: set[str] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()

    def start(self) -> None:
        """Begin to look for windows that are gone."""
        threading.Thread(target=self._sweep, name="wangp-page-windows", daemon=True).start()

    def close(self) -> None:
        """Let every window go."""
        self._end.set()
        for token in list(self._windows):
            self.forget(token)

    def attach(self, token: str, state: dict[str, Any]) -> None:
        """`state` belongs to the window `token` from now on; done again at each event of the window."""
        with self._lock:
            window = self._windows.setdefault(token, _Window())
            window.seen = time.monotonic()
            old, window.state = window.state, state
        if old is state:
            return
        if old is not None:
            self.runtime.detach_state(old)
        self.runtime.attach_state(state)

    def token_of(self, state: dict[str, Any]) -> str:
        """The window that a state belongs to; "" for none."""
        with self._lock:
            return next((token for token, window in self._windows.items() if window.state is state), "")

    def opened(self, token: str) -> None:
        """The window listens."""
        self._count(token, 1)

    def closed(self, token: str) -> None:
        """The window has ceased to listen; it may come back."""
        self._count(token, -1)

    def renew(self, token: str) -> None:
        """The window gave a sign."""
        self._count(token, 0)

    def forget(self, token: str) -> None:
        """The window is gone."""
        with self._lock:
            window = self._windows.pop(token, None)
        if window is not None and window.state is not None:
            self.runtime.detach_state(window.state)

    def count(self) -> int:
        """How many windows are attached."""
        with self._lock:
            return sum(window.state is not None for window in self._windows.values())

    def forget_silent(self, now: float | None = None) -> None:
        """Let those windows go that have been silent for longer than the lease."""
        now = time.monotonic() if now is None else now
        with self._lock:
            silent = [
                token for token, window in self._windows.items()
                if window.streams == 0 and now - window.seen > LEASE_S
            ]  # fmt: skip
        for token in silent:
            self.forget(token)
        self._release_left()

    def _release_left(self) -> None:
        """Let the tasks go that a window edited which is gone; one that is being reloaded is back by the next look."""
        with self._lock:
            known = set(self._windows)
        gone = set(self.runtime.queue.held().values()) - known
        for holder in gone & self._gone_holders:
            self.runtime.queue.release(holder)
        self._gone_holders = gone

    def _count(self, token: str, change: int) -> None:
        with self._lock:
            window = self._windows.get(token)
            if window is None and change <= 0:
                return
            window = self._windows.setdefault(token, _Window())
            window.streams = max(0, window.streams + change)
            window.seen = time.monotonic()

    def _sweep(self) -> None:
        while not self._end.wait(SWEEP_S):
            self.forget_silent()
