"""The thread that takes tasks from the queue and has an executor run them; the one owner of tracebacks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from shared.core.contracts import Executor
from shared.core.errors import Cancelled, QueueError, WorkerDied
from shared.core.events import Finished, Info, Started
from shared.core.task import Task
from shared.engine.queue import TaskQueue
from shared.engine.queue_store import MAX_CRASHES

log = logging.getLogger(__name__)

# The value of the `abort` wish that comes from the program's end, not from the user.
_STOP = "stop"


class Worker:
    """Runs the queue's tasks on one executor, one after the other, until `stop`.

    A task that fails ends alone. One whose process died is run once more; the second death ends it. `before_run` may
    change a task for its run.
    """

    def __init__(self, queue: TaskQueue, executor: Executor) -> None:
        self._queue, self._executor = queue, executor
        self.before_run: Callable[[Task], Task] = lambda task: task
        self._is_isolated = executor.is_isolated
        self._stopping = threading.Event()
        self._running: Task | None = None
        self._thread = threading.Thread(target=self._work, name=f"wangp-worker-{executor.device}", daemon=True)

    def start(self) -> None:
        """Begin; an executor with a process of its own starts warming it up."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Take no further task and interrupt the running one, which waits again for the next start.

        True when the thread has ended in time.
        """
        self._stopping.set()
        self._queue.wake()
        if (task := self._running) is not None:
            control = self._queue.control(task.id)
            if not control.get("abort"):
                control.set("abort", _STOP)
            if self._is_isolated:
                self._executor.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._executor.close()
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """It takes tasks, or runs one."""
        return self._thread.is_alive() and not self._stopping.is_set()

    @property
    def is_busy(self) -> bool:
        """A task runs."""
        return self._running is not None

    def _work(self) -> None:
        try:
            self._executor.start()
        except (OSError, WorkerDied) as exc:
            # The first task tries again, and is told when that fails too.
            log.error("the worker process could not be started: %s", exc)
        while not self._stopping.is_set():
            try:
                task = self._queue.take(
                    self._executor.device, is_isolated=self._is_isolated, is_stopped=self._stopping.is_set
                )
            except QueueError as exc:
                # The disk may be full for a while: nothing was claimed, so trying again loses nothing.
                log.error("the next task could not be taken: %s", exc)
                self._stopping.wait(5.0)
                continue
            if task is not None:
                self._attend(task)
            elif self._queue.is_closed:
                return

    def _attend(self, task: Task) -> None:
        self._running = task
        try:
            # `stop` looks at the running task after it has set the flag: one of the two sees the other.
            if self._stopping.is_set():
                self._queue.put_back(task.id)
            else:
                self._run(task)
        except QueueError as exc:
            log.error("task %s: what became of it could not be kept: %s", task.id, exc)
        finally:
            self._running = None

    def _run(self, task: Task) -> None:
        control = self._queue.control(task.id)
        self._queue.publish(Started(task.id, task.client_id, self._executor.device))
        try:
            finished = self._executor.run(self.before_run(task), self._queue.publish, control)
        except WorkerDied as exc:
            self._answer_death(task, exc, control.get("abort"))
            return
        except (Exception, SystemExit) as exc:
            log.exception("task %s failed with an error of the program", task.id)
            text = f"Task {task.id} failed: an error of the program ({_line(exc)}). The log has the details."
            finished = Finished(task.id, task.client_id, "failed", text, "runtime")
        if finished.outcome == "cancelled" and control.get("abort") == _STOP:
            self._queue.put_back(task.id)
        else:
            self._queue.publish(finished)

    def _answer_death(self, task: Task, exc: WorkerDied, abort: object) -> None:
        """Once: told and run again. Twice: failed. While stopping, or asked to abort, it is no crash."""
        if abort == _STOP:
            self._queue.put_back(task.id)
            return
        if abort:
            self._queue.publish(Finished(task.id, task.client_id, "cancelled", str(Cancelled()), "cancelled"))
            return
        if self._queue.note_crash(task.id) < MAX_CRASHES:
            log.warning("task %s: %s It is run once more.", task.id, exc)
            self._queue.put_back(task.id)
            self._queue.publish(Info(task.id, task.client_id, f"{exc} The task is run once more."))
            return
        text = f"{exc} It has happened {MAX_CRASHES} times with this task, so it is set aside."
        log.error("task %s: %s", task.id, text)
        self._queue.publish(Finished(task.id, task.client_id, "failed", text, "runtime"))


def _line(exc: BaseException) -> str:
    text = str(exc).strip().partition("\n")[0]
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__
