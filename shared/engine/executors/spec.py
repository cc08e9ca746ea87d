"""What an executor runs and with what, as plain values that reach a child process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.core.contracts import Control
from shared.core.errors import Cancelled, MediaError, ModelNotFound, SettingsError, WanGPError
from shared.core.events import Event, Finished, Stage
from shared.core.task import Task
from shared.engine.ledger import OutputLedger

RunTask = Callable[[Task, Callable[[Event], None], Control, Any], Finished]

_VALIDATION_ERRORS = (SettingsError, ModelNotFound, MediaError)
_NO_MEMORY = "There is too little memory for this request ({text}). Lower the resolution, the frames or the batch size."


@dataclass(frozen=True)
class RunnerSpec:
    """Folders, and where the two functions are found ("module:name").

    `database` is the queue's SQLite file, for the output ledger; None: no ledger. `warm` are the modules a worker
    process imports before the first task, so that the first click is quick. `overrides` are configuration values
    that the command line sets for this run.
    """

    root: str
    config_dir: str
    output_dir: str | None = None
    database: str | None = None
    run_task: str = "shared.engine.generate:run_task"
    build_services: str = "shared.engine.services:build_services"
    warm: tuple[str, ...] = ("torch", "diffusers")
    overrides: Mapping[str, Any] = field(default_factory=dict)


class Runner:
    """Runs tasks one after the other in this process; the services (and so the loaded model) stay between them."""

    def __init__(self, spec: RunnerSpec, device: str) -> None:
        self._spec, self._device = spec, device
        self._ledger = OutputLedger(spec.database) if spec.database else None
        self._services: Any = None

    @property
    def services(self) -> Any:
        """Built at the first use."""
        if self._services is None:
            spec = self._spec
            build = _find(spec.build_services)
            folders = (Path(spec.root), Path(spec.config_dir))
            self._services = build(*folders, self._device, spec.output_dir, self._ledger, spec.overrides)
        return self._services

    def run(self, task: Task, emit: Callable[[Event], None], control: Control) -> Finished:
        """Run a task. What the user can answer becomes a Finished; anything else is a bug and is raised."""
        try:
            run_task: RunTask = _find(self._spec.run_task)
            return run_task(task, emit, control, self.services)
        except Cancelled as exc:
            return Finished(task.id, task.client_id, "cancelled", str(exc), "cancelled")
        except WanGPError as exc:
            stage: Stage = "validation" if isinstance(exc, _VALIDATION_ERRORS) else "generation"
            return Finished(task.id, task.client_id, "failed", str(exc), stage)
        except (MemoryError, RuntimeError) as exc:
            if not isinstance(exc, MemoryError) and type(exc).__name__ != "OutOfMemoryError":
                raise
            text = _NO_MEMORY.format(text=str(exc).partition("\n")[0] or type(exc).__name__)
            return Finished(task.id, task.client_id, "failed", text, "generation")

    def set_hooks(self, hooks: Mapping[str, Callable[..., Any]]) -> None:
        """Have the services call these; a hook's name is that of its list in Services."""
        for name, hook in hooks.items():
            getattr(self.services, name)[:] = [hook]

    def release(self) -> None:
        """Unload the model."""
        models = getattr(self._services, "models", None)
        if models is not None:
            models.release()

    def close(self) -> None:
        """Unload the model and close the ledger."""
        self.release()
        if self._ledger is not None:
            self._ledger.close()


def _find(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
