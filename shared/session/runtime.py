"""The program's one runtime: configuration, models, queue and worker, for every session and page of the process."""

from __future__ import annotations

import argparse
import atexit
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from shared.core.config import Config
from shared.core.flags import lora_dirs, parse_flags, unserved_flags
from shared.core.program_settings import fill_flags
from shared.core.state import AppState
from shared.core.task import Task
from shared.core.version import VERSION
from shared.engine.executors.spec import RunnerSpec
from shared.engine.history import HistoryStore
from shared.engine.queue import TaskQueue
from shared.engine.queue_file import load_queue, save_queue
from shared.engine.registry import Registry
from shared.engine.worker import Worker
from shared.session.catalogue import Catalogue
from shared.session.checks import task_problems
from shared.session.device_lock import DeviceLock
from shared.session.machine import machine_facts
from shared.session.memory import MemoryNeed, memory_need
from shared.session.model_store import ModelFiles
from shared.session.plugin_store import PluginStore
from shared.session.private_folder import make_private_folder
from shared.session.sources import task_from_settings

if TYPE_CHECKING:
    from shared.core.contracts import Executor
    from shared.session.session import WanGPSession

_log = logging.getLogger(__name__)

PROGRAM_ROOT = Path(__file__).resolve().parents[2]
CONFIG_NAME = "wgp_config.json"
NO_PAGE = (
    "webui_state needs the page of this process: no page is served here, so nothing would run the tasks. "
    "Leave webui_state out to generate in this program, or use the session that a plugin is given."
)
ExecutorFactory = Callable[[RunnerSpec, str, Mapping[str, Callable[..., Any]]], "Executor"]
ExecutorKind = Literal["local", "process"] | ExecutorFactory


