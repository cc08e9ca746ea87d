"""The choice of accelerator profiles and LoRA presets above a model's LoRAs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from shared.core.lora_presets import LoraPreset, apply_preset, find_preset, presets_of
from shared.ui.texts import say

_KINDS: Mapping[str, str] = {
    "accelerator": "preset_accelerator", "preset": "preset_preset", "settings": "preset_settings",
}  # fmt: skip


class PresetPicker:
    """A list that is only there for models that have presets; what is chosen is laid over the form once."""

    def __init__(self, runtime: Any, model: str) -> None:
        self.runtime = runtime
        choices = self._choices(model)
        self.component = gr.Dropdown(
            choices, value=None, label=say("lora_preset"), info=say("lora_preset_info"), elem_id="lora_preset",
            elem_classes=["wg-setting"], visible=bool(choices), interactive=True,
        )  # fmt: skip

    def show(self, model: str) -> dict[Any, Any]:
        """The update that offers another model's presets."""
        choices = self._choices(model)
        return {self.component: gr.update(choices=choices, value=None, visible=bool(choices))}

    def applied(self, model: str, settings: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The settings with a preset over them. Raises SettingsError for one that is not there or broken."""
        return apply_preset(settings, find_preset(self._presets(model), name))

    def _choices(self, model: str) -> list[tuple[str, str]]:
        return [(f"{one.name} ({say(_KINDS[one.kind])})", one.path.name) for one in self._presets(model)]

    def _presets(self, model: str) -> list[LoraPreset]:
        registry = self.runtime.registry
        if model not in registry.models():
            return []
        definition = registry.get(model)
        if "activated_loras" not in registry.params(definition):
            return []
        return presets_of(definition, self.runtime.root, registry.lora_folder(definition))
