"""`ModelDef`: one checkpoint as a defaults JSON and its family describe it."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shared.core.errors import ModelNotFound
from shared.core.units import FrameRule
from shared.core.vocabulary import SETTINGS_VERSION, baseline, canonical

MAX_INHERITANCE = 10


@dataclass(frozen=True)
class ModelDef:
    """A model that can be chosen.

    `model` is the JSON's "model" block over what the family says of the architecture, `defaults` are complete
    settings: the baseline, the family's, then those at the top of the JSON. `path` is the JSON file.
    """

    model_type: str
    name: str
    architecture: str
    family: str
    description: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    def get(self, key: str, default: Any = None) -> Any:
        """What the definition says about `key`."""
        value = self.model.get(key)
        return default if value is None else value

    @property
    def base_model_type(self) -> str:
        """The architecture, under the name that settings files use."""
        return self.architecture

    @property
    def is_finetune(self) -> bool:
        """Whether another model is this one's base."""
        return self.model_type != self.architecture

    @property
    def fps(self) -> float:
        """Frames a second that the model was trained for."""
        return float(self.get("fps", 16))

    @property
    def frames_minimum(self) -> int:
        """The shortest clip, in frames."""
        return int(self.get("frames_minimum", 5))

    @property
    def frames_steps(self) -> int:
        """Frames between two valid lengths."""
        return int(self.get("frames_steps", 4))

    @property
    def frames_offset(self) -> int:
        """Valid lengths are this plus a multiple of `frames_steps`."""
        return int(self.get("frames_offset", 1))

    @property
    def frame_rule(self) -> FrameRule:
        """The lengths that the model can make."""
        return FrameRule(self.frames_minimum, self.frames_steps, self.frames_offset)

    @property
    def block_size(self) -> int:
        """Sides of a result are multiples of this, in pixels."""
        return int(self.get("vae_block_size", 16))

    @property
    def makes_video(self) -> bool:
        """Whether clips can come out."""
        return not self.get("audio_only") and not self.get("image_outputs")

    @property
    def makes_images(self) -> bool:
        """Whether single pictures can come out."""
        return bool(self.get("image_outputs") or self.get("v2i_switch_supported"))

    def default_settings(self) -> dict[str, Any]:
        """The model's defaults with its id, as a dict that the caller may change."""
        settings = copy.deepcopy(dict(self.defaults))
        settings["model_type"] = self.model_type
        return settings


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """A finetune's JSON laid over the definition of the same name: key by key, and so its "model" block."""
    result = {**base, **top}
    result["model"] = {**block_of(base), **block_of(top)}
    return result


def inherited(sources: Mapping[str, Mapping[str, Any]], model_type: str, key: str) -> Any:
    """The value of `key` in a "model" block; a text that names another model stands for that model's value.

    `sources` are the JSONs by model id. Raises ModelNotFound for an unknown name, a circle or a chain of more than 10.
    """
    chain = [model_type]
    while True:
        current = chain[-1]
        if current not in sources:
            raise ModelNotFound(f'{model_type}: "{key}" names the model "{current}", which is not known.')
        value = block_of(sources[current]).get(key)
        if not isinstance(value, str) or not value or not _names_a_model(value, key):
            return value
        if value in chain:
            raise ModelNotFound(f'{model_type}: "{key}" goes round in a circle ({" -> ".join([*chain, value])}).')
        if len(chain) > MAX_INHERITANCE:
            raise ModelNotFound(f'{model_type}: "{key}" leads from model to model more than {MAX_INHERITANCE} times.')
        chain.append(value)


def build_model_def(
    model_type: str,
    sources: Mapping[str, Mapping[str, Any]],
    family: str,
    definition: Mapping[str, Any],
    path: str = "",
) -> ModelDef:
    """The definition of one model from all JSONs (`sources`, by model id) and the family's words on its architecture.

    Raises ModelNotFound when the JSON lacks a part or points to a model that is not there.
    """
    if model_type not in sources:
        raise ModelNotFound(f'The model "{model_type}" is not known.')
    source = sources[model_type]
    block = block_of(source)
    architecture = str(block.get("architecture") or "")
    if not architecture:
        raise ModelNotFound(f'{model_type}: its "model" block names no "architecture".')
    merged = {**copy.deepcopy(dict(definition)), **copy.deepcopy(block)}
    for key in _INHERITED_KEYS:
        if isinstance(block.get(key), str):
            merged[key] = copy.deepcopy(inherited(sources, model_type, key))
    if merged.get("modules"):
        merged["modules"] = _modules(sources, model_type, merged["modules"])
    merged |= _place_of_base(sources, model_type, architecture, merged)
    return ModelDef(
        model_type=model_type,
        name=str(block.get("name") or model_type),
        architecture=architecture,
        family=family,
        description=str(block.get("description") or ""),
        model=MappingProxyType(merged),
        defaults=MappingProxyType(_defaults(source, merged, architecture)),
        path=path,
    )


