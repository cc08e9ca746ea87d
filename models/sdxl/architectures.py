"""What each Stable Diffusion XL architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.sampler_names import SAMPLERS, SCHEDULES
from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import (
    ONE_MEGAPIXEL,
    PICTURES,
    picture_problems,
    references,
    repainting,
    starting_pictures,
)

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

_DRIVER = "models.sdxl.pipeline:SdxlPipeline"

_OWN_SETTINGS: list[dict[str, Any]] = [
    {
        "id": "guidance_rescale", "name": "Guidance rescale", "type": "float", "default": 0.0, "min": 0, "max": 1,
        "help": "Brings the contrast of high guidance back to that of the prompted prediction.",
    },
]  # fmt: skip

_COMMON: dict[str, Any] = {
    **PICTURES,
    **starting_pictures(),
    "vae_block_size": 8,
    "text_length": None,
    "resolutions": ONE_MEGAPIXEL,
    "sample_solvers": [list(pair) for pair in SAMPLERS],
    "noise_schedules": [list(pair) for pair in SCHEDULES],
    "performances": True,
    "clip_skip": True,
    "prompt_weights": True,
    "sharpness": True,
    "adaptive_cfg": True,
    "adm_guidance": True,
    "freeu": True,
    "initial_latent": True,
    "custom_settings": _OWN_SETTINGS,
    "lora_dir": "sdxl",
    "dtype": "float16",
    "pipeline_from_picture": "StableDiffusionXLImg2ImgPipeline",
    "pipeline_repaint": "StableDiffusionXLInpaintPipeline",
}

# Trained to repaint: its network sees the mask and what is kept.
_INPAINT: dict[str, Any] = {
    **_COMMON,
    **repainting(),
    "guide_custom_choices": {
        "choices": [["Repaint the masked part", "AV"], ["Repaint, starting from what is there", "AGV"]],
        "letters_filter": "AGUV",
    },
}

# One ControlNet for all kinds of control; `control_modes` has its number for each letter.
_CONTROL: dict[str, Any] = {
    **_COMMON,
    "pipeline": "StableDiffusionXLControlNetUnionPipeline",
    "pipeline_without_control": "StableDiffusionXLPipeline",
    "pipeline_from_picture_with_control": "StableDiffusionXLControlNetUnionImg2ImgPipeline",
    "pipeline_repaint_with_control": "StableDiffusionXLControlNetUnionInpaintPipeline",
    "guide_preprocessing": {"selection": ["", "EV", "DV", "PV", "SV", "V"]},
    "control_modes": {"P": 0, "D": 1, "S": 2, "E": 3, "": 3},
    "control_net_weight_name": "ControlNet",
    "extra_parts": {
        "controlnet": {"class": "ControlNetUnionModel", "repo": "xinsir/controlnet-union-sdxl-1.0"},
    },
}

_REFERENCE: dict[str, Any] = {
    **_COMMON,
    **references(4, label="Pictures whose look or subject is taken over"),
    "alt_scale": True,
    "ip_adapter": True,
    "preload_URLs": [
        "https://huggingface.co/h94/IP-Adapter/resolve/main/sdxl_models/ip-adapter_sdxl_vit-h.safetensors"
    ],
    "extra_parts": {
        "image_encoder": {
            "library": "transformers",
            "class": "CLIPVisionModelWithProjection",
            "repo": "h94/IP-Adapter",
            "subfolder": "models/image_encoder",
        },
    },
}


def sdxl_params(params: list[Param], model: ModelDef) -> list[Param]:
    """The guidance goes higher than elsewhere, as Fooocus' does."""
    return [param.with_changes(maximum=30) if param.name == "guidance_scale" else param for param in params]


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "sdxl": Architecture(("StableDiffusionXLPipeline",), _COMMON, _DRIVER, picture_problems, sdxl_params),
        "sdxl_inpaint": Architecture(
            ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline"),
            _INPAINT,
            _DRIVER,
            picture_problems,
            sdxl_params,
        ),
        "sdxl_control": Architecture(
            ("StableDiffusionXLControlNetUnionPipeline", "StableDiffusionXLControlNetPipeline"),
            _CONTROL,
            _DRIVER,
            picture_problems,
            sdxl_params,
        ),
        "sdxl_ip_adapter": Architecture(
            ("StableDiffusionXLPipeline",),
            _REFERENCE,
            _DRIVER,
            picture_problems,
            sdxl_params,
            loaded="models.sdxl.pipeline:add_ip_adapter",
        ),
    }
)
