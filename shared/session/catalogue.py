"""What callers can ask about models, their settings and their LoRAs."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.core.errors import ModelNotFound
from shared.core.lora_presets import LoraPreset, apply_preset, find_preset, presets_of, write_preset
from shared.core.settings import complete
from shared.core.settings_io import export_settings
from shared.core.settings_upgrade import upgrade
from shared.session.metadata import has_loras, model_metadata, model_schema

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.session.runtime import Runtime

MAX_LIMIT = 500

_AVAILABILITY: Mapping[str, tuple[int, str]] = {
    "available": (2, "blue_square"),
    "partial": (1, "yellow_square"),
    "missing": (0, "black_square"),
}


class Catalogue:
    """Answers about the models of a runtime; every answer is a copy that the caller may change."""

    def __init__(self, runtime: Runtime) -> None:
        self._registry, self._root = runtime.registry, runtime.root

    def find(
        self,
        *,
        name: str | None = None,
        query: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        **filters: str | Sequence[str] | None,
    ) -> list[ModelDef]:
        """The models that pass every filter, in the order in which they are shown.

        `name` is a pattern (`*`, `?`) on the display name, `query` a part of any text that describes the model.
        `family`, `base_model_type`, `finetune`, `model_type` and `main_output` take one value or a list of accepted
        ones; of `inputs` a model must take all.
        """
        found = [model for model in self._registry.models().values() if model.get("visible", True)]
        found = [model for model in found if self._passes(model, name, query, filters)]
        start = max(0, int(offset))
        return found[start:] if limit is None else found[start : start + min(MAX_LIMIT, max(1, int(limit)))]

    def definition(self, model: ModelDef) -> dict[str, Any]:
        """Everything known of a model, functions left out."""
        return {
            **_plain(model.model),
            "model_type": model.model_type,
            "name": model.name,
            "architecture": model.architecture,
            "base_model_type": model.base_model_type,
            "family": model.family,
            "description": model.description,
            "metadata": self.metadata(model),
        }

    def metadata(self, model: ModelDef) -> dict[str, Any]:
        """What the model takes and makes."""
        return _plain(model_metadata(model, self._registry.handler(model), self._registry.params(model)))

    def schema(self, model: ModelDef) -> dict[str, Any]:
        """The metadata with the numbers that a form needs."""
        return _plain(model_schema(model, self.metadata(model)))

    def get(self, model_type: str) -> ModelDef | None:
        """A model by its id."""
        return self._registry.models().get(model_type)

    def defaults(self, model_type: Any) -> dict[str, Any]:
        """Factory settings of a model with its id. Raises ValueError for an unknown model."""
        return self._known(model_type).default_settings()

    def merge(self, settings: Any) -> dict[str, Any]:
        """Factory settings with `settings` over them, old names brought up to date."""
        if not isinstance(settings, Mapping):
            raise TypeError(f"settings: a dict is needed, not {type(settings).__name__}.")
        model = self._known(settings.get("model_type"))
        return complete(upgrade(settings, model), model)

    def export(self, settings: Any) -> dict[str, Any]:
        """The settings as a settings file holds them: what has no effect left out."""
        merged = self.merge(settings)
        return export_settings(merged, self._known(merged["model_type"]))

    def availability(self, model: ModelDef) -> dict[str, Any]:
        """Whether the model's files are on disk."""
        status = self._registry.availability(model)
        code, indicator = _AVAILABILITY[status]
        return {
            "model_type": model.model_type,
            "status": status,
            "status_code": code,
            "indicator": indicator,
            "available": status == "available",
        }

    def loras(self, model_type: str) -> dict[str, Any]:
        """The LoRA files in the folder of the model's family, as paths relative to it."""
        model = self._known(model_type)
        supported = has_loras(model, self._registry.params(model))
        loras = self._registry.lora_folder(model).files() if supported else []
        return {"model_type": model.model_type, "supported": supported, "loras": loras, "count": len(loras)}

    def _known(self, model_type: Any) -> ModelDef:
        if not model_type:
            raise ValueError("model_type: it is missing. Name the model that the settings are for.")
        try:
            return self._registry.get(str(model_type))
        except ModelNotFound as exc:
            raise ValueError(str(exc)) from exc

    def presets(self, model_type: str) -> list[LoraPreset]:
        """The accelerator profiles, LoRA presets and settings files that are offered for a model."""
        model = self._known(model_type)
        if not has_loras(model, self._registry.params(model)):
            return []
        return presets_of(model, self._root, self._registry.lora_folder(model))

    def with_preset(self, settings: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Settings with a preset of their model over them. Raises SettingsError for one that is not there."""
        model = self._registry.model_for(settings)
        return apply_preset(complete(settings, model), find_preset(self.presets(model.model_type), name))

    def save_preset(self, settings: Mapping[str, Any], name: str, full_prompt: bool) -> Path:
        """Save the LoRAs of settings beside the LoRA files of their model."""
        folder = self._registry.lora_folder(self._registry.model_for(settings))
        return write_preset(folder, name, settings, full_prompt=full_prompt)

    def _passes(self, model: ModelDef, name: str | None, query: str | None, filters: Mapping[str, Any]) -> bool:
        if name and not fnmatch.fnmatchcase(model.name.casefold(), name.casefold()):
            return False
        label = self._registry.handler(model).label
        texts = (model.model_type, model.name, model.description, model.family, label, model.base_model_type)
        if query and not any(query.casefold() in text.casefold() for text in texts):
            return False
        wanted = {key: value for key, value in filters.items() if value is not None}
        if not wanted:
            return True
        metadata = self.metadata(model)
        return all(_accepts(key, metadata[key], _as_set(value)) for key, value in wanted.items())


class CatalogueMethods:
    """The questions of a session."""

    if TYPE_CHECKING:

        @property
        def runtime(self) -> Runtime:
            """Whose models are asked about."""

    @property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.runtime)

    def list_model_defs(self, **filters: Any) -> list[dict[str, Any]]:
        """The definitions of the models that pass the filters of `Catalogue.find`."""
        catalogue = self._catalogue
        return [catalogue.definition(model) for model in catalogue.find(**_checked(filters))]

    get_model_defs = list_model_defs

    def list_model_metadata(self, include_availability: bool = False, **filters: Any) -> list[dict[str, Any]]:
        """What the models that pass the filters take and make, with their names."""
        catalogue = self._catalogue
        return [_described(catalogue, model, include_availability) for model in catalogue.find(**_checked(filters))]

    def get_model_def(self, model_type: str) -> dict[str, Any] | None:
        """The definition of a model; None when it is not known."""
        model = self._catalogue.get(model_type)
        return None if model is None else self._catalogue.definition(model)

    def get_model_metadata(self, model_type: str, include_availability: bool = False) -> dict[str, Any] | None:
        """What a model takes and makes; None when it is not known."""
        model = self._catalogue.get(model_type)
        return None if model is None else _described(self._catalogue, model, include_availability)

    def get_model_schema(self, model_type: str) -> dict[str, Any] | None:
        """The metadata of a model with the numbers that a form needs; None when it is not known."""
        model = self._catalogue.get(model_type)
        return None if model is None else self._catalogue.schema(model)

    def get_default_settings(self, model_type: str) -> dict[str, Any]:
        """Factory settings of a model, its id among them. Raises ValueError for an unknown model."""
        return self._catalogue.defaults(model_type)

    def merge_settings_with_defaults(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Factory settings with these over them, old names brought up to date.

        Raises TypeError for no dict, ValueError for no model or an unknown one.
        """
        return self._catalogue.merge(settings)

    def prepare_settings_for_export(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as a settings file holds them. Raises as `merge_settings_with_defaults`."""
        return self._catalogue.export(settings)

    def get_exported_default_settings(self, model_type: str) -> dict[str, Any]:
        """The factory settings as a settings file holds them. Raises ValueError for an unknown model."""
        return self._catalogue.export(self._catalogue.defaults(model_type))

    def list_loras(self, model_type: str) -> dict[str, Any]:
        """The LoRAs that are there for a model. Raises ValueError for an unknown model."""
        return self._catalogue.loras(model_type)

    def list_lora_presets(self, model_type: str) -> list[dict[str, str]]:
        """What can be laid over a model's settings: `name`, `kind` (accelerator, preset or settings), `help`, `path`.

        Raises ValueError for an unknown model.
        """
        found = self._catalogue.presets(model_type)
        return [{"name": one.name, "kind": one.kind, "help": one.help, "path": str(one.path)} for one in found]

    def apply_lora_preset(self, settings: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The settings, completed, with the preset of that name over them.

        An accelerator takes the place of the accelerators, anything else that of the user's LoRAs. Raises
        SettingsError for a preset that is not there, ModelNotFound where the settings name no model.
        """
        return self._catalogue.with_preset(settings, name)

    def save_lora_preset(self, settings: Mapping[str, Any], name: str, full_prompt: bool = False) -> str:
        """Save the user's LoRAs of the settings as `<name>.lset`; the path.

        Without `full_prompt` only the remarks of the prompt go along. Raises WanGPError when it cannot be written.
        """
        return str(self._catalogue.save_preset(settings, name, full_prompt))

    def get_model_availability(self, model_type: str) -> dict[str, Any] | None:
        """Whether a model's files are on disk; None when it is not known."""
        model = self._catalogue.get(model_type)
        return None if model is None else self._catalogue.availability(model)

    def list_model_availability(self, **filters: Any) -> list[dict[str, Any]]:
        """The same of every model that passes the filters."""
        catalogue = self._catalogue
        return [catalogue.availability(model) for model in catalogue.find(**_checked(filters))]


_FILTERS = frozenset(
    {"family", "base_model_type", "finetune", "model_type", "main_output", "inputs", "name", "query", "limit", "offset"}
)


def _checked(filters: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(filters.keys() - _FILTERS)
    if unknown:
        raise TypeError(f"unknown filter {', '.join(unknown)}; the filters are {', '.join(sorted(_FILTERS))}")
    return filters


def _described(catalogue: Catalogue, model: ModelDef, include_availability: bool) -> dict[str, Any]:
    described = {**catalogue.metadata(model), "name": model.name}
    if include_availability:
        described["availability"] = catalogue.availability(model)
    return described


def _accepts(key: str, value: Any, wanted: set[str]) -> bool:
    have = _as_set(value)
    return wanted <= have if key == "inputs" else bool(wanted & have)


def _as_set(value: Any) -> set[str]:
    values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return {str(item).casefold() for item in values}


def _plain(value: Any) -> Any:
    """A deep copy without functions."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value if not callable(item)]
    return copy.deepcopy(value)