class Runtime:
    """Everything that sessions and pages share.

    `hooks` are functions that the engine calls in this process, by name (`before_metadata_save`); see `set_hook`.

    There is one at a time in a process. A plain Python program has one that runs tasks in the program itself, with a
    private queue folder; the served page has one with a worker process and the queue of the configuration's folder.
    """

    _guard: ClassVar[threading.RLock] = threading.RLock()
    _current: ClassVar[Runtime | None] = None

    def __init__(
        self, root: Path, config_dir: Path, cli_args: Sequence[str], executor: ExecutorKind, is_server: bool
    ) -> None:
        self.root, self.config_dir, self.is_server = root, config_dir, is_server
        self.cli_args = tuple(cli_args)
        self.args, unknown = parse_flags(self.cli_args)
        self.notices = [f"{flag} is not known and has no effect." for flag in unknown if flag.startswith("-")]
        self.notices += [f"{flag} has no effect in this version." for flag in unserved_flags(self.args)]
        self.config = Config.load(config_dir)
        fill_flags(self.args, parse_flags(())[0], self.config)
        self._private_folder = None if is_server else make_private_folder()
        self.queue = TaskQueue(self._private_folder or config_dir)
        self.plugins = PluginStore(root, self.config, watches_start=is_server)
        self.plugins.begin()
        self._overrides = {**_overrides(self.args), **self.plugins.overrides}
        self.config.override(self._overrides)
        self.registry = Registry(root, self.config)
        self.notices += [*([self.config.notice] if self.config.notice else []), *self.queue.notices]
        self.notices += self.registry.broken
        self.history = HistoryStore(self.queue.folder)
        self.model_files = ModelFiles(self)
        self.catalogue = Catalogue(self)
        self.hooks: dict[str, Callable[..., Any]] = {}
        self._task_hook: Callable[[Task], Task] = lambda task: task
        self.executor = self._make_executor(executor)
        self.worker = Worker(self.queue, self.executor)
        self.worker.before_run = self._before_task
        self.device_lock = DeviceLock(self)
        self.exports: Any = None  # what plugins may ask for by name, while a page is served
        self._page_states: dict[int, dict[str, Any]] = {}
        self._has_banner = False
        self._is_closed = False

    @classmethod
    def open(
        cls,
        root: str | Path | None = None,
        config_dir: str | Path | None = None,
        cli_args: Sequence[str] = (),
        executor: ExecutorKind = "local",
        is_server: bool | None = None,
    ) -> Runtime:
        """The process's runtime, started when there is none yet.

        `root` (default: this program's folder) holds defaults/, finetunes/ and ckpts/; `config_dir` (default: `root`)
        the configuration and, for a server, the queue. `executor`: tasks run in this process, in a worker process,
        or where a function says. A server is what has a worker process, unless said otherwise. Raises RuntimeError
        when the process has a runtime with another root, configuration or flags, QueueError when another program
        serves the same folder.
        """
        folder = Path(root or PROGRAM_ROOT).expanduser().resolve()
        settings = Path(config_dir).expanduser().resolve() if config_dir else folder
        with cls._guard:
            cls.check(folder, settings, cli_args)
            if cls._current is None:
                _check_root(folder)
                serves = executor == "process" if is_server is None else is_server
                runtime = cls(folder, settings, [str(argument) for argument in cli_args], executor, serves)
                runtime._start()
                cls._current = runtime
            return cls._current

    @classmethod
    def current(cls) -> Runtime | None:
        """The process's runtime, if there is one."""
        return cls._current

    @classmethod
    def check(cls, root: Path, config_dir: Path, cli_args: Sequence[str]) -> None:
        """Raise RuntimeError when the process already has a runtime and it is another one."""
        runtime = cls._current
        if runtime is None:
            return
        given = (root, config_dir, tuple(str(argument) for argument in cli_args))
        have = (runtime.root, runtime.config_dir, runtime.cli_args)
        names = ("root", "configuration folder", "cli_args")
        for name, old, new in zip(names, have, given, strict=True):
            if old != new:
                raise RuntimeError(
                    f"WanGP already runs in this process with another {name}: {old}, not {new}. "
                    "Use the same one, or start another process."
                )

    def session(self, callbacks: Any = None, state: dict[str, Any] | None = None) -> WanGPSession:
        """A session on this runtime; with a page's `state` its jobs appear in that page's queue."""
        from shared.session.session import WanGPSession

        return WanGPSession(
            root=self.root,
            config_path=self.config_dir / CONFIG_NAME,
            callbacks=callbacks,
            cli_args=self.cli_args,
            console_output=not self.is_server,
            webui_state=state,
        )

    def owns(self, state: dict[str, Any]) -> bool:
        """Whether a page of this process shows `state`; a server takes any state dict for a new page."""
        return self.is_server or id(state) in self._page_states

    def attach_state(self, state: dict[str, Any]) -> None:
        """Keep a page's state dict up to date with the queue from now on."""
        if id(state) not in self._page_states:
            self._page_states[id(state)] = state
            self.queue.attach(AppState(state).gen)

    def detach_state(self, state: dict[str, Any]) -> None:
        """The page is gone."""
        if self._page_states.pop(id(state), None) is not None:
            self.queue.detach(AppState(state).gen)

    def problems(self, settings: Mapping[str, Any]) -> list[str]:
        """Everything that keeps a settings dict from being run, as sentences."""
        return task_problems(settings, self.registry)

    def memory_need(self, settings: Mapping[str, Any]) -> MemoryNeed | None:
        """What a settings dict would take of this machine's memory; None where that is not known."""
        return memory_need(settings, self.registry, self.config, self.executor.device)

    def machine(self) -> dict[str, Any]:
        """What the program runs on: device, memory, system, versions."""
        return machine_facts(self.executor.device)

    def submit(
        self, settings: Mapping[str, Any], *, client_id: str = "", plugin_data: Mapping[str, Any] | None = None
    ) -> Task:
        """Queue one settings dict; it is on disk when this returns."""
        task = task_from_settings(settings, self.registry, client_id=client_id)
        return self.queue.put([task.with_changes(plugin_data={**task.plugin_data, **(plugin_data or {})})])[0]

    def load_queue(self, path: str | Path) -> list[Task]:
        """The tasks of a saved queue (.zip) or a settings file (.json), not yet queued. Raises SettingsError."""
        return load_queue(path, self.queue.media_folder)

    def save_queue(self, path: str | Path) -> None:
        """Write the waiting and running tasks with their media to a .zip."""
        save_queue([task for task in self.queue.tasks() if task.status in ("running", "waiting")], path)

    def show_banner(self) -> None:
        """Tell once, on the console, which product does the work."""
        if not self._has_banner and sys.stdout is not None:
            self._has_banner = True
            sys.stdout.write(f"Powered by WanGP v{VERSION}\n")
            sys.stdout.flush()

    def set_hook(self, name: str, hook: Callable[..., Any]) -> None:
        """Have a function called in this process.

        `before_metadata_save(settings, plugin_data, model_type)` returns the settings to embed, `before_queue(task)`
        and `before_task(task)` the task to queue and to run.
        """
        match name:
            case "before_queue":
                self.queue.before_put = hook
            case "before_task":
                self._task_hook = hook
            case _:
                self.hooks[name] = hook

    @property
    def is_serving(self) -> bool:
        """Whether tasks are taken and run."""
        return not self.queue.is_closed and self.worker.is_alive

    def release_model(self) -> None:
        """Unload the model; the next task loads it again."""
        self.executor.release()

    def close(self) -> None:
        """End the worker, its process and the queue; another runtime can be opened afterwards."""
        with Runtime._guard:
            if self._is_closed:
                return
            self._is_closed = True
            if Runtime._current is self:
                Runtime._current = None
        atexit.unregister(self.close)
        self.model_files.downloads.close()
        self.worker.stop()
        self.executor.close()
        self.history.close()
        self.queue.close()
        self.plugins.close()
        if self._private_folder is not None:
            shutil.rmtree(self._private_folder, ignore_errors=True)

    def _before_task(self, task: Task) -> Task:
        self.device_lock.evict()
        return self._task_hook(task)

    def _start(self) -> None:
        atexit.register(self.close)
        self.worker.start()
        for notice in self.notices:
            _log.warning("%s", notice)

    def _make_executor(self, executor: ExecutorKind) -> Executor:
        spec = RunnerSpec(
            root=str(self.root),
            config_dir=str(self.config_dir),
            database=str(self.queue.database_path) if self.is_server else None,
            overrides=self._overrides,
        )
        return _factory(executor)(spec, self.args.gpu or "auto", self.hooks)


