"""What each Krea 2 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import QWEN3_4B, QWEN_VAE, network
from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import DRIVER, ONE_MEGAPIXEL, PICTURES

_RAW: dict[str, Any] = {
    **PICTURES,
    "lora_dir": "krea2",
    "resolutions": ONE_MEGAPIXEL,
    "guidance_max_phases": 1,
    "guidance_from_zero": True,
    "known_parts": {
        "transformer": network("Krea2Transformer2DModel", 12.82, 48, 128, patch_size=2),
        "text_encoder": QWEN3_4B,
        "vae": QWEN_VAE,
    },
}

_TURBO = {**_RAW, "guidance_max_phases": 0, "no_negative_prompt": True}

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "krea2": Architecture(("Krea2Pipeline",), _RAW, DRIVER),
        "krea2_turbo": Architecture(("Krea2Pipeline",), _TURBO, DRIVER),
    }
)
