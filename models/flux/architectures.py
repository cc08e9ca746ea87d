"""What each FLUX.1 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.known_sizes import CLIP_L, PICTURE_VAE, T5_XXL, network
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

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

_SIZES: dict[str, Any] = {
    "known_parts": {
        "transformer": network("FluxTransformer2DModel", 11.9, 24, 128, patch_size=1),
        "text_encoder": CLIP_L,
        "text_encoder_2": T5_XXL,
        "vae": PICTURE_VAE,
    },
}

# Beside the guidance that the network has learned as an input, true guidance brings a negative prompt, at twice the
# time; at 1 it is off.
_DEV: dict[str, Any] = {
    **PICTURES,
    **_SIZES,
    **starting_pictures(),
    "lora_dir": "flux",
    "resolutions": ONE_MEGAPIXEL,
    "embedded_guidance": True,
    "pipeline_from_picture": "FluxImg2ImgPipeline",
    "pipeline_repaint": "FluxInpaintPipeline",
}

_SCHNELL: dict[str, Any] = {
    **_DEV,
    "embedded_guidance": False,
    "guidance_max_phases": 0,
    "no_negative_prompt": True,
    "text_length": 256,
    "profiles_dir": "flux_schnell",
}

_KONTEXT: dict[str, Any] = {
    **PICTURES,
    **_SIZES,
    **references(1, label="The picture to edit"),
    **repainting(),
    "lora_dir": "flux",
    "resolutions": ONE_MEGAPIXEL,
    "embedded_guidance": True,
    "pipeline_repaint": "FluxKontextInpaintPipeline",
    "one_by_one": True,
}

_FILL: dict[str, Any] = {
    **PICTURES,
    **_SIZES,
    "inpaint_support": True,
    "guide_custom_choices": {"choices": [["Repaint the masked part", "AV"]], "letters_filter": "AV"},
    "lora_dir": "flux",
    "resolutions": ONE_MEGAPIXEL,
    "embedded_guidance": True,
    "guidance_max_phases": 0,
    "no_negative_prompt": True,
    "one_by_one": True,
}

# One ControlNet for edges, depth, poses and strokes.
_CONTROL: dict[str, Any] = {
    **_DEV,
    **controlled(
        "FluxControlNetPipeline",
        "FluxPipeline",
        "FluxControlNetInpaintPipeline",
        **{"class": "FluxControlNetModel"},
        repo="Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro-2.0",
    ),
    "one_by_one": True,
}

_MOST_GUIDANCE = 60.0


def fill_problems(settings: Mapping[str, Any], model: ModelDef) -> list[str]:
    """What is missing: this model does nothing but fill what a mask marks."""
    found = list(picture_problems(settings, model))
    if settings.get("image_mask") is None and not settings.get("mode") and not found:
        found.append("image_mask: it is missing. This model fills the white part of a mask.")
    return found


def fill_params(params: list[Param], model: ModelDef) -> list[Param]:
    """FLUX.1 Fill has learned a stronger guidance than others: 30 is usual."""
    return [
        param.with_changes(maximum=_MOST_GUIDANCE) if param.name == "embedded_guidance_scale" else param
        for param in params
    ]


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "flux": Architecture(("FluxPipeline",), _DEV, DRIVER, picture_problems),
        "flux_control": Architecture(("FluxControlNetPipeline",), _CONTROL, DRIVER, picture_problems),
        "flux_schnell": Architecture(("FluxPipeline",), _SCHNELL, DRIVER, picture_problems),
        "flux_dev_kontext": Architecture(
            ("FluxKontextPipeline",), _KONTEXT, "models.flux.pipeline:FluxKontext", picture_problems
        ),
        "flux_dev_fill": Architecture(
            ("FluxFillPipeline",), _FILL, "models.flux.pipeline:FluxFill", fill_problems, fill_params
        ),
    }
)
