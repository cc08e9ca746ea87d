"""The program's functions and values that plugins ask for by name (`request_global`): one table."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from shared.core.errors import PluginError
from shared.core.version import VERSION, WAN2GP_VERSION
from shared.ui.plugins import device_exports, media_exports
from shared.ui.plugins.model_exports import ModelExports
from shared.ui.plugins.queue_exports import QueueExports
from shared.ui.plugins.server_config import ServerConfig

# Names that `set_global` may replace: settings of the program, kept in its configuration under these keys.
REPLACEABLE: Mapping[str, str] = {
    "save_path": "save_path",
    "image_save_path": "image_save_path",
    "audio_save_path": "audio_save_path",
    "attention_mode": "attention_mode",
    "transformer_quantization": "transformer_quantization",
    "text_encoder_quantization": "text_encoder_quantization",
    "profile": "profile",
    "compile": "compile",
    "boost": "boost",
    "vae_config": "vae_config",
    "metadata_type": "metadata_type",
    "notification_sound_enabled": "notification_sound_enabled",
    "notification_sound_volume": "notification_sound_volume",
}


class Exports:
    """The table. `page` is the host of the plugins; what a name gives is looked up when it is asked for."""

    def __init__(self, runtime: Any, page: Any) -> None:
        self._runtime = runtime
        self.server_config = ServerConfig(runtime.config)
        self._groups = (ModelExports(runtime), QueueExports(runtime))
        self._table: dict[str, Callable[[], Any]] = {}
        for group in self._groups:
            self._add({name: getattr(group, name) for name in group.NAMES})
        for module in (media_exports, device_exports):
            self._add({name: getattr(module, name) for name in module.NAMES})
        self._add({"switch_to_model": page.switch_to_model, "goto_media_tab": page.goto_media_tab, "app": page})
        self._add({"server_config": self.server_config, "server_config_filename": str(runtime.config.path)})
        self._add({"args": runtime.args, "WanGP_version": WAN2GP_VERSION, "version": VERSION})
        self._table |= {name: partial(runtime.config.get, key) for name, key in REPLACEABLE.items()}

    def _add(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._table[name] = partial(_same, value)

    @property
    def names(self) -> list[str]:
        """Everything that can be asked for."""
        return sorted(self._table)

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def get(self, name: str) -> Any:
        """A function or value. Raises PluginError, naming similar ones."""
        if name not in self._table:
            near = difflib.get_close_matches(name, self._table, n=3)
            hint = f" Did it mean {' or '.join(near)}?" if near else " The names are in docs/plugins.md."
            raise PluginError(f'The program has no global "{name}".{hint}')
        return self._table[name]()

    def set(self, name: str, value: Any) -> str | None:
        """Replace a value; a sentence where that cannot be."""
        if name not in self._table:
            return f'The program has no global "{name}".'
        if name not in REPLACEABLE:
            return f"{name} cannot be replaced. What can be: {', '.join(sorted(REPLACEABLE))}."
        self._runtime.config.update(**{REPLACEABLE[name]: value})
        return None


def _same(value: Any) -> Any:
    return value
