"""What the page needs of a runtime, without a worker: the real models, queue, history and configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shared.core.config import Config
from shared.core.flags import build_parser
from shared.core.state import AppState
from shared.core.task import Task
from shared.engine.history import HistoryStore
from shared.engine.queue import TaskQueue
from shared.engine.queue_file import load_queue, save_queue
from shared.engine.registry import Registry
from shared.session.catalogue import Catalogue
from shared.session.checks import task_problems
from shared.session.machine import machine_facts
from shared.session.memory import MemoryNeed, memory_need
from shared.session.model_store import ModelFiles
from shared.session.plugin_store import PluginStore
from shared.session.sources import task_from_settings

ROOT = Path(__file__).resolve().parents[2]


class PageRuntime:
    """Tasks are queued and never run; tests publish the events of a run themselves."""

    def __init__(self, folder: Path, flags: tuple[str, ...] = ()) -> None:
        self.config_dir = folder / "config"
        self.config_dir.mkdir(parents=True)
        self.root = _two_models(folder / "root")
        self.args = build_parser().parse_args(flags)
        self.config = Config.load(self.config_dir)
        self.registry = Registry(self.root, self.config)
        self.queue = TaskQueue(self.config_dir)
        self.history = HistoryStore(self.config_dir)
        self.model_files = ModelFiles(self)  # type: ignore[arg-type]
        self.catalogue = Catalogue(self)  # type: ignore[arg-type]
        self.plugins = PluginStore(self.root, self.config)
        self.hooks: dict[str, Callable[..., Any]] = {}
        self.states: list[dict[str, Any]] = []

    @property
    def is_serving(self) -> bool:
        """Whether tasks are taken."""
        return not self.queue.is_closed

    def attach_state(self, state: dict[str, Any]) -> None:
        """Attach a window's state to the queue."""
        self.states.append(state)
        self.queue.attach(AppState(state).gen)

    def detach_state(self, state: dict[str, Any]) -> None:
        """Let a window's state go."""
        self.states = [other for other in self.states if other is not state]
        self.queue.detach(AppState(state).gen)

    def problems(self, settings: Mapping[str, Any]) -> list[str]:
        """Everything that keeps the settings from being run."""
        return task_problems(settings, self.registry)

    def memory_need(self, settings: Mapping[str, Any]) -> MemoryNeed | None:
        """What the settings would take of this machine's memory."""
        return memory_need(settings, self.registry, self.config, "cpu")

    def machine(self) -> dict[str, Any]:
        """What the program runs on."""
        return machine_facts("cpu")

    def submit(
        self, settings: Mapping[str, Any], *, client_id: str = "", plugin_data: Mapping[str, Any] | None = None
    ) -> Task:
        """Queue one task."""
        task = task_from_settings(settings, self.registry, client_id=client_id)
        return self.queue.put([task.with_changes(plugin_data={**task.plugin_data, **(plugin_data or {})})])[0]

    def set_hook(self, name: str, hook: Callable[..., Any]) -> None:
        """Have a function called."""
        if name == "before_queue":
            self.queue.before_put = hook
        else:
            self.hooks[name] = hook

    def release_model(self) -> None:
        """Nothing is loaded."""

    def load_queue(self, path: str | Path) -> list[Task]:
        """The tasks of a file."""
        return load_queue(path, self.queue.media_folder)

    def save_queue(self, path: str | Path) -> None:
        """Write the waiting tasks to a file."""
        save_queue([task for task in self.queue.tasks() if task.status == "waiting"], path)

    def close(self) -> None:
        """Close queue and history."""
        self.history.close()
        self.queue.close()


def _two_models(root: Path) -> Path:
    """A program folder with the embedded model and a Wan model that takes neither start nor end image."""
    (root / "defaults").mkdir(parents=True)
    starter = json.loads((ROOT / "defaults" / "starter.json").read_text(encoding="utf-8"))
    (root / "defaults" / "starter.json").write_text(json.dumps(starter), encoding="utf-8")
    other = {"model": {"name": "Wan 1.3B", "architecture": "t2v_1.3B"}, "num_inference_steps": 30}
    (root / "defaults" / "t2v_1.3B.json").write_text(json.dumps(other), encoding="utf-8")
    return root
