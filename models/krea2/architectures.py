"""What each Krea 2 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import DRIVER, ONE_MEGAPIXEL, PICTURES

_RAW: dict[str, Any] = {
    **PICTURES,
    "lora_dir": "krea2",
    "resolutions": ONE_MEGAPIXEL,
    "guidance_max_phases": 1,
    "guidance_from_zero": True,
}

_TURBO = {**_RAW, "guidance_max_phases": 0, "no_negative_prompt": True}

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "krea2": Architecture(("Krea2Pipeline",), _RAW, DRIVER),
        "krea2_turbo": Architecture(("Krea2Pipeline",), _TURBO, DRIVER),
    }
)