def architecture_of(source: Mapping[str, Any]) -> str:
    """The architecture that a JSON names; empty where it names none."""
    return str(block_of(source).get("architecture") or "")


_INHERITED_KEYS = (
    "URLs", "URLs2", "preload_URLs", "text_encoder_URLs", "VAE_URLs",
    "modules", "loras", "loras_multipliers", "configs",
)  # fmt: skip
# Where the weights of a model are that has no single files of its own.
_PLACE_KEYS = ("repo", "folder", "revision", "variant")
_FILE_ENDINGS = (".safetensors", ".sft", ".gguf", ".bin", ".pt", ".pth", ".ckpt")


def _modules(sources: Mapping[str, Mapping[str, Any]], model_type: str, value: Any) -> Any:
    """The modules with those that name a model ("vace_14B") replaced by that model's own."""
    if not isinstance(value, (list, tuple)):
        return value
    found: list[Any] = []
    for entry in value:
        if not isinstance(entry, str) or not _names_a_model(entry, "modules"):
            found.append(entry)
            continue
        theirs = inherited(sources, entry, "modules") if entry in sources else None
        if not theirs or entry == model_type:
            raise ModelNotFound(f'{model_type}: "modules" names "{entry}", which offers no module.')
        found += theirs if isinstance(theirs, list) else [theirs]
    return found


def _place_of_base(
    sources: Mapping[str, Mapping[str, Any]], model_type: str, architecture: str, merged: Mapping[str, Any]
) -> dict[str, Any]:
    """The repository or folder of the model with the architecture's name, for a definition that names neither."""
    if model_type == architecture or architecture not in sources or merged.get("repo") or merged.get("folder"):
        return {}
    base = block_of(sources[architecture])
    return {key: copy.deepcopy(base[key]) for key in _PLACE_KEYS if base.get(key) and not merged.get(key)}


def block_of(source: Mapping[str, Any]) -> dict[str, Any]:
    """The "model" block of a JSON; empty where it has none."""
    block = source.get("model")
    return dict(block) if isinstance(block, Mapping) else {}


def _names_a_model(value: str, key: str) -> bool:
    is_place = "/" in value or "\\" in value or value.lower().split("|")[0].endswith(_FILE_ENDINGS)
    return key in _INHERITED_KEYS and not is_place and (key != "loras_multipliers" or not _is_number(value))


def _is_number(value: str) -> bool:
    return all(part.replace(".", "", 1).lstrip("-").isdigit() for part in re.split(r"[\s;,:|]+", value) if part)


def _defaults(source: Mapping[str, Any], merged: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    letters = str(merged.get("image_prompt_types_allowed") or "")
    needs_image = "S" in letters and "T" not in letters
    is_720 = "720" in architecture
    settings = baseline()
    settings["settings_version"] = SETTINGS_VERSION
    if merged.get("flow_shift"):
        settings["flow_shift"] = 7.0 if needs_image and not is_720 else 5.0
    if merged.get("image_outputs"):
        settings["image_mode"] = 1
    if is_720:
        settings["resolution"] = "1280x720"
    windows = merged.get("sliding_window_defaults") or {}
    for kind, name in (("window", "sliding_window_size"), ("overlap", "sliding_window_overlap")):
        settings[name] = windows.get(f"{kind}_default", settings[name])
    settings.update(canonical(merged.get("default_settings") or {}))
    own = {key: value for key, value in source.items() if key != "model"}
    settings.update(canonical(own))
    if not settings.get("prompt"):
        settings["prompt"] = str(merged.get("sample_prompt") or "")
    return copy.deepcopy(settings)
