"""Runs tasks in this process, on the thread that calls `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.core.contracts import Control
from shared.core.events import Console, Event, Finished
from shared.core.task import Task
from shared.engine.executors.console import ConsoleCapture, StreamName
from shared.engine.executors.idle import WhenIdle
from shared.engine.executors.spec import Runner, RunnerSpec


class LocalExecutor:
    """An Executor without a process border: tensors of the `_api` artifacts come back without a copy.

    What the task's thread prints becomes Console events and is not shown on the real console; whoever wants it there
    writes the events out. Prints of other threads are left alone.
    """

    is_isolated = False

    def __init__(
        self, spec: RunnerSpec, device: str = "cpu", hooks: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        """`hooks` by name (`before_metadata_save`); the mapping may grow later."""
        self.device = device
        self._hooks = hooks if hooks is not None else {}
        self._runner = Runner(spec, device)
        self._release = WhenIdle(self._runner.release)
        self._close = WhenIdle(self._runner.close)

    def start(self) -> None:
        """Nothing to prepare: what a task needs is imported when the first one runs."""

    def run(self, task: Task, emit: Callable[[Event], None], control: Control) -> Finished:
        """Run one task to its end. Raises only what a bug in it raises."""

        def tell(stream: StreamName, text: str) -> None:
            emit(Console(task.id, task.client_id, stream, text))

        capture = ConsoleCapture(tell, is_terminal=bool(task.api_options.get("console_isatty", True)))
        with self._close, self._release, capture:
            self._runner.set_hooks(self._hooks)
            return self._runner.run(task, emit, control)

    def release(self) -> None:
        """Unload the model; while a task runs, after it."""
        self._release.ask()

    def close(self) -> None:
        """Unload the model and close the ledger; while a task runs, after it."""
        self._close.ask()
