"""What each Stable Diffusion XL architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.conditions import is_given
from shared.core.guide_kinds import GUIDE_MODES, guide_problems, guide_uses
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
    "control_softness": True,
    "guide_kinds": dict(GUIDE_MODES),
    "refiner": True,
    "vae_choice": True,
    "custom_settings": _OWN_SETTINGS,
    "lora_dir": "sdxl",
    "dtype": "float16",
    "pipeline_from_picture": "StableDiffusionXLImg2ImgPipeline",
    "pipeline_repaint": "StableDiffusionXLInpaintPipeline",
}

# What a task needs beside the model for its picture prompts.
_CONTROL_PARTS: Mapping[str, Any] = MappingProxyType(
    {
        "pipeline": "StableDiffusionXLControlNetUnionPipeline",
        "pipeline_without_control": "StableDiffusionXLPipeline",
        "pipeline_from_picture_with_control": "StableDiffusionXLControlNetUnionImg2ImgPipeline",
        "pipeline_repaint_with_control": "StableDiffusionXLControlNetUnionInpaintPipeline",
    }
)
_CONTROLNET = {"class": "ControlNetUnionModel", "repo": "xinsir/controlnet-union-sdxl-1.0"}
_IMAGE_ENCODER = {
    "library": "transformers",
    "class": "CLIPVisionModelWithProjection",
    "repo": "h94/IP-Adapter",
    "subfolder": "models/image_encoder",
}
_ADAPTERS = "https://huggingface.co/h94/IP-Adapter/resolve/main/sdxl_models"
_GUIDE_ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "ImagePrompt": f"{_ADAPTERS}/ip-adapter-plus_sdxl_vit-h.safetensors",
        "FaceSwap": f"{_ADAPTERS}/ip-adapter-plus-face_sdxl_vit-h.safetensors",
    }
)

# Trained to repaint: its network sees the mask and what is kept.
_INPAINT: dict[str, Any] = {
    **_COMMON,
    **repainting(),
    "guide_kinds": None,
    "control_softness": False,
    "guide_custom_choices": {
        "choices": [["Repaint the masked part", "AV"], ["Repaint, starting from what is there", "AGV"]],
        "letters_filter": "AGUV",
    },
}

# One ControlNet for all kinds of control; `control_modes` has its number for each letter.
_CONTROL: dict[str, Any] = {
    **_COMMON,
    **_CONTROL_PARTS,
    "guide_preprocessing": {"selection": ["", "EV", "DV", "PV", "SV", "V"]},
    "control_modes": {"P": 0, "D": 1, "S": 2, "E": 3, "": 3},
    "control_net_weight_name": "ControlNet",
    "extra_parts": {"controlnet": _CONTROLNET},
}

# Trained to finish: it starts from a picture, reads one text encoder and is told how beautiful the result shall be.
_REFINER: dict[str, Any] = {
    **_COMMON,
    "pipeline": "StableDiffusionXLImg2ImgPipeline",
    "pipeline_repaint": None,
    "guide_custom_choices": {"choices": [["Start from a picture", "GV"]], "letters_filter": "GUV"},
    "inpaint_support": False,
    "guide_kinds": None,
    "control_softness": False,
    "performances": False,
    "refiner": False,
}

_REFERENCE: dict[str, Any] = {
    **_COMMON,
    **references(4, label="Pictures whose look or subject is taken over"),
    "alt_scale": True,
    "ip_adapter": True,
    "guide_kinds": None,
    "control_softness": False,
    "preload_URLs": [f"{_ADAPTERS}/ip-adapter_sdxl_vit-h.safetensors"],
    "extra_parts": {"image_encoder": _IMAGE_ENCODER},
}


def refiner_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """What is wrong with pictures; one to finish is needed."""
    yield from picture_problems(settings, model)
    if not is_given(settings.get("image_guide")) and not settings.get("mode"):
        yield "image_guide: it is missing. This model finishes a given picture."


def with_parts(model: ModelDef, settings: Mapping[str, Any]) -> ModelDef:
    """The definition with what the settings of a task ask for beside the usual: picture prompts, another VAE."""
    vae = str(settings.get("vae_file") or "")
    if vae and model.get("vae_choice"):
        name = vae if vae.endswith(".safetensors") else f"{vae}.safetensors"
        model = replace(model, model=MappingProxyType({**model.model, "VAE_URLs": [f"vae/{name}"]}))
    return with_guides(model, settings)


def with_guides(model: ModelDef, settings: Mapping[str, Any]) -> ModelDef:
    """The definition with the ControlNet and the adapters that the picture prompts of the settings need."""
    pictures = settings.get("guide_pictures")
    count = len(pictures) if isinstance(pictures, (list, tuple)) else int(pictures is not None)
    if not count or not model.get("guide_kinds") or guide_problems(settings):
        return model
    uses = guide_uses(settings, count)
    keys, parts = dict(model.model), dict(model.get("extra_parts") or {})
    if any(use.is_control for use in uses) and "controlnet" not in parts:
        keys |= _CONTROL_PARTS
        parts["controlnet"] = _CONTROLNET
    adapters = [kind for kind in _GUIDE_ADAPTERS if any(use.kind == kind for use in uses)]
    if adapters:
        parts["image_encoder"] = _IMAGE_ENCODER
        keys["preload_URLs"] = [_GUIDE_ADAPTERS[kind] for kind in adapters]
        keys["guide_adapters"] = adapters
    return replace(model, model=MappingProxyType({**keys, "extra_parts": parts}))


def sdxl_params(params: list[Param], model: ModelDef) -> list[Param]:
    """The guidance goes higher than elsewhere, as Fooocus' does."""
    return [param.with_changes(maximum=30) if param.name == "guidance_scale" else param for param in params]


_WITH_CONTROL = ("StableDiffusionXLControlNetUnionPipeline", "StableDiffusionXLControlNetPipeline")
_ADD_PARTS = "models.sdxl.pipeline:add_parts"


def _architecture(definition: Mapping[str, Any], *pipelines: str) -> Architecture:
    return Architecture(
        pipelines, definition, _DRIVER, picture_problems, sdxl_params, loaded=_ADD_PARTS, for_task=with_parts
    )


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "sdxl": _architecture(_COMMON, "StableDiffusionXLPipeline", _WITH_CONTROL[0]),
        "sdxl_inpaint": _architecture(_INPAINT, "StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline"),
        "sdxl_control": _architecture(_CONTROL, *_WITH_CONTROL),
        "sdxl_ip_adapter": _architecture(_REFERENCE, "StableDiffusionXLPipeline"),
        "sdxl_refiner": replace(
            _architecture(_REFINER, "StableDiffusionXLImg2ImgPipeline"), problems=refiner_problems
        ),
    }
)
