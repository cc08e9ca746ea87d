"""What plugins ask for about models and the settings of a window."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from shared.core.errors import ModelNotFound, PluginError, SettingsError
from shared.core.settings import canonical
from shared.core.settings_io import import_settings
from shared.core.state import AppState
from shared.media.metadata import read_settings
from shared.ui.catalogue import family_choices, model_choices
from shared.ui.defaults import default_settings


class ModelExports:
    """Functions over the models of a runtime."""

    NAMES = (
        "get_model_def", "get_model_name", "get_model_family", "get_base_model_type", "get_state_model_type",
        "get_default_settings", "get_current_model_settings", "set_model_settings", "get_settings_from_file",
        "generate_dropdown_model_list", "get_lora_dir", "models_def", "displayed_model_types", "get_unique_id",
    )  # fmt: skip

    def __init__(self, runtime: Any) -> None:
        self._runtime, self._registry = runtime, runtime.registry

    @property
    def models_def(self) -> dict[str, dict[str, Any]]:
        """Every model's definition by its id."""
        return {name: dict(model.model) for name, model in self._registry.models().items()}

    @property
    def displayed_model_types(self) -> list[str]:
        """The models that the page offers."""
        return [name for name, model in self._registry.models().items() if model.get("visible", True)]

    def get_model_def(self, model_type: str) -> dict[str, Any] | None:
        """A model's definition: what its JSON says and what follows from its architecture; None for no model."""
        model = self._registry.models().get(model_type)
        if model is None:
            return None
        return {**model.model, "name": model.name, "architecture": model.architecture, "description": model.description}

    def get_model_name(self, model_type: str, description_container: list[str] | None = None) -> str:
        """A model's display name; its description goes into the list, where one is given."""
        model = self._registry.get(model_type)
        if description_container is not None:
            description_container[:] = [model.description]
        return str(model.name)

    def get_model_family(self, model_type: str, for_ui: bool = False) -> str:
        """The family's key, or with `for_ui` its display name."""
        model = self._registry.get(model_type)
        return str(self._registry.handler(model).label if for_ui else model.family)

    def get_base_model_type(self, model_type: str) -> str | None:
        """The architecture's id; None for no model."""
        model = self._registry.models().get(model_type)
        return None if model is None else str(model.architecture)

    def get_state_model_type(self, state: dict[str, Any]) -> str:
        """The model chosen in the window of this state."""
        return AppState(state).model_type

    def get_default_settings(self, model_type: str) -> dict[str, Any]:
        """What the form starts with for a model: its own settings, with the user's saved defaults over them."""
        return default_settings(self._runtime, model_type)

    def get_current_model_settings(self, state: dict[str, Any]) -> dict[str, Any]:
        """The settings last shown or sent for the window's model. Changes to the dict count for the window."""
        view = AppState(state)
        if not view.model_type:
            raise PluginError("No model is chosen in this window yet.")
        if view.model_type not in view.all_settings:
            view.all_settings[view.model_type] = default_settings(self._runtime, view.model_type)
        return view.all_settings[view.model_type]

    def set_model_settings(self, state: dict[str, Any], model_type: str, settings: Mapping[str, Any]) -> None:
        """Keep settings for a model of the window; `refresh_form_trigger` brings those of its model into the form."""
        self._registry.get(model_type)
        AppState(state).all_settings[model_type] = dict(canonical(settings))

    def get_settings_from_file(
        self,
        state: dict[str, Any],
        file_path: str,
        allow_json: bool,
        merge_with_defaults: bool,
        switch_type_if_compatible: bool,
        min_settings_version: float = 0,
        merge_loras: str | None = None,
    ) -> tuple[dict[str, Any] | None, bool, bool]:
        """(settings, it was a clip or picture, it was a sound) of a settings file or a result.

        The settings are None where the file holds none. With `merge_with_defaults` what it leaves out is the model's
        default; with `switch_type_if_compatible` a model that is not here becomes the window's.
        """
        path = Path(file_path)
        is_json = path.suffix.lower() == ".json"
        found = _json(path) if is_json and allow_json else None if is_json else read_settings(path)
        is_sound = path.suffix.lower() in (".wav", ".mp3", ".flac", ".m4a")
        if not isinstance(found, dict) or float(found.get("settings_version") or 0) < min_settings_version:
            return None, not is_json and not is_sound, is_sound
        try:
            model = self._registry.model_for(found)
        except ModelNotFound:
            if not switch_type_if_compatible:
                raise
            model = self._registry.get(self.get_state_model_type(state))
        given = {**canonical(found), "model_type": model.model_type}
        settings = import_settings(found, model) if merge_with_defaults else given
        if merge_loras:
            settings = self._with_loras(state, settings, merge_loras)
        return settings, not is_json and not is_sound, is_sound

    def _with_loras(self, state: dict[str, Any], settings: dict[str, Any], how: str) -> dict[str, Any]:
        """The window's LoRAs with those of the settings before or after them, each once."""
        own = self.get_current_model_settings(state)
        order = (settings, own) if how.endswith("before") else (own, settings)
        pairs: dict[str, str] = {}
        for source in order:
            strengths = str(source.get("loras_multipliers") or "").split()
            for index, name in enumerate(source.get("activated_loras") or []):
                pairs.setdefault(name, strengths[index] if index < len(strengths) else "1")
        return {**settings, "activated_loras": list(pairs), "loras_multipliers": " ".join(pairs.values())}

    def generate_dropdown_model_list(self, current_model_type: str) -> tuple[Any, Any, Any]:
        """Updates for dropdowns of families, of a family's base models, and of the models, with this one chosen."""
        model = self._registry.get(current_model_type)
        bases = dict.fromkeys(
            other.architecture for other in self._registry.models().values() if other.family == model.family
        )
        return (
            gr.update(choices=family_choices(self._registry), value=model.family),
            gr.update(choices=[(base, base) for base in bases], value=model.architecture),
            gr.update(choices=model_choices(self._registry, model.family), value=model.model_type),
        )

    def get_lora_dir(self, model_type: str) -> str:
        """The folder of a model's LoRAs."""
        return str(self._registry.lora_folder(self._registry.get(model_type)).path)

    def get_unique_id(self) -> str:
        """A text that no other call gets: what a hidden trigger is set to."""
        return str(time.time_ns())


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name}: this is not a readable JSON file ({error}).") from error
