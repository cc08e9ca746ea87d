"""What each Kandinsky 5 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import CLIP_L, HUNYUAN_VAE, PICTURE_VAE, QWEN2_5_VL_7B, network
from shared.diffusion.family import Architecture

# The text encoder of a batch is asked once, the network for each of its samples: they are made one by one.
_CLIPS: dict[str, Any] = {
    "fps": 24,
    "frames_minimum": 5,
    "frames_steps": 4,
    "frames_offset": 1,
    "latent_size": 4,
    "vae_block_size": 16,
    "frames_maximum": 241,
    "text_length": 512,
    "one_by_one": True,
}

# The large models attend in blocks of 8x8 tokens of 16x16 pixels each.
_BLOCKS = {"vae_block_size": 128}

# The picture is the first frame. The colours of the first four latent frames are then brought to those of the fifth:
# a clip without a fifth comes out black.
_FROM_A_PICTURE: dict[str, Any] = {
    "frames_minimum": 17,
    "image_prompt_types_allowed": "SVL",
    "sliding_window": True,
    "no_overlap_noise": True,
    "sliding_window_defaults": {
        "window_min": 25, "window_max": 241, "window_step": 4, "window_default": 121,
        "overlap_min": 1, "overlap_max": 1, "overlap_step": 1, "overlap_default": 1,
    },
}  # fmt: skip

_PICTURES: dict[str, Any] = {"image_outputs": True, "vae_block_size": 64, "one_by_one": True}

_EDITS: dict[str, Any] = {
    **_PICTURES,
    "text_length": 1024,
    "image_ref_choices": {"choices": [["Picture to edit", "KI"]], "letters_filter": "KI", "default": "KI"},
    "at_least_one_image_ref_needed": True,
    "one_image_ref_needed": True,
}

_DRIVER = "models.kandinsky5.pipeline:Kandinsky5"


def _sizes(billions: float, heads: int, vae: Mapping[str, Any] = HUNYUAN_VAE) -> dict[str, Any]:
    """What is known of a model before its files are here."""
    transformer = network("Kandinsky5Transformer3DModel", billions, heads, 64, patch_size=[1, 2, 2])
    text = {"text_encoder": QWEN2_5_VL_7B, "text_encoder_2": CLIP_L}
    return {"known_parts": {"transformer": transformer, **text, "vae": vae}}


_LITE, _PRO, _LITE_PICTURES = _sizes(2.15, 28), _sizes(19.0, 64), _sizes(6.0, 40, PICTURE_VAE)


def _architecture(pipeline: str, name: str, *definitions: Mapping[str, Any]) -> tuple[str, Architecture]:
    """Each has its own size, and so its own folder of LoRAs."""
    merged = {key: value for definition in definitions for key, value in definition.items()}
    return name, Architecture((pipeline,), {**merged, "lora_dir": name}, _DRIVER)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    dict((
        _architecture("Kandinsky5T2VPipeline", "k5_lite_t2v", _CLIPS, _LITE),
        _architecture("Kandinsky5T2VPipeline", "k5_pro_t2v", _CLIPS, _PRO, _BLOCKS),
        _architecture("Kandinsky5I2VPipeline", "k5_lite_i2v", _CLIPS, _LITE, _FROM_A_PICTURE),
        _architecture("Kandinsky5I2VPipeline", "k5_pro_i2v", _CLIPS, _PRO, _BLOCKS, _FROM_A_PICTURE),
        _architecture("Kandinsky5T2IPipeline", "k5_lite_t2i", _PICTURES, _LITE_PICTURES, {"text_length": 512}),
        _architecture("Kandinsky5I2IPipeline", "k5_lite_i2i", _EDITS, _LITE_PICTURES),
    ))
)  # fmt: skip
