"""What Ideogram 4 can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import FLUX2_VAE, QWEN3_8B, network
from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import ONE_MEGAPIXEL, PICTURES

# A second network takes the place of a negative prompt.
_TEXT_TO_IMAGE: dict[str, Any] = {
    **PICTURES,
    "lora_dir": "ideogram4",
    "resolutions": (("2048 x 2048", "2048x2048"), *ONE_MEGAPIXEL),
    "text_length": 2048,
    "guidance_max_phases": 1,
    # The publisher's schedule: 45 steps with the full guidance, then 3 of 48 with less.
    "guidance_polish": [3 / 48, 3.0],
    "no_negative_prompt": True,
    "known_parts": {
        "transformer": network("Ideogram4Transformer2DModel", 9.28, 18, 256, patch_size=2),
        "unconditional_transformer": network("Ideogram4Transformer2DModel", 9.28, 18, 256),
        "text_encoder": QWEN3_8B,
        "vae": FLUX2_VAE,
    },
}

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {"ideogram4": Architecture(("Ideogram4Pipeline",), _TEXT_TO_IMAGE, "models.ideogram4.pipeline:Ideogram4")}
)
