"""Importing the code of plugins, in any process of the program."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shared.core.plugin_info import FOLDER_NAME, PluginInfo

USUAL_NAME = "handler"
# What plugin code may raise without ending the program: `sys.exit()` at import is among what has been seen.
PLUGIN_FAULTS = (Exception, SystemExit)


def make_importable(folders: Sequence[Path]) -> None:
    """Let `plugins.<id>`, and as WanGP's plugins also write it `<id>`, be imported from these folders."""
    package = importlib.import_module(FOLDER_NAME)
    for folder in folders:
        text = str(folder)
        if text not in package.__path__:
            package.__path__.insert(0, text)
        if text not in sys.path:
            sys.path.append(text)


def import_part(info: PluginInfo, path: str) -> list[Any]:
    """What `module` or `module:name` of a plugin holds: one object or several. Raises whatever its code raises."""
    module_name, _, name = path.partition(":")
    module_name = module_name.removesuffix(".py").replace("/", ".")
    own = f"{FOLDER_NAME}.{info.id}"
    module = importlib.import_module(f"{own}.{module_name.removeprefix(own + '.')}")
    found = getattr(module, name or USUAL_NAME)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def plugin_parts(infos: Iterable[PluginInfo], kind: str) -> tuple[list[tuple[PluginInfo, Any]], list[str]]:
    """The objects of one kind (`model_handlers`, ...) that the plugins bring, and what could not be imported."""
    wanted = [info for info in infos if info.handlers.get(kind)]
    make_importable(list(dict.fromkeys(info.folder.parent for info in wanted)))
    parts: list[tuple[PluginInfo, Any]] = []
    broken: list[str] = []
    for info in wanted:
        for path in info.handlers[kind]:
            try:
                parts += [(info, part) for part in import_part(info, path)]
            except PLUGIN_FAULTS as error:
                broken.append(f"plugins/{info.id}: {path}: {type(error).__name__}: {error}")
    return parts, broken
