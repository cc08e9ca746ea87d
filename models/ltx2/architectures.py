"""What each LTX-2 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.known_sizes import GEMMA3_12B, LTX2_VAE, network
from shared.diffusion.clip_keys import placed_pictures_problems
from shared.diffusion.family import Architecture

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param


def _sizes(billions: float) -> dict[str, Any]:
    """What is known of a model before its files are here; sound parts and connectors are among the transformer's."""
    transformer = network("LTX2VideoTransformer3DModel", billions, 32, 128, patch_size=1, patch_size_t=1)
    return {"known_parts": {"transformer": transformer, "text_encoder": GEMMA3_12B, "vae": LTX2_VAE}}


# The pipeline for pictures and clips at frames serves text alone as well; a checkpoint may name any of its relatives.
_PIPELINE = "LTX2ConditionPipeline"

_ANY_TASK: dict[str, Any] = {
    "pipeline": _PIPELINE,
    "fps": 24,
    "frames_minimum": 17,
    "frames_steps": 8,
    "frames_offset": 1,
    "latent_size": 8,
    "vae_block_size": 32,
    "text_length": 1024,
    "returns_audio": True,
    "image_prompt_types_allowed": "TSEVL",
    "input_video_strength": True,
    "image_ref_choices": {"choices": [["None", ""], ["Pictures at frames", "KFI"]], "letters_filter": "KFI"},
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 41, "window_max": 481, "window_step": 8, "window_default": 241,
        "overlap_min": 1, "overlap_max": 97, "overlap_step": 8, "overlap_default": 9,
    },
    "one_by_one": True,
}  # fmt: skip

# Guidance of picture and sound by the prompt, by each other, and against a network with one block perturbed.
_GUIDED = {
    **_ANY_TASK,
    "guidance_max_phases": 1,
    "audio_guidance": True,
    "alt_guidance": True,
    "guidance_rescale": 0.7,
    "custom_settings": [
        {
            "id": "block_guidance", "type": "float", "name": "Block guidance", "default": 1.0, "min": 0.0, "max": 4.0,
            "inc": 0.1, "help": "Steers away from what comes out with one block perturbed: firmer shapes; 0 is off.",
        },
    ],
}  # fmt: skip

_19B = {**_GUIDED, **_sizes(18.9), "perturbed_blocks": [29]}
_22B = {**_GUIDED, **_sizes(22.0), "perturbed_blocks": [28]}

# Trained for these noise levels alone, without guidance; too few steps to skip any.
_FEW_STEPS: dict[str, Any] = {
    "guidance_max_phases": 0,
    "no_negative_prompt": True,
    "lock_inference_steps": True,
    **dict.fromkeys(("tea_cache", "spectrum_cache", "first_block_cache"), False),
    "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875],
}
_DISTILLED = {**_ANY_TASK, **_FEW_STEPS}

_OTHER_WORDS = {
    "audio_guidance_scale": ("Sound guidance", "How closely the sound follows the prompt."),
    "alt_guidance_scale": ("Unity of picture and sound", "How closely picture and sound follow each other; 1 is off."),
}


def _params(params: list[Param], model: ModelDef) -> list[Param]:
    """The scales in this model's words."""
    words = _OTHER_WORDS
    return [
        param.with_changes(label=words[param.name][0], help=words[param.name][1]) if param.name in words else param
        for param in params
    ]


def _architecture(definition: Mapping[str, Any]) -> Architecture:
    return Architecture(
        (_PIPELINE,), definition, "models.ltx2.pipeline:LTX2", problems=placed_pictures_problems, params=_params
    )


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "ltx2_19B": _architecture(_19B),
        "ltx2_distilled": _architecture({**_DISTILLED, **_sizes(18.9)}),
        "ltx2_22B": _architecture(_22B),
        "ltx2_22B_distilled": _architecture({**_DISTILLED, **_sizes(22.0)}),
        "ltx2_25_22B": _architecture(_22B),
    }
)
