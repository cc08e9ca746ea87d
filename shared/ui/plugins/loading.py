"""From a plugin's folder to its object."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

from shared.core.errors import PluginError
from shared.core.plugin_info import ENTRY_NAME, FOLDER_NAME, PluginInfo
from shared.ui.plugins.base import WAN2GPPlugin


def load_plugin(info: PluginInfo) -> WAN2GPPlugin:
    """The plugin's object. Raises PluginError for a file without a plugin, and whatever its code raises."""
    module = importlib.import_module(f"{FOLDER_NAME}.{info.id}.plugin")
    return plugin_class(module)()


def plugin_class(module: ModuleType) -> type[WAN2GPPlugin]:
    """The one subclass that a module holds; where one extends another, the last of the line."""
    found = [
        value for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, WAN2GPPlugin) and value is not WAN2GPPlugin
    ]  # fmt: skip
    own = [value for value in found if value.__module__ == module.__name__] or found
    last = [value for value in own if not any(other is not value and issubclass(other, value) for other in own)]
    if not last:
        raise PluginError(f"{ENTRY_NAME} holds no class that extends WAN2GPPlugin (from shared.utils.plugins).")
    return last[0]


def takes_argument(constructor: object) -> bool:
    """Whether a tab's constructor has a place for the session."""
    try:
        parameters = inspect.signature(constructor).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(parameter.kind in kinds for parameter in parameters)


def overrides(plugin: WAN2GPPlugin, method: str) -> bool:
    """Whether the plugin has a method of its own in place of the base class's."""
    return method in vars(plugin) or getattr(type(plugin), method) is not getattr(WAN2GPPlugin, method)
