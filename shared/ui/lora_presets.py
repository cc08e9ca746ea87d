"""Accelerator profiles and presets: what a model offers, and what the page does with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from shared.core.errors import SettingsError, WanGPError
from shared.core.lora_presets import (
    LoraPreset,
    apply_preset,
    delete_preset,
    find_preset,
    presets_of,
    write_preset,
    write_settings_preset,
)
from shared.core.settings_io import export_settings
from shared.ui.run import Handlers, Updates, problem_list
from shared.ui.texts import say

_KINDS: Mapping[str, str] = {
    "accelerator": "preset_accelerator", "preset": "preset_preset", "settings": "preset_settings",
}  # fmt: skip


PRESET_EVENTS = ("use_preset", "keep_preset", "delete_preset")


class PresetPicker:
    """The presets of a model, and the one chosen as a component; the browser shows them (assets/presets.js)."""

    def __init__(self, runtime: Any, model: str) -> None:
        self.runtime = runtime
        self.component = gr.Dropdown(
            self._choices(model), value=None, label=say("lora_preset"), elem_id="lora_preset", visible="hidden",
        )  # fmt: skip

    def show(self, model: str) -> dict[Any, Any]:
        """The update that offers another model's presets."""
        return {self.component: gr.update(choices=self._choices(model), value=None)}

    def applied(self, model: str, settings: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The settings with a preset over them. Raises SettingsError for one that is not there or broken."""
        return apply_preset(settings, find_preset(self.presets(model), name))

    def facts(self, model: str) -> list[dict[str, str]]:
        """What the browser must know of a model's presets."""
        return [
            {"file": one.path.name, "name": one.name, "kind": one.kind, "help": one.help} for one in self.presets(model)
        ]

    def presets(self, model: str) -> list[LoraPreset]:
        """The presets of a model; accelerators only where it takes LoRAs."""
        registry = self.runtime.registry
        if model not in registry.models():
            return []
        definition = registry.get(model)
        found = presets_of(definition, self.runtime.root, registry.lora_folder(definition))
        takes_loras = "activated_loras" in registry.params(definition)
        return [one for one in found if takes_loras or one.kind == "settings"]

    def _choices(self, model: str) -> list[tuple[str, str]]:
        return [(f"{one.name} ({say(_KINDS[one.kind])})", one.path.name) for one in self.presets(model)]


class Presets:
    """What the page does with presets: lays one over the form, keeps the form as one, deletes one."""

    def __init__(self, handlers: Handlers, picker: PresetPicker) -> None:
        self.handlers, self.picker, self.runtime = handlers, picker, handlers.runtime

    def use(
        self, event: gr.EventData, token: str, state: dict[str, Any], model: str, extra: str, *values: Any
    ) -> Updates:
        """Lay a preset over the form."""
        return self.handlers.choose_preset(token, state, model, extra, *values, str((event._data or {}).get("name")))

    def keep(
        self, event: gr.EventData, token: str, state: dict[str, Any], model: str, extra: str, *values: Any
    ) -> Updates:
        """Keep the form as a preset of a name: its LoRAs alone, or everything but the media."""
        told = dict(event._data or {})
        name = str(told.get("name") or "").strip()
        definition = self.runtime.registry.get(model)
        settings = self.handlers.form.read(model, extra, values)
        folder = self.runtime.registry.lora_folder(definition)
        try:
            if not name:
                raise SettingsError(say("preset_needs_name"))
            if told.get("loras_only"):
                write_preset(folder, name, settings)
            else:
                write_settings_preset(folder, name, export_settings(settings, definition))
        except (WanGPError, OSError) as error:
            return {self.handlers.problems: problem_list([str(error)])}
        gr.Info(say("preset_kept", name=name))
        return {self.handlers.facts: self._facts(model)}

    def delete(self, event: gr.EventData, model: str) -> Updates:
        """Take a preset of the user's off the disk."""
        try:
            preset = find_preset(self.picker.presets(model), str((event._data or {}).get("name")))
            delete_preset(preset)
        except (WanGPError, OSError) as error:
            gr.Warning(str(error))
            return {}
        gr.Info(say("preset_deleted", name=preset.name))
        return {self.handlers.facts: self._facts(model)}

    def _facts(self, model: str) -> str:
        return json.dumps({"presets": self.picker.facts(model)})
