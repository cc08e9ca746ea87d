"""What each Wan architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_COMMON: dict[str, Any] = {
    "fps": 16,
    "frames_minimum": 5,
    "frames_steps": 4,
    "frames_offset": 1,
    "latent_size": 4,
    "vae_block_size": 16,
    "flow_shift": True,
    "guidance_max_phases": 1,
    "sample_solvers": [["UniPC", "unipc"], ["Euler", "euler"], ["DPM++", "dpm++"]],
    "text_length": 512,
    "no_lora": True,
    "image_prompt_types_allowed": "T",
    "token_noise": "",
}

# Text to video: one frame is a picture; a noised clip can be the start.
_TEXT_TO_VIDEO = {
    **_COMMON,
    "v2i_switch_supported": True,
    "guide_custom_choices": {"choices": [["Prompt only", ""], ["Start from a clip", "GV"]], "letters_filter": "GUV"},
    "keep_frames_video_guide_not_supported": True,
    "control_letters": "GUV",
}

# A first picture goes in as extra channels; a longer clip continues from one frame.
_IMAGE_TO_VIDEO = {
    **_COMMON,
    "image_prompt_types_allowed": "SVL",
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 17, "window_max": 257, "window_step": 4, "window_default": 81,
        "overlap_min": 1, "overlap_max": 1, "overlap_step": 1, "overlap_default": 1,
    },
}  # fmt: skip

# Made for two pictures, it cannot do with one; so there are no windows either.
_FIRST_AND_LAST_FRAME = {
    **_COMMON,
    "image_prompt_types_allowed": "SEVL",
    "image_end_required": True,
}

_TWO_EXPERTS = {"guidance_max_phases": 2}

# `token_noise` "all": any token can be given, "first": the first frame.
_FIRST_FRAME_TOKENS = {
    **_IMAGE_TO_VIDEO,
    "fps": 24,
    "vae_block_size": 32,
    "image_prompt_types_allowed": "TSVL",
    "v2i_switch_supported": True,
    "guide_custom_choices": _TEXT_TO_VIDEO["guide_custom_choices"],
    "keep_frames_video_guide_not_supported": True,
    "control_letters": "GUV",
    "token_noise": "first",
}

_ANY_TOKENS = {
    **_TEXT_TO_VIDEO,
    "fps": 8,
    "frames_minimum": 1,
    "frames_steps": 1,
    "latent_size": 1,
    "vae_block_size": 32,
    "image_prompt_types_allowed": "TSEVL",
    "inpaint_support": True,
    "guide_custom_choices": {
        "choices": [["Prompt only", ""], ["Start from a clip or picture", "GV"], ["Repaint the masked part", "AGV"]],
        "letters_filter": "AGUV",
    },
    "control_letters": "AGUV",
    "token_noise": "all",
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 5, "window_max": 17, "window_step": 1, "window_default": 17,
        "overlap_min": 1, "overlap_max": 8, "overlap_step": 1, "overlap_default": 5,
    },
    "dtype": "float32",
}  # fmt: skip

ARCHITECTURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "starter": _ANY_TOKENS,
        "t2v": _TEXT_TO_VIDEO,
        "t2v_1.3B": _TEXT_TO_VIDEO,
        "i2v": _IMAGE_TO_VIDEO,
        "flf2v_720p": _FIRST_AND_LAST_FRAME,
        "t2v_2_2": {**_TEXT_TO_VIDEO, **_TWO_EXPERTS},
        "i2v_2_2": {**_IMAGE_TO_VIDEO, **_TWO_EXPERTS, "image_prompt_types_allowed": "SEVL"},
        "ti2v_2_2": _FIRST_FRAME_TOKENS,
    }
)
