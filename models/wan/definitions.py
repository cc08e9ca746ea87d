"""What each Wan architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.known_sizes import CLIP_VISION_H, UMT5_XXL, WAN_VAE, WAN_VAE_2_2, wan_network


def _sizes(transformer: Mapping[str, Any], vae: Mapping[str, Any] = WAN_VAE, **parts: Any) -> dict[str, Any]:
    """What is known of a model before its files are here."""
    return {"known_parts": {"transformer": transformer, "text_encoder": UMT5_XXL, "vae": vae, **parts}}


LARGE = _sizes(wan_network())
SMALL = _sizes(wan_network(1.42, 12, 8960))
MIDDLE = _sizes(wan_network(5.0, 24, 14336), WAN_VAE_2_2)
TWO_LARGE = _sizes(wan_network(), transformer_2=wan_network())
LARGE_WITH_PICTURE = _sizes(wan_network(16.39), image_encoder=CLIP_VISION_H)
SMALL_WITH_PICTURE = _sizes(wan_network(1.56, 12, 8960), image_encoder=CLIP_VISION_H)
_VACE_NETWORK = wan_network(17.34, class_name="WanVACETransformer3DModel")
LARGE_VACE = _sizes(_VACE_NETWORK)
TWO_LARGE_VACE = _sizes(_VACE_NETWORK, transformer_2=_VACE_NETWORK)
SMALL_VACE = _sizes(wan_network(2.15, 12, 8960, "WanVACETransformer3DModel"))
LARGE_ANIMATE = _sizes(wan_network(17.28, class_name="WanAnimateTransformer3DModel"), image_encoder=CLIP_VISION_H)

COMMON: dict[str, Any] = {
    "fps": 16,
    "frames_minimum": 5,
    "frames_steps": 4,
    "frames_offset": 1,
    "latent_size": 4,
    "vae_block_size": 16,
    "flow_shift": True,
    "sample_solvers": [["UniPC", "unipc"], ["Euler", "euler"], ["DPM++", "dpm++"]],
    "text_length": 512,
    "image_prompt_types_allowed": "T",
    "token_noise": "",
    "one_by_one": True,
    "lora_dir": "wan",
}


def windows(default: int, overlap: int, largest: int, step: int = 4) -> dict[str, Any]:
    """Sliding windows of `default` frames, an overlap of `overlap` up to `largest` frames in steps of `step`."""
    return {
        "sliding_window": True,
        "sliding_window_defaults": {
            "window_min": 17, "window_max": 257, "window_step": 4, "window_default": default,
            "overlap_min": 1, "overlap_max": largest, "overlap_step": step, "overlap_default": overlap,
        },
    }  # fmt: skip


START_CLIP = {"choices": [["Prompt only", ""], ["Start from a clip", "GV"]], "letters_filter": "GUV"}

# Text to video: one frame is a picture; a noised clip can be the start.
TEXT_TO_VIDEO = {
    **COMMON,
    "v2i_switch_supported": True,
    "guide_custom_choices": START_CLIP,
    "keep_frames_video_guide_not_supported": True,
}

# A first picture goes in as extra channels; a longer clip continues from one frame.
IMAGE_TO_VIDEO = {
    **COMMON,
    "image_prompt_types_allowed": "SVL",
    "no_overlap_noise": True,
    "lora_dir": "wan_i2v",
    **windows(81, 1, 1, step=1),
}

# Made for two pictures, it cannot do with one; so there are no windows either.
FIRST_AND_LAST_FRAME = {
    **COMMON,
    "image_prompt_types_allowed": "SEVL",
    "image_end_required": True,
    "lora_dir": "wan_i2v",
}

# Fun InP reads the features of the first picture alone, and both pictures as channels.
START_AND_END = {
    **IMAGE_TO_VIDEO,
    "image_prompt_types_allowed": "SEVL",
    "features_of_start_only": True,
    "lora_dir": "wan_1.3B",
}

# `token_noise` "all": any token can be given, "first": the first frame.
FIRST_FRAME_TOKENS = {
    **IMAGE_TO_VIDEO,
    "fps": 24,
    "vae_block_size": 32,
    "image_prompt_types_allowed": "TSVL",
    "v2i_switch_supported": True,
    "guide_custom_choices": START_CLIP,
    "keep_frames_video_guide_not_supported": True,
    "token_noise": "first",
    "no_overlap_noise": False,
    "lora_dir": "wan_5B",
}

ANY_TOKENS = {
    **TEXT_TO_VIDEO,
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
    "token_noise": "all",
    "lora_dir": "starter",
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 5, "window_max": 17, "window_step": 1, "window_default": 17,
        "overlap_min": 1, "overlap_max": 8, "overlap_step": 1, "overlap_default": 5,
    },
    "dtype": "float32",
}  # fmt: skip

# Control clips, masks, reference pictures, pictures at any frame: all are one conditioning clip and its mask.
VACE = {
    **COMMON,
    "image_prompt_types_allowed": "TSEVL",
    "v2i_switch_supported": True,
    "guide_preprocessing": {
        "selection": ["", "UV", "DV", "EV", "SV", "LV", "CV", "MV"],
        "labels": {
            "": "No control clip", "UV": "Follow it as it is", "DV": "Its depth", "EV": "Its edges",
            "SV": "Its strokes", "LV": "Its motion", "CV": "Its brightness", "MV": "Its place alone",
        },
    },
    "mask_preprocessing": {
        "selection": ["", "A", "NA", "HA", "XA", "XNA", "YA", "YNA", "WA", "WNA", "ZA", "ZNA"],
        "labels": {
            "": "The whole picture", "A": "Inside the mask", "NA": "Outside the mask", "HA": "In its boxes",
            "XA": "Inside, all made anew", "XNA": "Outside, all made anew", "YA": "Inside, depth around it",
            "YNA": "Outside, depth in it", "WA": "Inside, strokes around it", "WNA": "Outside, strokes in it",
            "ZA": "Inside, motion around it", "ZNA": "Outside, motion in it",
        },
    },
    "image_ref_choices": {
        "choices": [
            ["None", ""], ["People or objects", "I"], ["A place, then people or objects", "KI"],
            ["Pictures at given frames, then people or objects", "FI"],
            ["Pictures at given frames, a place, people or objects", "KFI"],
        ],
        "letters_filter": "KFI",
    },
    "any_image_refs_relative_size": True,
    "background_removal": True,
    "video_guide_outpainting": [0, 1],
    "control_net_weight_name": "Control",
    "no_overlap_noise": True,
    **windows(81, 5, 33),
}  # fmt: skip

# The motion of a pose clip and a face clip for the person of a picture; or that person in place of one in a clip.
ANIMATE = {
    **COMMON,
    "fps": 30,
    "image_prompt_types_allowed": "TVL",
    "guide_custom_choices": {
        "choices": [["Move the person as in the pose and face clips", "UV+"],
                    ["Put the person in place of the masked one", "AUV+"]],
        "letters_filter": "AUV+",
    },
    "video_guide2": True,
    "custom_guide": {"label": "Clip whose masked person is replaced", "kind": "video"},
    "masked_custom_guide": True,
    "image_ref_choices": {"choices": [["The person", "I"]], "letters_filter": "I"},
    "one_image_ref_needed": True,
    "control_video_trim": True,
    "keep_frames_video_guide_not_supported": True,
    "no_overlap_noise": True,
    **windows(77, 1, 1, step=1),
}  # fmt: skip

# Each latent frame has a noise level of its own: a clip goes on from any number of given frames.
FORCING = {
    **COMMON,
    "fps": 24,
    "image_prompt_types_allowed": "TSVL",
    "model_modes": {
        "choices": [["All frames at once", 0], ["One after the other (more steps)", 5]],
        "default": 0,
        "label": "Order of the frames",
    },
    **windows(97, 17, 61),
}

# Rewrites a clip by words.
LUCY = {
    **COMMON,
    "fps": 24,
    "vae_block_size": 32,
    "guide_custom_choices": {"choices": [["Edit the clip", "UV"]], "letters_filter": "UV"},
    "control_video_trim": True,
    "guide_required": True,
    "keep_frames_video_guide_not_supported": True,
    "frames_maximum": 121,
    "lora_dir": "wan_5B",
}

# Rewrites a picture by words, as the end of a short clip that starts from it.
CHRONO = {
    **COMMON,
    "image_outputs": True,
    "image_ref_choices": {"choices": [["The picture to edit", "KI"]], "letters_filter": "KI"},
    "one_image_ref_needed": True,
    "model_modes": {
        "choices": [["Straight to the result", 0], ["Think through the change first", 1]],
        "default": 0,
        "label": "Way to the result",
    },
    "lora_dir": "wan_i2v",
}
