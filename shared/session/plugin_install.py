"""Plugins from elsewhere: from a git address, a zip or a folder; kept up to date, and taken out again."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.core.errors import PluginError
from shared.core.paths import disk_errors, safe_name
from shared.core.plugin_info import PluginInfo, is_newer, is_plugin, read_info
from shared.engine.safe_zip import SafeZip
from shared.session import plugin_requirements as requirements
from shared.session.plugin_store import PluginStore

log = logging.getLogger(__name__)

GIT_TIMEOUT_S = 600
CATALOGUE, LOCAL_CATALOGUE = "plugins.json", "plugins_local.json"
_GIT = re.compile(r"(https?|ssh|git|file)://.+|git@[^:]+:.+")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".venv")


@dataclass(frozen=True)
class Plan:
    """What installing would do. `packages` are what pip would add, `replaces` the version that is here already."""

    info: PluginInfo
    source: str
    target: Path
    packages: tuple[tuple[str, str], ...] = ()
    replaces: str = ""


class PluginInstaller:
    """Installs into the configuration's plugin folder. Installing runs the plugin's code from the next start on."""

    def __init__(self, store: PluginStore) -> None:
        self._store = store
        self.folder = store.folders[-1]

    def plan(self, source: str | Path) -> Plan:
        """Fetch a plugin aside and tell what installing it would do. Raises PluginError for what cannot be used."""
        with self._fetched(source) as fetched:
            return self._plan(fetched, str(source))

    def install(self, source: str | Path) -> PluginInfo:
        """Put a plugin, and what it requires, in place; it is on from the next start. Raises PluginError."""
        with self._fetched(source) as fetched:
            plan = self._plan(fetched, str(source))
            target = plan.target
            requirements.install(requirements.asked_by(fetched))
            old = target.with_name(f".old-{target.name}")
            with disk_errors(target):
                shutil.rmtree(old, ignore_errors=True)
                if target.exists():
                    target.rename(old)
                fetched.rename(target)
                shutil.rmtree(old, ignore_errors=True)
        self._note(target.name, source)
        self._store.refresh()
        self._store.set_enabled(target.name, True)
        return self._store.infos[target.name]

    def update(self, plugin_id: str) -> bool:
        """Bring a plugin that came from git to its newest state; False when it is. Its own files stay."""
        folder = self._removable(plugin_id).folder
        if not (folder / ".git").exists():
            raise PluginError(f"{plugin_id} did not come from git. Install its new zip or folder over it.")
        _git("-C", str(folder), "fetch", "--quiet", "origin", "HEAD")
        here, there = (_git("-C", str(folder), "rev-parse", name) for name in ("HEAD", "FETCH_HEAD"))
        if here == there:
            return False
        with tempfile.TemporaryDirectory(prefix="wangp-plugin-") as aside:
            copy = Path(aside) / plugin_id
            _git("-C", str(folder), "worktree", "add", "--quiet", "--detach", str(copy), there)
            try:
                _refuse_problem(read_info(copy))
                arguments = requirements.asked_by(copy)
                requirements.check(arguments, self._store.root)
                requirements.install(arguments)
            finally:
                _git("-C", str(folder), "worktree", "remove", "--force", str(copy))
        _git("-C", str(folder), "merge", "--quiet", "--ff-only", there)
        self._store.refresh()
        self._store.needs_restart = True
        return True

    def uninstall(self, plugin_id: str) -> None:
        """Delete a plugin; what cannot be deleted while it is in use goes at the next start. Raises PluginError."""
        info = self._removable(plugin_id)
        config = self._store.config
        try:
            shutil.rmtree(info.folder)
        except OSError as error:
            log.warning("%s is in use (%s); it is deleted at the next start", info.folder, error)
            config.update(pending_plugin_deletions=[*config.get("pending_plugin_deletions"), plugin_id])
        told = self.sources()
        told.pop(plugin_id, None)
        config.update(installed_remote_plugins=list(told.values()))
        self._store.refresh()
        self._store.forget(plugin_id)

    def sources(self) -> dict[str, dict[str, Any]]:
        """Where the installed plugins came from, by id."""
        listed = self._store.config.get("installed_remote_plugins") or []
        return {str(one["id"]): dict(one) for one in listed if isinstance(one, dict) and one.get("id")}

    def catalogue(self) -> list[dict[str, Any]]:
        """The plugins on offer: the program's list with the user's own over it, by address.

        `state` is "new", "installed" or "newer" (than what is here).
        """
        offered: dict[str, dict[str, Any]] = {}
        for path in (self._store.root / CATALOGUE, self._store.config.folder / LOCAL_CATALOGUE):
            for entry in _entries(path):
                offered[str(entry["url"])] = {**offered.get(str(entry["url"]), {}), **entry}
        return [{**entry, "state": self._state(entry)} for entry in offered.values()]

    def _state(self, entry: Mapping[str, Any]) -> str:
        info = self._store.infos.get(_id_of(str(entry["url"])))
        if info is None:
            return "new"
        return "newer" if is_newer(entry, info) else "installed"

    def _plan(self, fetched: Path, source: str) -> Plan:
        info = read_info(fetched)
        _refuse_problem(info)
        present = self._store.infos.get(info.id)
        if present is not None and not present.is_uninstallable:
            raise PluginError(f"{info.id} came with the program and is not replaced.")
        wanted = requirements.check(requirements.asked_by(fetched), self._store.root)
        target = present.folder if present is not None else self.folder / info.id
        return Plan(info, source, target, wanted.packages, present.version if present is not None else "")

    def _removable(self, plugin_id: str) -> PluginInfo:
        info = self._store.infos.get(plugin_id)
        if info is None:
            raise PluginError(f'There is no plugin "{plugin_id}".')
        if not info.is_uninstallable:
            raise PluginError(f"{info.name} came with the program and stays.")
        return info

    @contextmanager
    def _fetched(self, source: str | Path) -> Iterator[Path]:
        """The plugin's files in a folder beside their later place, under the name that they will have."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = str(source).strip()
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=self.folder) as aside:
            folder = Path(aside)
            fetch: Callable[[str, Path], Path] = _from_git if _GIT.fullmatch(text) else _from_disk
            found = fetch(text, folder)
            if not is_plugin(found):
                raise PluginError(f"{text} holds no plugin: there is neither plugin.py nor plugin_info.json in it.")
            yield found

    def _note(self, plugin_id: str, source: str | Path) -> None:
        told = self.sources()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told[plugin_id] = {"id": plugin_id, "source": str(source), "installed": now}
        self._store.config.update(installed_remote_plugins=list(told.values()))


