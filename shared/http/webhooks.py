"""Messages to the addresses that clients name: signed, tried again, bounded, away from the worker's thread."""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.core.errors import MediaError
from shared.http.auth import sign
from shared.media.fetching import post, shown

log = logging.getLogger(__name__)

MOST_WAITING = 1000
SENDERS = 4
PAUSES_S = (1.0, 5.0, 30.0)
TIMEOUT_S = 15.0

Send = Callable[..., int]


@dataclass(order=True)
class _Delivery:
    due: float
    number: int
    url: str = field(compare=False)
    body: bytes = field(compare=False)
    allow_private: bool = field(compare=False)
    failures: int = field(default=0, compare=False)


class Webhooks:
    """Delivers messages in threads of its own.

    An address that does not answer with 2xx is tried again after 1, 5 and 30 seconds, then given up. `key` signs each
    body in the header X-WanGP-Signature. `trusted` is the address that the operator gave: it may be private.
    """

    def __init__(self, key: str = "", trusted: str = "", *, allow_private: bool = False, send: Send = post) -> None:
        self._key, self._trusted, self._allow_private, self._send = key, trusted, allow_private, send
        self._waiting: list[_Delivery] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads: list[threading.Thread] = []

    def tell(self, url: str, message: Any) -> bool:
        """Queue a message as JSON; False when too many wait already."""
        body = json.dumps(message).encode()
        allowed = self._allow_private or url == self._trusted
        with self._changed:
            if self._is_closed or len(self._waiting) >= MOST_WAITING:
                log.warning("The webhook %s is not told: %s messages wait.", shown(url), len(self._waiting))
                return False
            heapq.heappush(self._waiting, _Delivery(time.monotonic(), next(self._numbers), url, body, allowed))
            if len(self._threads) < SENDERS:
                thread = threading.Thread(target=self._work, name="wangp-webhook", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()
        return True

    @property
    def waiting(self) -> int:
        """How many messages are not delivered yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Send nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            try:
                self._deliver(delivery)
            except Exception:
                log.exception("The webhook %s could not be told", shown(delivery.url))

    def _next(self) -> _Delivery | None:
        with self._changed:
            while not self._is_closed:
                wait_s = self._waiting[0].due - time.monotonic() if self._waiting else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(wait_s)
        return None

    def _deliver(self, delivery: _Delivery) -> None:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["X-WanGP-Signature"] = sign(delivery.body, self._key)
        try:
            status = self._send(
                delivery.url, delivery.body, headers, timeout_s=TIMEOUT_S, allow_private=delivery.allow_private
            )
            trouble = "" if 200 <= status < 300 else f"it answered {status}"
        except MediaError as error:
            trouble = str(error)
        if trouble:
            self._try_again(delivery, trouble)

    def _try_again(self, delivery: _Delivery, trouble: str) -> None:
        if delivery.failures >= len(PAUSES_S):
            log.warning("The webhook %s is given up: %s", shown(delivery.url), trouble)
            return
        log.info("The webhook %s is tried again: %s", shown(delivery.url), trouble)
        with self._changed:
            delivery.due = time.monotonic() + PAUSES_S[delivery.failures]
            delivery.failures += 1
            heapq.heappush(self._waiting, delivery)
            self._changed.notify()
