"""What is known of a plugin without running it: its folder, its `plugin_info.json`, whether it is enabled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from shared.core.version import WAN2GP_VERSION

INFO_NAME, ENTRY_NAME, FOLDER_NAME = "plugin_info.json", "plugin.py", "plugins"
TYPES = ("app", "extension", "processor", "model")
KINDS = ("spatial_upsampler_handlers", "temporal_upsampler_handlers", "audio_processors", "model_handlers")
SAFE_MODE = "plugins_safe_mode"
MOST_INFO_BYTES = 1 << 20


class ConfigSource(Protocol):
    """The program's settings, as far as they matter here."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`."""


@dataclass(frozen=True)
class PluginInfo:
    """One plugin folder. `id` is the folder's name; `problem` says why the plugin cannot be used ("": it can).

    `handlers` are, by kind (`model_handlers`, ...), the modules or `module:name` paths relative to the plugin.
    `defaults` and `profiles` are folders in it. A bundled plugin came with the program; of those, `is_system` is
    always on, and `is_usual` on until the user switches it off.
    """

    id: str
    folder: Path
    name: str
    version: str = "1.0.0"
    description: str = ""
    author: str = ""
    date: str = ""
    wan2gp_version: str = ""
    url: str = ""
    types: tuple[str, ...] = ("app",)
    is_uninstallable: bool = True
    is_bundled: bool = False
    is_system: bool = False
    is_usual: bool = False
    handlers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: str = ""
    profiles: str = ""
    problem: str = ""

    @property
    def has_page_part(self) -> bool:
        """Whether there is a class to load for the page."""
        return (self.folder / ENTRY_NAME).is_file()


def plugin_folders(root: Path, config: ConfigSource | None) -> list[Path]:
    """Where plugins are looked for: the program's folder, then that of the configuration."""
    own = getattr(config, "folder", None)
    folders = [root / FOLDER_NAME, *([Path(own) / FOLDER_NAME] if own is not None else [])]
    return list(dict.fromkeys(folder.resolve() for folder in folders))


def find_plugins(folders: Iterable[Path]) -> dict[str, PluginInfo]:
    """Every plugin by id; of two with one id the later folder's counts."""
    found: dict[str, PluginInfo] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name[0] not in "._" and path.is_dir() and is_plugin(path):
                found[path.name] = read_info(path)
    return found


def is_plugin(folder: Path) -> bool:
    """Whether a folder holds a plugin."""
    return (folder / ENTRY_NAME).is_file() or (folder / INFO_NAME).is_file()


def enabled_plugins(root: Path, config: ConfigSource | None) -> list[PluginInfo]:
    """The usable plugins that are on, in their order; in safe mode those that came with the program alone."""
    return enabled_of(find_plugins(plugin_folders(root, config)), config)


def enabled_of(found: Mapping[str, PluginInfo], config: ConfigSource | None) -> list[PluginInfo]:
    """Those of `found` that are on, in their order."""
    get = config.get if config is not None else dict[str, Any]().get
    listed, off = _names(get("enabled_plugins")), _names(get("disabled_plugins"))
    safe = get(SAFE_MODE)
    usual = [name for name, info in found.items() if info.is_system or (info.is_usual and name not in off)]
    chosen = dict.fromkeys(name for name in (*listed, *usual) if name in found)
    usable = [found[name] for name in chosen if not found[name].problem]
    if safe is None or safe is False:
        return usable
    return [info for info in usable if info.is_bundled and info.id != safe]


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, (list, tuple)) else []


def read_info(folder: Path) -> PluginInfo:
    """What a plugin says of itself. What is wrong with it is its `problem`; this never raises."""
    try:
        told = _read(folder / INFO_NAME)
    except (OSError, ValueError) as error:
        return PluginInfo(folder.name, folder, folder.name, problem=f"{INFO_NAME} cannot be read: {error}.")
    wanted = _text(told, "wan2gp_version") or _text(told, "wangp_version")
    is_bundled = told.get("bundled") is True
    info = PluginInfo(
        folder.name,
        folder,
        _text(told, "name") or folder.name,
        _text(told, "version") or "1.0.0",
        _text(told, "description"),
        _text(told, "author"),
        _text(told, "date"),
        wanted,
        _text(told, "url"),
        _words(told.get("type")) or ("app",),
        told.get("uninstallable") is not False and not is_bundled,
        is_bundled,
        is_bundled and told.get("system") is True,
        is_bundled and told.get("enabled") is True,
        {kind: _words(told.get(kind)) for kind in KINDS if told.get(kind)},
        _text(told, "defaults"),
        _text(told, "profiles"),
    )
    problem = _problem(info)
    return PluginInfo(**{**vars(info), "problem": problem}) if problem else info


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    if path.stat().st_size > MOST_INFO_BYTES:
        raise ValueError("it is larger than 1 MB")
    told = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(told, dict):
        raise ValueError("it holds no JSON object")
    return told


def _problem(info: PluginInfo) -> str:
    if "." in info.id:
        return f'Its folder is called "{info.id}"; a plugin folder must have a name without dots.'
    if info.wan2gp_version and version_key(info.wan2gp_version) > version_key(WAN2GP_VERSION):
        return f"It needs WanGP {info.wan2gp_version}; this program offers what plugins of {WAN2GP_VERSION} use."
    for name in ("defaults", "profiles"):
        inner = getattr(info, name)
        if inner and not (info.folder / inner).resolve().is_relative_to(info.folder.resolve()):
            return f'Its {name} folder "{inner}" lies outside the plugin.'
    return ""


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """A version or ISO date as something that can be compared: 10.2 is after 9.10."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    return tuple((int(part), "") if part.isdigit() else (-1, part.lower()) for part in parts)


def is_newer(other: Mapping[str, Any], info: PluginInfo) -> bool:
    """Whether a catalogue's entry is a later release than what is here: by date, else by version."""
    date, version = str(other.get("date") or ""), str(other.get("version") or "")
    if date and info.date and date != info.date:
        return version_key(date) > version_key(info.date)
    return version_key(version) > version_key(info.version)


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _words(value: Any) -> tuple[str, ...]:
    """A name or a list of names."""
    values: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    return tuple(str(word) for word in values if word)
