"""For authors: a plugin to start from, and a check of a finished one without a browser."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.api import Runtime
from shared.core.config import Config
from shared.core.errors import PluginError
from shared.core.plugin_info import FOLDER_NAME, PluginInfo, is_plugin, read_info
from shared.ui.app import build_app
from shared.ui.plugins.components import page_components
from shared.ui.plugins.hooks import HOOKS
from shared.ui.plugins.template import FILES

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".venv")


class _IdleExecutor:
    """Stands where a device would: a check runs no task."""

    device, is_isolated = "cpu", False

    def start(self) -> None:
        """Nothing to prepare."""

    def run(self, task: Any, emit: Callable[[Any], None], control: Any) -> Any:
        """No task is run."""
        raise PluginError("A plugin that is checked runs no task.")

    def release(self) -> None:
        """Nothing is loaded."""

    def close(self) -> None:
        """Nothing runs."""


@dataclass
class PluginReport:
    """What a plugin uses of the program, and what is wrong: `faults` are texts with their traceback."""

    info: PluginInfo
    tabs: list[str] = field(default_factory=list)
    uses: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether it loads, and everything that it asks for is here."""
        return not self.faults and not self.missing and not self.info.problem

    def lines(self) -> list[str]:
        """The report for people."""
        told = [f"{self.info.name} {self.info.version} ({self.info.id}): {', '.join(self.info.types)}"]
        told += [f"problem: {self.info.problem}"] if self.info.problem else []
        told += [f"tab: {tab}" for tab in self.tabs]
        told += [f"brings: {part}" for part in self.parts]
        told += [f"uses {kind}: {', '.join(names)}" for kind, names in self.uses.items() if names]
        told += [f"missing {kind}: {', '.join(names)}" for kind, names in self.missing.items()]
        told += [f"{stage}: {1000 * seconds:.0f} ms" for stage, seconds in self.seconds.items()]
        told += [f"fault: {fault}" for fault in self.faults]
        return [*told, "sound" if self.is_sound else "not sound"]


def check_plugin(root: str | Path, folder: str | Path) -> PluginReport:
    """Load a plugin into a page that is not served. Raises PluginError where the folder holds no plugin."""
    source = Path(folder).expanduser().resolve()
    if not is_plugin(source):
        raise PluginError(f"{source} holds no plugin: there is neither plugin.py nor plugin_info.json in it.")
    with tempfile.TemporaryDirectory(prefix="wangp-check-") as aside:
        own = Path(aside) / FOLDER_NAME / source.name
        shutil.copytree(source, own, ignore=_LEFT_OUT)
        report = PluginReport(read_info(own))
        if report.info.problem:
            return report
        Config.load(aside).update(enabled_plugins=[source.name])
        runtime = Runtime.open(root, aside, executor=lambda *_: _IdleExecutor(), is_server=True)
        try:
            _fill(report, runtime)
        finally:
            runtime.close()
    return report


def _fill(report: PluginReport, runtime: Any) -> None:
    page = build_app(runtime)
    page.plugins.close()
    record = runtime.plugins.record(report.info.id)
    report.seconds = dict(record.seconds)
    own = f"plugins/{report.info.id}:"
    report.faults += [f"{one.stage}: {one.message}\n{one.traceback}".rstrip() for one in record.faults]
    report.faults += [text for text in runtime.registry.broken if text.startswith(own)]
    report.parts = [f"{kind} {path}" for kind, paths in report.info.handlers.items() for path in paths]
    report.parts += [f"defaults {report.info.defaults}"] if report.info.defaults else []
    one = next((one for one in page.plugins.loaded if one.info.id == report.info.id), None)
    if one is None:
        return
    report.tabs = [str(tab.label) for tab in one.plugin.tabs.values()]
    report.uses = {
        "components": one.plugin.component_requests,
        "globals": one.plugin.global_requests,
        "hooks": [hook for hook in one.plugin.data_hooks if hook in HOOKS],
        "scripts": [f"{len(code)} characters" for code in one.plugin.custom_js_snippets],
    }
    components, exports = page_components(page.context), page.plugins.exports
    unknown = {
        "components": [name for name in report.uses["components"] if name not in components and name not in exports],
        "globals": [name for name in report.uses["globals"] if name not in exports and name not in components],
        "hooks": [hook for hook in one.plugin.data_hooks if hook not in HOOKS],
    }
    report.missing = {kind: names for kind, names in unknown.items() if names}


def new_plugin(parent: str | Path, name: str) -> Path:
    """Write a plugin that works, with its test, and return its folder. Raises PluginError for a name that is taken."""
    plugin_id = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    if not plugin_id or plugin_id[0].isdigit():
        raise PluginError(f'"{name}" makes no name for a plugin. Begin with a letter.')
    folder = Path(parent) / FOLDER_NAME / plugin_id
    if folder.exists():
        raise PluginError(f"{folder} is there already.")
    words: Sequence[str] = [word.capitalize() for word in plugin_id.split("_") if word]
    values = {"ID": plugin_id, "NAME": " ".join(words), "CLASS": "".join(words)}
    folder.mkdir(parents=True)
    for file, text in FILES.items():
        for key, value in values.items():
            file, text = file.replace(f"@{key}@", value), text.replace(f"@{key}@", value)
        (folder / file).write_text(text, encoding="utf-8")
    return folder