def _factory(executor: ExecutorKind) -> ExecutorFactory:
    """The executor's class, imported when it is chosen: it may load heavy libraries."""
    if executor == "local":
        from shared.engine.executors.local import LocalExecutor

        return LocalExecutor
    if executor == "process":
        from shared.engine.executors.process import ProcessExecutor

        return ProcessExecutor
    return executor


def _check_root(root: Path) -> None:
    if not (root / "defaults").is_dir():
        raise RuntimeError(f"root: {root} is not a WanGP folder (it has no folder `defaults`).")


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """The configuration values that flags replace for this run."""
    output = str(Path(args.output_dir).expanduser().resolve()) if args.output_dir else ""
    given = {
        **dict.fromkeys(("save_path", "image_save_path", "audio_save_path"), output),
        **dict.fromkeys(("profile", "video_profile", "image_profile", "audio_profile"), args.profile),
        "attention_mode": args.attention,
        "UI_theme": args.theme if args.theme in ("light", "dark") else "",
        "loras_root": args.loras,
        "lora_dirs": lora_dirs(args) or "",
        "preload_in_VRAM": args.preload or "",
        "perc_reserved_mem_max": args.perc_reserved_mem_max or "",
        "vram_safety_coefficient": args.vram_safety_coefficient if args.vram_safety_coefficient != 0.8 else "",
        "vae_config": args.vae_config,
        "compile": "transformer" if args.compile else "",
        "check_loras": args.check_loras or "",
        "offline": args.offline or "",
        "allow_private_urls": args.allow_private_urls or "",
        "transformer_dtype_policy": "fp16" if args.fp16 else "bf16" if args.bf16 else "",
    }
    return {key: value for key, value in given.items() if value not in ("", -1)}
