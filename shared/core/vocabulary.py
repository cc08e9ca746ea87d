"""The names of the settings: today's with their declarations, earlier ones with what they became."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.declarations import all_params
from shared.core.params import Param

SETTINGS_VERSION = 2.74

DECLARATIONS: Mapping[str, Param] = MappingProxyType(all_params())
BASELINE: Mapping[str, Any] = MappingProxyType({name: param.default for name, param in DECLARATIONS.items()})
MEDIA_KEYS: tuple[str, ...] = tuple(name for name, param in DECLARATIONS.items() if param.is_media)

FILE_KEYS = frozenset({
    "type", "settings_version", "model_type", "base_model_type", "model_filename", "settings_note", "help",
    "lset_name", "priority", "state", "plugin_data", "_api", "version",
})  # fmt: skip
OUTPUT_KEYS = frozenset({
    "video_quality", "image_quality", "hdr", "hdr_video_crf", "modules", "transformer_loras_filenames",
    "transformer_loras_multipliers", "window_no", "generation_time", "creation_date", "creation_timestamp",
    "skipped_steps", "computed_steps",
    "original_prompt", "full_prompt", "full_negative_prompt", "prompt_expansion",
})  # fmt: skip

_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: param.name for param in DECLARATIONS.values() for alias in param.aliases}
)
OLD_KEYS = frozenset(_ALIASES) | {"MMAudio_setting", "tea_cache_setting"}


def baseline() -> dict[str, Any]:
    """A fresh dict of every setting with its default."""
    return {name: param.fresh_default() for name, param in DECLARATIONS.items()}


def canonical(settings: Mapping[str, Any], params: Mapping[str, Param] = DECLARATIONS) -> dict[str, Any]:
    """The settings under today's names and in today's forms; unknown keys and wrong values are kept as they are."""
    renamed = _without_old_keys(settings)
    result: dict[str, Any] = {}
    for name, value in renamed.items():
        param = params.get(name) or DECLARATIONS.get(name)
        result[name] = value if param is None or value is None else param.normalize(value)
    return result


def _without_old_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in settings.items() if name not in OLD_KEYS}
    for alias, name in _ALIASES.items():
        if settings.get(alias) is not None and result.get(name) is None:
            result[name] = settings[alias]
    speed_up = settings.get("tea_cache_setting")
    if speed_up and not result.get("skip_steps_cache_type"):
        result["skip_steps_cache_type"], result["skip_steps_multiplier"] = "tea", speed_up
    if settings.get("MMAudio_setting") and not result.get("postprocess_audio"):
        result["postprocess_audio"] = "mmaudio"
    return result
