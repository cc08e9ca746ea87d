"""The device lent to a plugin: no task runs on it meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.core.errors import PluginError
from shared.core.events import Finished, Status
from shared.core.state import AppState, GenState

if TYPE_CHECKING:
    from shared.session.runtime import Runtime

log = logging.getLogger(__name__)

MAIN = "process:main"
PAUSED = "Paused"
POLL_S = 0.1
MOST_WAIT_S = 600.0


class DeviceLock:
    """One owner at a time: the queue's tasks, or a plugin. All methods may be called from any thread.

    While a plugin owns the device, a running task waits at its next step and no other starts. A plugin that leaves a
    model on the device says so (`add_resident`): its `release` is called before the next task runs.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._changed = threading.Condition()
        self._owner = ""
        self._waiting = 0
        self._holds_queue = self._was_paused = False
        self._residents: dict[str, tuple[str, Callable[[], Any] | None]] = {}

    @property
    def owner(self) -> str:
        """The plugin that has the device; "" for none."""
        return self._owner

    def acquire(self, owner: str, timeout_s: float = MOST_WAIT_S) -> None:
        """Have the device; waits for another owner, and for the running task to reach a step.

        Raises PluginError when that takes longer than `timeout_s` seconds.
        """
        with self._changed:
            if self._owner == owner:
                return
            self._waiting += 1
            is_free = self._changed.wait_for(lambda: not self._owner, timeout_s)
            self._waiting -= 1
            if not is_free:
                raise PluginError(f"The device is still used by {self._owner}; {owner} cannot have it.")
            self._owner = owner
        try:
            self._hold_queue(owner, timeout_s)
        except BaseException:
            self.release(owner)
            raise
        self.evict(except_for=owner)

    def release(self, owner: str) -> None:
        """Give the device to the next who waits for it, else to the queue, unless that was paused before."""
        with self._changed:
            if self._owner != owner:
                return
            self._owner = ""
            self._changed.notify_all()
            goes_on = self._holds_queue and not self._waiting
            self._holds_queue = self._holds_queue and not goes_on
        if goes_on and not self._was_paused:
            self._runtime.queue.resume()

    def is_used_by_other(self, owner: str, *, ignores_tasks: bool = False) -> bool:
        """Whether a task or another plugin uses the device."""
        if self._owner:
            return self._owner != owner
        return self._runtime.worker.is_busy and not ignores_tasks

    def add_resident(self, owner: str, name: str, release: Callable[[], Any]) -> None:
        """A plugin keeps something on the device until `release` is called."""
        self._residents[owner] = (name, release)

    def evict(self, except_for: str = "") -> None:
        """Have every resident leave the device."""
        for owner in [owner for owner in self._residents if owner != except_for]:
            self.evict_owner(owner)

    def evict_owner(self, owner: str) -> None:
        """Have one plugin leave the device."""
        name, release = self._residents.pop(owner, ("", None))
        try:
            if release is not None:
                release()
        except Exception:
            log.exception("%s did not leave the device", name)

    def _hold_queue(self, owner: str, timeout_s: float) -> None:
        queue, worker = self._runtime.queue, self._runtime.worker
        if not self._holds_queue:
            self._holds_queue, self._was_paused = True, queue.is_paused
        told = queue.subscribe()
        try:
            queue.pause()
            waited, is_held = 0.0, not worker.is_busy
            while not is_held:
                event = told.get(POLL_S)
                is_held = (isinstance(event, Status) and event.text == PAUSED) or isinstance(event, Finished)
                is_held = is_held or not worker.is_busy
                waited += POLL_S if event is None else 0.0
                if waited > timeout_s:
                    raise PluginError(f"The running task did not pause in {timeout_s:.0f} s; {owner} cannot go on.")
        finally:
            told.close()
        if not worker.is_busy:
            self._runtime.release_model()


def acquire_device(
    lock: DeviceLock, state: dict[str, Any], process_id: str, process_name: str, pause_message: str | None = None
) -> None:
    """`DeviceLock.acquire`, told in a page's state as WanGP's plugins read it."""
    gen = GenState(AppState(state).gen)
    gen.process_status = f"request:{process_id}"
    gen.pause_msg = pause_message or f"Generation is suspended while {process_name} uses the device"
    try:
        lock.acquire(process_id)
    except PluginError:
        gen.process_status, gen.pause_msg = MAIN, ""
        raise
    gen.process_status = f"process:{process_id}"


def release_device(lock: DeviceLock, state: dict[str, Any], process_id: str) -> None:
    """`DeviceLock.release`, told in the state."""
    lock.release(process_id)
    gen = GenState(AppState(state).gen)
    gen.process_status, gen.pause_msg = MAIN, ""
