"""What each Kandinsky 5 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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


def _architecture(pipeline: str, name: str, *definitions: Mapping[str, Any]) -> tuple[str, Architecture]:
    """Each has its own size, and so its own folder of LoRAs."""
    merged = {key: value for definition in definitions for key, value in definition.items()}
    return name, Architecture((pipeline,), {**merged, "lora_dir": name}, _DRIVER)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    dict((
        _architecture("Kandinsky5T2VPipeline", "k5_lite_t2v", _CLIPS),
        _architecture("Kandinsky5T2VPipeline", "k5_pro_t2v", _CLIPS, _BLOCKS),
        _architecture("Kandinsky5I2VPipeline", "k5_lite_i2v", _CLIPS, _FROM_A_PICTURE),
        _architecture("Kandinsky5I2VPipeline", "k5_pro_i2v", _CLIPS, _BLOCKS, _FROM_A_PICTURE),
        _architecture("Kandinsky5T2IPipeline", "k5_lite_t2i", _PICTURES, {"text_length": 512}),
        _architecture("Kandinsky5I2IPipeline", "k5_lite_i2i", _EDITS),
    ))
)  # fmt: skip
