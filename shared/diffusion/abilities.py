"""What truly works with which diffusers pipeline: step caches and guidance, as keys of a model's definition.

A table without torch, so that form and validation can read it. Each entry is held by tests that run a tiny network:
tests/diffusion/test_step_cache.py counts its calls, tests/diffusion/test_guidance.py compares with plain loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Branching:
    """How a pipeline with classifier-free guidance asks its network.

    Twice a step, first with the prompt; or once for both (`is_joint`), the unprompted half of the batch being the
    first (0) or the second (1). `from_cond`: its scale counts from the prompted side, cond + scale * (cond - uncond),
    so that 0 is none, where settings count from 1. `is_renormed`: the result is brought to the length of the prompted
    prediction.
    `others`: where the answer has tokens beside those of the result, of reference pictures or the text, that the
    pipeline cuts off: "behind" them or "before" them.
    `scales`: the attributes with the pipeline's own scales, one for each tensor of the answer, where the prompted
    prediction serves other guidance as well and so must stay as it is.
    `remembers`: what the network is asked at the first step counts at the later ones, so it cannot be spared.
    """

    is_joint: bool = False
    unprompted_half: int = 0
    from_cond: bool = False
    is_renormed: bool = False
    others: str = ""
    scales: tuple[str, ...] = ()
    remembers: bool = False


_TWICE = Branching()
_JOINT = Branching(is_joint=True)
_BEHIND = Branching(others="behind")
_QWEN = Branching(is_renormed=True)
_QWEN_EDIT = Branching(is_renormed=True, others="behind")
_Z_IMAGE = Branching(is_joint=True, unprompted_half=1, from_cond=True)

_WAN = ("WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline")
_WAN_RELATIVES = (
    "WanAnimatePipeline", "LucyEditPipeline", "SkyReelsV2DiffusionForcingPipeline",
    "SkyReelsV2ImageToVideoPipeline", "SkyReelsV2Pipeline", "ChronoEditPipeline",
)  # fmt: skip
_LTX2 = ("LTX2ConditionPipeline",)
_LTX = ("LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline")
_FLUX = ("FluxPipeline", "FluxKontextPipeline")
_FLUX_RELATIVES = ("FluxImg2ImgPipeline", "FluxInpaintPipeline", "FluxControlNetPipeline")
_FLUX_REFERENCES = ("FluxKontextPipeline", "FluxKontextInpaintPipeline")
_KLEIN = ("Flux2KleinPipeline", "Flux2KleinInpaintPipeline")
_QWEN_PICTURES = (
    "QwenImagePipeline", "QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline", "QwenImageControlNetPipeline",
    "QwenImageControlNetInpaintPipeline",
)  # fmt: skip
_QWEN_EDITS = ("QwenImageEditPipeline", "QwenImageEditPlusPipeline", "QwenImageEditInpaintPipeline")
_Z_IMAGES = (
    "ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline", "ZImageControlNetPipeline",
    "ZImageControlNetInpaintPipeline", "ZImageOmniPipeline",
)  # fmt: skip
_HUNYUAN = ("HunyuanVideoPipeline", "HunyuanVideoImageToVideoPipeline")
_HUNYUAN_1_5 = ("HunyuanVideo15Pipeline", "HunyuanVideo15ImageToVideoPipeline")
_KANDINSKY = ("Kandinsky5T2VPipeline", "Kandinsky5I2VPipeline", "Kandinsky5T2IPipeline", "Kandinsky5I2IPipeline")
_CHROMA = ("ChromaPipeline", "ChromaImg2ImgPipeline", "ChromaInpaintPipeline")
_SANA = ("SanaPipeline", "SanaVideoPipeline", "SanaImageToVideoPipeline")
_SDXL = (
    "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLControlNetPipeline", "StableDiffusionXLControlNetImg2ImgPipeline",
    "StableDiffusionXLControlNetInpaintPipeline", "StableDiffusionXLControlNetUnionPipeline",
    "StableDiffusionXLControlNetUnionImg2ImgPipeline", "StableDiffusionXLControlNetUnionInpaintPipeline",
)  # fmt: skip

_BRANCHING: Mapping[str, Branching] = MappingProxyType(
    {
        **dict.fromkeys((*_WAN, *_WAN_RELATIVES), _TWICE),
        **dict.fromkeys(_LTX, _JOINT),
        "LTX2ConditionPipeline": Branching(is_joint=True, scales=("guidance_scale", "audio_guidance_scale")),
        **dict.fromkeys(_QWEN_PICTURES, _QWEN),
        **dict.fromkeys(_QWEN_EDITS, _QWEN_EDIT),
        "QwenImageLayeredPipeline": _BEHIND,
        "QwenImage21Pipeline": Branching(others="before", remembers=True),
        **dict.fromkeys((*_FLUX, *_FLUX_RELATIVES), _TWICE),
        **dict.fromkeys((*_FLUX_REFERENCES, *_KLEIN), _BEHIND),
        **dict.fromkeys(_CHROMA, _TWICE),
        **dict.fromkeys((*_HUNYUAN, *_HUNYUAN_1_5, *_KANDINSKY), _TWICE),
        **dict.fromkeys(_Z_IMAGES, _Z_IMAGE),
        "HiDreamImagePipeline": _JOINT,
        "Krea2Pipeline": Branching(from_cond=True),
        "Ideogram4Pipeline": Branching(others="before"),
        **dict.fromkeys((*_SANA, *_SDXL), _JOINT),
    }
)

_FIRST_BLOCK = frozenset({*_WAN, *_LTX, *_FLUX, "QwenImagePipeline", "HunyuanVideoPipeline"})
# diffusers has a table for these; for others the definition's `magcache_ratios` is one.
_MAGNITUDES = frozenset(_FLUX)
_NOT_A_FLOW = frozenset(_SDXL)
# A UNet has no stack of blocks that could be left out; Qwen-Image 2.1 keeps what its blocks said at the first step.
_WITHOUT_LAYERS = frozenset({*_SDXL, "QwenImage21Pipeline"})
_LAYERS = frozenset(_BRANCHING) - _WITHOUT_LAYERS
# How the network attends to its text: across to it, or to picture and text at once in the way of one of these.
_ATTENTION: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((*_WAN, *_WAN_RELATIVES, *_LTX, *_SDXL), "cross"),
        **dict.fromkeys(("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline", *_FLUX_REFERENCES), "flux"),
        **dict.fromkeys(_QWEN_PICTURES[:3], "qwen"),
        **dict.fromkeys(_Z_IMAGES[:3], "z_image"),
    }
)


def branching_of(pipeline: str) -> Branching | None:
    """How that diffusers class asks its network; None: it has no guidance that can be steered."""
    return _BRANCHING.get(pipeline)


def attention_kind(pipeline: str) -> str:
    """How that diffusers class attends to its text, where that can be kept away from a negative prompt; "" if not."""
    return _ATTENTION.get(pipeline, "")


def with_abilities(pipelines: Sequence[str], definition: Mapping[str, Any]) -> dict[str, Any]:
    """`definition` with the keys of what truly works with these diffusers classes, where it says nothing itself.

    A `guidance_max_phases` of 0 says that the checkpoint knows no guidance, any other that it does: then it is as many
    phases as the class can have. Where a negative prompt works by attention alone, there is one without guidance too.
    """
    able = abilities(pipelines)
    if definition.get("magcache_ratios") and "first_block_cache" in able:
        able["mag_cache"] = True
    phases = definition.get("guidance_max_phases", able.get("guidance_max_phases", 1))
    if not phases:
        able = {name: value for name, value in able.items() if name not in _OF_GUIDANCE}
    known = {**able, **definition, "guidance_max_phases": max(phases, able.get("guidance_max_phases", 0))}
    if known.get("NAG"):
        known.pop("no_negative_prompt", None)
    return known


# Keys of a model's JSON that decide on others.
DECISIVE = ("magcache_ratios", "guidance_max_phases")
_OF_GUIDANCE = ("guidance_max_phases", "cfg_star", "adaptive_projected_guidance", "cfg_zero", "perturbation")


def abilities(pipelines: Sequence[str]) -> dict[str, Any]:
    """The definition keys of a model whose checkpoint may be any of these diffusers classes: what all of them can."""
    keys: dict[str, Any] = {"tea_cache": True, "spectrum_cache": True}
    if not pipelines:
        return keys
    if all(name in _FIRST_BLOCK for name in pipelines):
        keys["first_block_cache"] = True
    if all(name in _MAGNITUDES for name in pipelines):
        keys["mag_cache"] = True
    if all(name in _BRANCHING for name in pipelines):
        keys["guidance_max_phases"] = 3
        keys |= {"cfg_star": True, "adaptive_projected_guidance": True}
        if not any(name in _NOT_A_FLOW for name in pipelines):
            keys["cfg_zero"] = True
        if all(name in _LAYERS for name in pipelines):
            keys["perturbation"] = True
    if all(name in _ATTENTION for name in pipelines):
        keys["NAG"] = True
    return keys