def _from_git(address: str, folder: Path) -> Path:
    target = folder / _id_of(address)
    _git("clone", "--quiet", "--depth", "1", address, str(target))
    return target


def _from_disk(text: str, folder: Path) -> Path:
    path = Path(text).expanduser()
    if path.is_dir():
        target = folder / _id_of(path.name)
        with disk_errors(target):
            shutil.copytree(path, target, ignore=_LEFT_OUT)
        return target
    if not path.is_file():
        raise PluginError(f"{text}: there is neither a folder nor a zip, and it is no git address.")
    unpacked = folder / "unpacked"
    with SafeZip(path) as archive:
        archive.unpack(unpacked)
    inner = [entry for entry in unpacked.iterdir() if entry.name != "__MACOSX"]
    if is_plugin(unpacked) or len(inner) != 1 or not inner[0].is_dir():
        return unpacked.rename(folder / _id_of(path.stem))
    name = re.sub(r"-(main|master|[0-9a-f]{40})$", "", inner[0].name)
    return inner[0].rename(folder / _id_of(name))


def _id_of(address: str) -> str:
    """A plugin's id: the repository's or folder's name, without dots, which Python reads as packages."""
    name = address.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1].rsplit(":", 1)[-1].removesuffix(".git")
    return safe_name(name).replace(".", "_")


def _refuse_problem(info: PluginInfo) -> None:
    if info.problem:
        raise PluginError(f"{info.name} cannot be used. {info.problem}")


def _entries(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        log.warning("The plugin catalogue %s cannot be read: %s", path, error)
        return []
    return [one for one in found if isinstance(one, dict) and one.get("url")] if isinstance(found, list) else []


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-c", "protocol.ext.allow=never", *arguments], capture_output=True, text=True,
            timeout=GIT_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
            env={**_environment(), "GIT_TERMINAL_PROMPT": "0"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise PluginError("git is not installed here. Install the plugin from a zip or a folder.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PluginError(f"git could not be run: {error}.") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise PluginError(f"git refused: {lines[-1].strip()}")
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    """The environment without what would lead git to another repository (hooks run with such variables)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def install_refusal(args: Any, config: Any) -> str:
    """Why plugins cannot be installed from the page; "" where they can.

    Installing runs code of others on this machine: it takes a page that only this machine reaches, or a login and the
    owner's word (`allow_plugin_install`) in the configuration.
    """
    if args.lock_config:
        return "The program was started with --lock-config."
    is_local = args.server_name in ("localhost", "127.0.0.1", "::1") and not (args.listen or args.share)
    if is_local or (args.auth and config.get("allow_plugin_install")):
        return ""
    if args.auth:
        return 'This page is reached over the network. "allow_plugin_install": true in wgp_config.json would allow it.'
    return "This page is reached over the network without a login. Start with --auth, or without --listen."
