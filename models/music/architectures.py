"""What each model that makes sound can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.diffusion.family import Architecture

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

_SOUND: dict[str, Any] = {
    "audio_only": True,
    "duration_slider": True,
    "audio_channels": 2,
    "audio_scale": True,
}

# `duration_longest` is in seconds.
_ACE_STEP: dict[str, Any] = {
    **_SOUND,
    "alt_prompt": "Lyrics",
    "no_negative_prompt": True,
    "flow_shift": True,
    "audio_sampling_rate": 48_000,
    "duration_longest": 600,
    "lora_dir": "ace_step_v1_5",
    "audio_prompt_type_sources": {
        "choices": [["Prompt only", ""], ["A cover of the given sound", "A"], ["Voices as in the given sound", "A1"]],
    },
    "custom_settings": [
        {
            "id": "vocal_language", "name": "Language of the lyrics", "type": "text", "default": "en",
            "help": "A language code such as en, zh, ja.",
        },
        {"id": "bpm", "name": "Beats a minute", "type": "int", "min": 20, "max": 300, "help": "Empty: as it comes."},
        {"id": "keyscale", "name": "Key", "type": "text", "help": 'Such as "C major"; empty: as it comes.'},
        {"id": "timesignature", "name": "Beats a bar", "type": "text", "help": 'Such as "4"; empty: as it comes.'},
    ],
}  # fmt: skip

_STABLE_AUDIO: dict[str, Any] = {
    **_SOUND,
    "audio_sampling_rate": 44_100,
    "duration_longest": 380,
    "lora_dir": "stable_audio3_medium",
    "dtype": "float16",
    "audio_prompt_type_sources": {"choices": [["Prompt only", ""], ["Start from the given sound", "A"]]},
    "pipeline_from_sound": "StableAudio3AudioToAudioPipeline",
}


def music_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """What is wrong with the length."""
    longest, duration = model.get("duration_longest"), settings.get("duration_seconds")
    if longest and isinstance(duration, (int, float)) and duration > longest:
        yield f"duration_seconds: {duration:g} s is more than this model makes. Use at most {longest} s."


def music_params(params: list[Param], model: ModelDef) -> list[Param]:
    """The settings with the words and bounds of music."""
    changes: Mapping[str, Mapping[str, Any]] = {
        "alt_prompt": {
            "label": "Lyrics",
            "help": "The words that are sung, with marks such as [verse] and [chorus]; empty for music without words.",
        },
        "duration_seconds": {"maximum": model.get("duration_longest", 3600)},
    }
    return [param.with_changes(**changes.get(param.name, {})) for param in params]


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "ace_step_v1_5": Architecture(
            ("AceStepPipeline",), _ACE_STEP, "models.music.pipeline:AceStep", music_problems, music_params
        ),
        "ace_step_v1_5_xl": Architecture(
            ("AceStepPipeline",), {**_ACE_STEP, "lora_dir": "ace_step_v1_5_xl"}, "models.music.pipeline:AceStep",
            music_problems, music_params,
        ),
        "stable_audio3_medium": Architecture(
            ("StableAudio3Pipeline",), _STABLE_AUDIO, "models.music.pipeline:StableAudio", music_problems, music_params
        ),
        "stable_audio3_small": Architecture(
            ("StableAudio3Pipeline",),
            {**_STABLE_AUDIO, "lora_dir": "stable_audio3_small", "duration_longest": 120},
            "models.music.pipeline:StableAudio", music_problems, music_params,
        ),
    }
)  # fmt: skip
