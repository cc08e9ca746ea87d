"""Settings of the tasks that work on media which exist already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.processors import Processors

_REMUX_DEFAULTS: Mapping[str, Any] = {
    "postprocess_audio_prompt": "",
    "postprocess_audio_neg_prompt": "",
    "seed": -1,
    "repeat_generation": 1,
    "replace_voice_sample": None,
    "replace_voice_sample2": None,
}
_AUDIO_DEFAULTS: Mapping[str, Any] = {"replace_voice_sample": None, "replace_voice_sample2": None}


def build_media_postprocessing_settings(
    media_source: Any,
    *,
    temporal_upsampling: str = "",
    spatial_upsampling: str = "",
    film_grain_intensity: float = 0,
    film_grain_saturation: float = 0.5,
    seed: int = -1,
    api_options: Mapping[str, Any] | None = None,
    return_media: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Settings that upsample a clip or picture, or lay film grain over it."""
    settings = {
        "mode": "edit_postprocessing",
        "prompt": "Media postprocessing",
        "image_mode": 0,
        "video_source": media_source,
        "batch_size": 1,
        "repeat_generation": 1,
        "temporal_upsampling": temporal_upsampling,
        "spatial_upsampling": spatial_upsampling,
        "film_grain_intensity": film_grain_intensity,
        "film_grain_saturation": film_grain_saturation,
        "postprocess_audio": "",
        "seed": seed,
    }
    return _with_overrides(settings, overrides, api_options, return_media)


def postprocessing_choices(name: str, processors: Processors) -> list[tuple[str, Any]]:
    """The choices (label, value) of a postprocessing setting that can be done on a finished file here."""
    if name == "spatial_upsampling":
        return list(processors.spatial_choices())
    return list(processors.temporal_choices()) if name == "temporal_upsampling" else []


def build_audio_remux_settings(
    video_source: Any,
    *,
    postprocess_audio: str,
    audio_source: Any = None,
    api_options: Mapping[str, Any] | None = None,
    return_media: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Settings that give a clip another sound.

    Also takes `postprocess_audio_prompt`, `postprocess_audio_neg_prompt`, `seed`, `repeat_generation`,
    `replace_voice_sample` and `replace_voice_sample2`.
    """
    settings = {
        "mode": "edit_remux",
        "prompt": "Audio remuxing",
        "image_mode": 0,
        "video_source": video_source,
        "audio_source": audio_source,
        "batch_size": 1,
        "postprocess_audio": postprocess_audio,
        **_REMUX_DEFAULTS,
    }
    return _with_overrides(settings, overrides, api_options, return_media)


def build_audio_postprocessing_settings(
    audio_source: Any,
    *,
    postprocess_audio: str,
    api_options: Mapping[str, Any] | None = None,
    return_media: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Settings that process a sound file. Also takes `replace_voice_sample` and `replace_voice_sample2`."""
    settings = {
        "mode": "edit_audio",
        "prompt": "Audio postprocessing",
        "image_mode": 0,
        "audio_source": audio_source,
        "batch_size": 1,
        "repeat_generation": 1,
        "postprocess_audio": postprocess_audio,
        **_AUDIO_DEFAULTS,
    }
    return _with_overrides(settings, overrides, api_options, return_media)


def _with_overrides(
    settings: dict[str, Any], overrides: Mapping[str, Any], api_options: Mapping[str, Any] | None, return_media: bool
) -> dict[str, Any]:
    """Overrides last; the model is that of the media, so none is named."""
    result = {**settings, **overrides}
    wishes = dict(api_options if api_options is not None else result.pop("_api", None) or {})
    result.pop("_api", None)
    if return_media:
        wishes["return_media"] = True
    if wishes:
        result["_api"] = wishes
    result.pop("model_type", None)
    result.pop("base_model_type", None)
    return result
