"""Runs tasks in one worker process of a device: a crash there ends a task, not the program."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from shared.core.contracts import Control
from shared.core.errors import WorkerDied
from shared.core.events import Event, Finished, Output, Progress
from shared.core.task import Task
from shared.engine.executors.idle import WhenIdle
from shared.engine.executors.media_exchange import make_media_folder, unpack
from shared.engine.executors.spec import RunnerSpec
from shared.engine.executors.wire import (
    Broke,
    Channel,
    Ended,
    HookAnswer,
    HookCall,
    Ready,
    Run,
    Setup,
    Told,
    Wish,
)

log = logging.getLogger(__name__)

CODE_ROOT = Path(__file__).resolve().parents[3]
_SECONDS_TO_END = 5.0
# An abort that the task does not notice (it is deep in native code, or loading a large model) ends the process.
ABORT_GRACE_S = 60.0
_SIGKILL = 9
_WINDOWS_NEW_GROUP = 0x200


class WorkerError(Exception):
    """A bug met in the worker process; `traceback` is the one from there."""

    def __init__(self, line: str, traceback: str) -> None:
        super().__init__(line)
        self.add_note(f"In the worker process:\n{traceback}")


class ProcessExecutor:
    """An Executor whose tasks run in a child process, started ahead of the first task and again after a death.

    The program's own process never imports torch. `run` belongs to the worker's thread, all else to any; `close` ends
    a running task's process at once.
    """

    is_isolated = True

    def __init__(
        self,
        spec: RunnerSpec,
        device: str = "cpu",
        hooks: Mapping[str, Callable[..., Any]] | None = None,
        abort_grace_s: float = ABORT_GRACE_S,
    ) -> None:
        """`hooks` by name (`before_metadata_save`) run in the program's process; the mapping may grow later."""
        self.device = device
        self._abort_grace_s = abort_grace_s
        self._spec = spec
        self._hooks = hooks if hooks is not None else {}
        self._child: _ChildProcess | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._release = WhenIdle(self._end_child)
        # Linux kills a child when the thread that started it ends: this one thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix=f"wangp-start-{device}")

    @property
    def pid(self) -> int | None:
        """The worker process, while there is one."""
        child = self._child
        return child.pid if child is not None and child.is_alive else None

    def start(self) -> None:
        """Have the process started and warming up; returns at once."""
        self._living_child()

    def run(self, task: Task, emit: Callable[[Event], None], control: Control) -> Finished:
        """Run one task to its end. Raises WorkerDied, or WorkerError for a bug in what the task ran."""
        with self._release:
            child = self._living_child()
            try:
                child.channel.send(Run(task, tuple(self._hooks)))
                if not child.is_ready:
                    emit(Progress(task.id, task.client_id, "Loading engine", "Loading engine"))
                with _Wishes(child, task.id, self._abort_grace_s) as wishes:
                    control.listen(wishes.forward)
                    return self._follow(child, emit)
            except (EOFError, OSError) as exc:
                raise WorkerDied(child.describe_death()) from exc
            except WorkerError:
                raise
            except Exception:
                # A message that cannot be read: the process would go on with a task that nobody follows.
                child.kill()
                raise

    def release(self) -> None:
        """End the process, while a task runs after it: all memory goes back to the system.

        The next task starts another.
        """
        self._release.ask()

    def _end_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_closed = True
            child, self._child = self._child, None
        if child is not None:
            child.kill()
        self._starter.shutdown(wait=False)

    def _living_child(self) -> _ChildProcess:
        with self._lock:
            if self._is_closed:
                raise WorkerDied("The worker process was ended with the program.")
            if self._child is None or not self._child.is_alive:
                if self._child is not None:
                    log.warning("%s It had no task; another one is started.", self._child.describe_death())
                self._child = self._starter.submit(_ChildProcess, self._spec, self.device).result()
            return self._child

    def _follow(self, child: _ChildProcess, emit: Callable[[Event], None]) -> Finished:
        """Hand on the events of the running task until it ends."""
        while True:
            match child.channel.receive():
                case Told(event=Output(artifact=dict() as artifact) as output):
                    emit(dataclasses.replace(output, artifact=unpack(artifact)))
                case Told(event=event):
                    emit(event)
                case Ready():
                    child.is_ready = True
                case HookCall() as call:
                    child.tell(self._answer(call))
                case Ended(finished=finished):
                    return finished
                case Broke(line=line, traceback=traceback):
                    raise WorkerError(line, traceback)

    def _answer(self, call: HookCall) -> HookAnswer:
        try:
            return HookAnswer(call.call_id, self._hooks[call.name](*call.args))
        except Exception as exc:
            # A plugin's code: whatever it raises must not end the task's process.
            log.exception("the hook %s failed", call.name)
            return HookAnswer(call.call_id, error=f"The plugin hook {call.name} failed ({type(exc).__name__}: {exc}).")


class _Wishes:
    """Hands on what the user asks of the running task; an abort without effect ends the process."""

    def __init__(self, child: _ChildProcess, task_id: int, abort_grace_s: float) -> None:
        self._child, self._task_id = child, task_id
        self._is_over = False
        self._timer = threading.Timer(abort_grace_s, self._give_up)
        self._timer.daemon = True

    def forward(self, name: str, value: Any) -> None:
        """Listens to the task's Control, and outlives the task with it."""
        if self._is_over:
            return
        self._child.tell(Wish(self._task_id, name, value))
        if name == "abort" and value and self._timer.ident is None:
            self._timer.start()

    def __enter__(self) -> _Wishes:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._timer.cancel()

    def _give_up(self) -> None:
        log.warning("task %s did not notice the abort; its process is ended", self._task_id)
        self._child.kill()


class _ChildProcess:
    is_ready = False

    def __init__(self, spec: RunnerSpec, device: str) -> None:
        self._media_folder = make_media_folder()
        detached: dict[str, Any] = (
            {"creationflags": _WINDOWS_NEW_GROUP} if os.name == "nt" else {"start_new_session": True}
        )
        # A session of its own: Ctrl-C in the terminal goes to the program, which ends its children in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shared.engine.executors.child"],
            cwd=CODE_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **detached,
        )
        self.pid = self._process.pid
        self.channel = Channel(cast(Any, self._process.stdout), cast(Any, self._process.stdin))
        self.tell(Setup(spec, device, os.getpid(), self._media_folder))

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def tell(self, message: Any) -> None:
        """Send, unless the process is gone: whoever waits for its answer will notice that."""
        try:
            self.channel.send(message)
        except (OSError, ValueError) as exc:
            log.debug("the worker process %s is gone: %s", self.pid, exc)

    def end(self) -> None:
        """Close the pipe, which the process takes as the end; killed when it does not."""
        self.channel.close()
        self._wait()
        shutil.rmtree(self._media_folder, ignore_errors=True)

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def describe_death(self) -> str:
        """How the process ended, as a sentence for the user."""
        self.end()
        code = self._process.returncode
        if code == -_SIGKILL:
            return "The worker process was killed (SIGKILL), most likely because the machine ran out of memory."
        if code < 0:
            return f"The worker process crashed ({_signal_name(-code)})."
        return f"The worker process ended unexpectedly (exit code {code})."

    def _wait(self) -> None:
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
