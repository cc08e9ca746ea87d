"""The plugins of the program: which there are, which are on, what went wrong with each, how long each took."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
import traceback as traceback_module
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.core.config import Config
from shared.core.errors import PluginError
from shared.core.plugin_info import SAFE_MODE, PluginInfo, enabled_of, find_plugins, plugin_folders
from shared.session.safe_start import SafeStart

log = logging.getLogger(__name__)

MOST_FAULTS = 20


@dataclass
class PluginFault:
    """Something that a plugin did wrong: where, one line, the traceback, how often."""

    stage: str
    message: str
    traceback: str = ""
    count: int = 1


@dataclass
class PluginRecord:
    """What has become of a plugin since the start. `seconds` by stage; `is_loaded`: it takes part in the page."""

    faults: list[PluginFault] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    is_loaded: bool = False


class PluginStore:
    """The plugins under the program's and the configuration's folder. All methods may be called from any thread."""

    def __init__(self, root: Path, config: Config, *, watches_start: bool = False) -> None:
        self.root, self.config = root, config
        self.folders = plugin_folders(root, config)
        self._lock = threading.Lock()
        self._records: dict[str, PluginRecord] = {}
        self._start = SafeStart(config.folder) if watches_start else None
        self.blamed = self._start.unfinished if self._start is not None else None
        self.needs_restart = False
        self.infos: dict[str, PluginInfo] = {}
        self.refresh()

    @property
    def is_safe_mode(self) -> bool:
        """Whether plugins of others are left out because the last start did not finish."""
        return self.blamed is not None

    @property
    def overrides(self) -> dict[str, str]:
        """What the configuration of this run must know."""
        return {} if self.blamed is None else {SAFE_MODE: self.blamed}

    def begin(self) -> None:
        """The start begins: from here to `start_finished` a plugin that ends the program is noticed."""
        if self._start is not None:
            self._start.begin()
            self._delete_pending()
            self.refresh()

    def _delete_pending(self) -> None:
        """Delete what was in use when it was uninstalled."""
        pending = [str(name) for name in self.config.get("pending_plugin_deletions") or []]
        for name in pending:
            for folder in self.folders:
                if name in (entry.name for entry in (folder.iterdir() if folder.is_dir() else ())):
                    shutil.rmtree(folder / name, ignore_errors=True)
        if pending:
            self.config.update(pending_plugin_deletions=[])

    def refresh(self) -> None:
        """Look at the folders again."""
        self.infos = find_plugins(self.folders)

    def enabled(self) -> list[PluginInfo]:
        """Those that are on in this run, in their order."""
        return enabled_of(self.infos, self.config)

    def wanted(self) -> list[PluginInfo]:
        """Those that are on from the next sound start, in their order."""
        return enabled_of(self.infos, _Unsafe(self.config))

    def record(self, plugin_id: str) -> PluginRecord:
        """What has become of a plugin."""
        with self._lock:
            return self._records.setdefault(plugin_id, PluginRecord())

    def set_enabled(self, plugin_id: str, is_on: bool) -> None:
        """Switch a plugin on or off from the next start. Raises PluginError for one that cannot be."""
        info = self._get(plugin_id)
        if info.is_system and not is_on:
            raise PluginError(f"{info.name} is a part of the program and stays on.")
        if is_on and info.problem:
            raise PluginError(f"{info.name} cannot be used. {info.problem}")
        names = [other.id for other in self.wanted() if other.id != plugin_id]
        self._save([*names, plugin_id] if is_on else names)

    def move(self, plugin_id: str, step: int) -> None:
        """Bring a plugin that is on `step` places further down the list (negative: up)."""
        names = [info.id for info in self.wanted()]
        if plugin_id not in names:
            raise PluginError(f"{self._get(plugin_id).name} is off; what is off has no place.")
        place = names.index(plugin_id)
        names.insert(max(0, min(len(names) - 1, place + step)), names.pop(place))
        self._save(names)

    def forget(self, plugin_id: str) -> None:
        """Take a plugin out of the lists of the configuration; it is gone."""
        names = [info.id for info in self.wanted() if info.id != plugin_id]
        self._save(names)

    def _save(self, names: Sequence[str]) -> None:
        off = [info.id for info in self.infos.values() if info.is_usual and info.id not in names]
        self.config.update(enabled_plugins=list(names), disabled_plugins=off)
        self.needs_restart = True

    def _get(self, plugin_id: str) -> PluginInfo:
        if plugin_id not in self.infos:
            raise PluginError(f'There is no plugin "{plugin_id}".')
        return self.infos[plugin_id]

    def fault(self, plugin_id: str, stage: str, error: BaseException | str) -> None:
        """Note what a plugin did wrong, once for each kind; one line goes to the console."""
        if isinstance(error, str):
            told = PluginFault(stage, error)
        else:
            line = traceback_module.format_exception_only(error)[-1].strip().partition("\n")[0]
            told = PluginFault(stage, line, "".join(traceback_module.format_exception(error)))
        faults = self.record(plugin_id).faults
        with self._lock:
            known = next((one for one in faults if (one.stage, one.message) == (stage, told.message)), None)
            if known is not None:
                known.count += 1
                return
            faults.append(told)
            del faults[:-MOST_FAULTS]
        log.warning("Plugin %s: %s: %s", plugin_id, stage, told.message)

    @contextmanager
    def timed(self, plugin_id: str, stage: str) -> Iterator[None]:
        """Measure what runs inside as the plugin's time; during the start it also names whom a crash would blame."""
        start = self._start
        if start is not None:
            start.loading(plugin_id)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add_time(plugin_id, stage, time.perf_counter() - started)
            if start is not None and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                start.loading("")

    def add_time(self, plugin_id: str, stage: str, seconds: float) -> None:
        """Note time that a plugin took."""
        record = self.record(plugin_id)
        with self._lock:
            record.seconds[stage] = record.seconds.get(stage, 0.0) + seconds
            record.calls[stage] = record.calls.get(stage, 0) + 1

    def start_finished(self) -> None:
        """The page answers: the start was sound."""
        start, self._start = self._start, None
        if start is not None:
            start.finished()

    def close(self) -> None:
        """The program ends."""
        if self._start is not None:
            self._start.ended()


class _Unsafe:
    """The configuration without the safe mode of this run."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def get(self, key: str, default: object = None) -> object:
        """The value of `key`."""
        return None if key == SAFE_MODE else self._config.get(key, default)
