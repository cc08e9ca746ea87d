"""What each HunyuanVideo architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import CLIP_L, HUNYUAN_VAE, HUNYUAN_VAE_1_5, LLAMA_8B, QWEN2_5_VL_7B, network
from shared.diffusion.family import Architecture

_CLIPS: dict[str, Any] = {
    "fps": 24,
    "frames_minimum": 5,
    "frames_steps": 4,
    "frames_offset": 1,
    "latent_size": 4,
    "vae_block_size": 16,
    "flow_shift": True,
    "one_by_one": True,
}

# A picture becomes the first frame; a longer clip goes on from one frame.
_FROM_A_PICTURE: dict[str, Any] = {
    "image_prompt_types_allowed": "SVL",
    "sliding_window": True,
    "no_overlap_noise": True,
    "sliding_window_defaults": {
        "window_min": 17, "window_max": 257, "window_step": 4, "window_default": 129,
        "overlap_min": 1, "overlap_max": 1, "overlap_step": 1, "overlap_default": 1,
    },
}  # fmt: skip

# The first generation has learned guidance as an input; true guidance comes on top, at twice the time.
_FIRST_SIZES = {
    "transformer": network("HunyuanVideoTransformer3DModel", 12.82, 24, 128, patch_size=2, patch_size_t=1),
    "text_encoder": LLAMA_8B,
    "text_encoder_2": CLIP_L,
    "vae": HUNYUAN_VAE,
}
_FIRST = {**_CLIPS, "known_parts": _FIRST_SIZES, "embedded_guidance": True, "text_length": 256}

_TEXT = {**_FIRST, "v2i_switch_supported": True}
_PICTURE = {**_FIRST, **_FROM_A_PICTURE, "lora_dir": "hunyuan_i2v"}

_SIZES_1_5 = {
    "transformer": network("HunyuanVideo15Transformer3DModel", 8.33, 16, 128, patch_size=1, patch_size_t=1),
    "text_encoder": QWEN2_5_VL_7B,
    "text_encoder_2": {"parameters": 0.22e9},
    "image_encoder": {"parameters": 0.43e9},
    "vae": HUNYUAN_VAE_1_5,
}
_TEXT_1_5 = {
    **_CLIPS,
    "known_parts": _SIZES_1_5,
    "group": "hunyuan_1_5",
    "lora_dir": "hunyuan_1_5",
    "text_length": 1000,
}
_PICTURE_1_5 = {**_TEXT_1_5, **_FROM_A_PICTURE}

# A long clip in sections from its end to its start, so that it never drifts away from the first picture. Its network
# and what reads the picture come from other publishers than the rest.
_FRAMEPACK = {
    **_FIRST,
    "pipeline": "HunyuanVideoFramepackPipeline",
    "fps": 30,
    "frames_minimum": 37,
    "frames_steps": 36,
    "frames_offset": 1,
    "latent_size": 4,
    "image_prompt_types_allowed": "SE",
    "lora_dir": "hunyuan_framepack",
    "extra_parts": {
        "transformer": {"class": "HunyuanVideoFramepackTransformer3DModel", "repo": "lllyasviel/FramePackI2V_HY"},
        "image_encoder": {
            "library": "transformers",
            "class": "SiglipVisionModel",
            "repo": "lllyasviel/flux_redux_bfl",
            "subfolder": "image_encoder",
        },
        "feature_extractor": {
            "library": "transformers",
            "class": "SiglipImageProcessor",
            "repo": "lllyasviel/flux_redux_bfl",
            "subfolder": "feature_extractor",
        },
    },
}

_DRIVER_1_5 = "models.hunyuan.pipeline:HunyuanVideo15"

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "hunyuan": Architecture(("HunyuanVideoPipeline",), _TEXT),
        "hunyuan_i2v": Architecture(("HunyuanVideoImageToVideoPipeline",), _PICTURE),
        "hunyuan_framepack": Architecture(
            ("HunyuanVideoFramepackPipeline",), _FRAMEPACK, "models.hunyuan.pipeline:Framepack"
        ),
        "hunyuan_1_5_t2v": Architecture(("HunyuanVideo15Pipeline",), _TEXT_1_5, _DRIVER_1_5),
        "hunyuan_1_5_i2v": Architecture(("HunyuanVideo15ImageToVideoPipeline",), _PICTURE_1_5, _DRIVER_1_5),
    }
)
