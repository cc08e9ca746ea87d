"""What each Qwen-Image architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import QWEN2_5_VL_7B, QWEN3_8B, QWEN_VAE, network
from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import (
    DRIVER,
    ONE_MEGAPIXEL,
    PICTURES,
    controlled,
    picture_problems,
    references,
    repainting,
    starting_pictures,
)

_COMMON: dict[str, Any] = {
    **PICTURES,
    "lora_dir": "qwen",
    "resolutions": ONE_MEGAPIXEL,
    "known_parts": {
        "transformer": network("QwenImageTransformer2DModel", 20.43, 24, 128, patch_size=2),
        "text_encoder": QWEN2_5_VL_7B,
        "vae": QWEN_VAE,
    },
}

_TEXT_TO_IMAGE = {
    **_COMMON,
    **starting_pictures(),
    "pipeline_from_picture": "QwenImageImg2ImgPipeline",
    "pipeline_repaint": "QwenImageInpaintPipeline",
}

# One ControlNet for edges, depth, poses and strokes.
_CONTROL = {
    **_TEXT_TO_IMAGE,
    **controlled(
        "QwenImageControlNetPipeline",
        "QwenImagePipeline",
        "",
        **{"class": "QwenImageControlNetModel"},
        repo="InstantX/Qwen-Image-ControlNet-Union",
    ),
    "one_by_one": True,
}

# They read the picture at about a million pixels, whatever its size.
_EDIT = {
    **_COMMON,
    **references(1, label="The picture to edit"),
    **repainting(),
    "pipeline_repaint": "QwenImageEditInpaintPipeline",
    "one_by_one": True,
    "profiles_dir": "qwen_edit",
}

_EDIT_PLUS = {**_COMMON, **references(3, needed=True), "one_by_one": True, "profiles_dir": "qwen_edit"}

_LAYERED = {
    **_COMMON,
    **references(1, label="The picture to take apart", needed=True),
    "resolutions": [["640 x 640", "640x640"], ["1024 x 1024", "1024x1024"], ["768 x 544", "768x544"],
                    ["544 x 768", "544x768"], ["1248 x 832", "1248x832"], ["832 x 1248", "832x1248"]],
    "vae_block_size": 32,
    "one_by_one": True,
    "custom_settings": [{"id": "layers", "name": "Layers", "label": "Layers", "type": "int", "default": 4,
                         "min": 1, "max": 8}],
}  # fmt: skip

_SIZES_2_1 = {
    "transformer": network("QwenImage21Transformer2DModel", 7.12, 32, 128, patch_size=1),
    "text_encoder": QWEN3_8B,
    "vae": {**QWEN_VAE, "scale_factor_spatial": 16},
}
_VERSION_2_1 = {**_COMMON, "known_parts": _SIZES_2_1, **references(4), "vae_block_size": 32, "one_by_one": True}

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "qwen_image_20B": Architecture(("QwenImagePipeline",), _TEXT_TO_IMAGE, DRIVER, picture_problems),
        "qwen_image_control_20B": Architecture(("QwenImageControlNetPipeline",), _CONTROL, DRIVER, picture_problems),
        "qwen_image_edit_20B": Architecture(
            ("QwenImageEditPipeline",), _EDIT, "models.qwen.pipeline:QwenEdit", picture_problems
        ),
        "qwen_image_edit_plus_20B": Architecture(("QwenImageEditPlusPipeline",), _EDIT_PLUS, DRIVER, picture_problems),
        "qwen_image_layered_20B": Architecture(
            ("QwenImageLayeredPipeline",), _LAYERED, "models.qwen.pipeline:QwenLayers", picture_problems
        ),
        "qwen_image_2_1": Architecture(
            ("QwenImage21Pipeline",), _VERSION_2_1, "models.qwen.pipeline:Qwen21", picture_problems
        ),
    }
)
