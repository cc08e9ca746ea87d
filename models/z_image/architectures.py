"""What each Z-Image architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import PICTURE_VAE, QWEN3_4B, network
from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import (
    DRIVER,
    ONE_MEGAPIXEL,
    PICTURES,
    controlled,
    picture_problems,
    starting_pictures,
)

_COMMON: dict[str, Any] = {
    **PICTURES,
    **starting_pictures(),
    "lora_dir": "z_image",
    "resolutions": ONE_MEGAPIXEL,
    "flow_shift": True,
    "guidance_from_zero": True,
    "known_parts": {
        "transformer": network("ZImageTransformer2DModel", 6.15, 30, 128, patch_size=2),
        "text_encoder": QWEN3_4B,
        "vae": PICTURE_VAE,
    },
    "pipeline_from_picture": "ZImageImg2ImgPipeline",
    "pipeline_repaint": "ZImageInpaintPipeline",
}

_TURBO = {**_COMMON, "guidance_max_phases": 0, "no_negative_prompt": True}

# The ControlNet's 15 blocks stand beside every second one of the transformer's 30; its 33 channels are the control
# picture, the mask and the picture that is repainted.
CONTROL_CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "control_layers_places": list(range(0, 30, 2)),
        "control_refiner_layers_places": [0, 1],
        "control_in_dim": 33,
        "add_control_noise_refiner": "control_noise_refiner",
    }
)

_CONTROL = {
    **_TURBO,
    **controlled(
        "ZImageControlNetPipeline",
        "ZImagePipeline",
        "ZImageControlNetInpaintPipeline",
        **{"class": "ZImageControlNetModel"},
        repo="alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1",
        file="Z-Image-Turbo-Fun-Controlnet-Union-2.1.safetensors",
        config=dict(CONTROL_CONFIG),
    ),
}

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "z_image": Architecture(("ZImagePipeline",), _TURBO, DRIVER, picture_problems),
        "z_image_base": Architecture(("ZImagePipeline",), _COMMON, DRIVER, picture_problems),
        "z_image_control": Architecture(("ZImageControlNetPipeline",), _CONTROL, DRIVER, picture_problems),
    }
)
