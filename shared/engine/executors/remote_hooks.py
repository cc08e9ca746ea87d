"""Plugin hooks of the program, called from its worker process."""

from __future__ import annotations

import itertools
import queue
from typing import Any

from shared.core.errors import PluginError
from shared.engine.executors.wire import Channel, HookAnswer, HookCall


class RemoteHooks:
    """Asks the program to run a hook, and waits for what it returned."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._answers: queue.SimpleQueue[HookAnswer] = queue.SimpleQueue()

    def call(self, name: str, *args: Any) -> Any:
        """What the hook returns. Raises PluginError when it failed."""
        number = next(self._numbers)
        self._channel.send(HookCall(number, name, args))
        while (answer := self._answers.get()).call_id != number:
            continue
        if answer.error is not None:
            raise PluginError(answer.error)
        return answer.value

    def take(self, answer: HookAnswer) -> None:
        """An answer has come (called by the thread that listens)."""
        self._answers.put(answer)
