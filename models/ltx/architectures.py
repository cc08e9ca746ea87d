"""What each LTX-Video architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import LTX_VAE, T5_XXL, network
from shared.diffusion.clip_keys import placed_pictures_problems
from shared.diffusion.family import Architecture

# Pictures and clips are given as tokens at their frames: first, last, any between, and the clip that is continued.
_ANY_TASK: dict[str, Any] = {
    "fps": 30,
    "frames_minimum": 17,
    "frames_steps": 8,
    "frames_offset": 1,
    "latent_size": 8,
    "vae_block_size": 32,
    "text_length": 256,
    "image_prompt_types_allowed": "TSEVL",
    "input_video_strength": True,
    "guide_custom_choices": {"choices": [["Prompt only", ""], ["Start from a clip", "GV"]], "letters_filter": "GUV"},
    "keep_frames_video_guide_not_supported": True,
    "image_ref_choices": {"choices": [["None", ""], ["Pictures at frames", "KFI"]], "letters_filter": "KFI"},
    "control_letters": "GUVKFI",
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 41, "window_max": 257, "window_step": 8, "window_default": 129,
        "overlap_min": 1, "overlap_max": 97, "overlap_step": 8, "overlap_default": 9,
    },
    "one_by_one": True,
    # The decoder removes the last of the noise: how much it is told there is, and how much is added for it.
    "decode_timestep": 0.05,
    "decode_noise": 0.025,
    # A little noise on given frames, so that they can move.
    "given_frames_noise": 0.025,
    "known_parts": {
        "transformer": network("LTXVideoTransformer3DModel", 13.04, 32, 128, patch_size=1, patch_size_t=1),
        "text_encoder": T5_XXL,
        "vae": LTX_VAE,
    },
}  # fmt: skip

_FULL = {**_ANY_TASK, "guidance_max_phases": 1, "guidance_rescale": 0.7}

# Trained for these steps alone, without guidance; too few to skip any.
_DISTILLED = {
    **_ANY_TASK,
    "guidance_max_phases": 0,
    "no_negative_prompt": True,
    "lock_inference_steps": True,
    **dict.fromkeys(("tea_cache", "spectrum_cache", "first_block_cache"), False),
    "timesteps": [1000, 993, 987, 981, 975, 909, 725, 0.03],
}


def _architecture(definition: Mapping[str, Any]) -> Architecture:
    return Architecture(
        ("LTXConditionPipeline",), definition, "models.ltx.pipeline:LTXVideo", problems=placed_pictures_problems
    )


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {"ltxv_13B": _architecture(_FULL), "ltxv_distilled": _architecture(_DISTILLED)}
)
