"""The worker process of a device: `python -m shared.engine.executors.child`, started by ProcessExecutor.

Owns torch and the loaded model. Its standard input and output are the pipes to the program; what the generation
prints goes to the program as events and, as a copy, to standard error. It ends when the program ends, however that
happens.
"""

from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import importlib
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from functools import partial
from pathlib import Path

from shared.core.contracts import Control
from shared.core.events import Console, Event, Output
from shared.core.task import Task
from shared.engine.executors.console import ConsoleCapture, StreamName
from shared.engine.executors.media_exchange import pack
from shared.engine.executors.remote_hooks import RemoteHooks
from shared.engine.executors.spec import Runner
from shared.engine.executors.wire import Broke, Channel, Ended, HookAnswer, Ready, Run, Setup, Told, Wish
from shared.engine.folder_lock import hold_worker_lock

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


class Child:
    """Runs the tasks that arrive on the channel, one after the other, on the main thread."""

    def __init__(self, channel: Channel, setup: Setup) -> None:
        self._channel, self._setup = channel, setup
        self._runner = Runner(setup.spec, setup.device)
        self._tasks: queue.SimpleQueue[tuple[Run, Control]] = queue.SimpleQueue()
        self._hooks = RemoteHooks(channel)

    def listen(self) -> None:
        """Hear the program, on a thread of its own; the end of the program is the end of this process."""
        controls: dict[int, Control] = {}
        try:
            while True:
                match self._channel.receive():
                    case Run(task=task) as run:
                        controls = {task.id: Control()}
                        self._tasks.put((run, controls[task.id]))
                    case Wish(task_id=task_id, name=name, value=value) if task_id in controls:
                        controls[task_id].set(name, value)
                    case HookAnswer() as answer:
                        self._hooks.take(answer)
        except (EOFError, OSError):
            # Not sys.exit: the main thread may be deep in native code, and the ledger makes any moment a safe one.
            os._exit(0)

    def warm_up(self) -> None:
        """Import what the first task would otherwise wait for."""
        for name in self._setup.spec.warm:
            try:
                importlib.import_module(name)
            except ImportError:
                log.exception("%s cannot be imported", name)
        self._channel.send(Ready())

    def serve(self) -> None:
        """Run tasks until the process ends."""
        while True:
            run, control = self._tasks.get()
            self._channel.send(self._run(run.task, run.hooks, control))

    def _run(self, task: Task, hooks: tuple[str, ...], control: Control) -> Ended | Broke:
        def tell(stream: StreamName, text: str) -> None:
            self._emit(Console(task.id, task.client_id, stream, text))

        is_terminal = bool(task.api_options.get("console_isatty", True))
        try:
            with ConsoleCapture(tell, is_terminal=is_terminal, whole_process=True, echo=True):
                self._runner.set_hooks({name: partial(self._hooks.call, name) for name in hooks})
                return Ended(self._runner.run(task, self._emit, control))
        except (Exception, SystemExit) as exc:
            line = traceback.format_exception_only(exc)[-1].strip().partition("\n")[0]
            return Broke(line, "".join(traceback.format_exception(exc)))

    def _emit(self, event: Event) -> None:
        if isinstance(event, Output) and event.artifact is not None:
            event = dataclasses.replace(event, artifact=pack(event.artifact, self._setup.media_folder))
        self._channel.send(Told(event))


def take_over_pipes() -> Channel:
    """The pipes to the program; whatever prints to the standard output from now on reaches standard error."""
    source, target = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return Channel(os.fdopen(source, "rb"), os.fdopen(target, "wb"))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when the program's does (Linux; elsewhere the closed pipe tells)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os._exit(0)


def main() -> None:
    """Serve the program that started this process."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    channel = take_over_pipes()
    faulthandler.enable()
    setup: Setup = channel.receive()
    die_with(setup.parent_pid)
    child = Child(channel, setup)
    threading.Thread(target=child.listen, name="listen", daemon=True).start()
    lock = hold_worker_lock(Path(setup.spec.database), setup.device) if setup.spec.database else None
    child.warm_up()
    child.serve()
    del lock


if __name__ == "__main__":
    main()
