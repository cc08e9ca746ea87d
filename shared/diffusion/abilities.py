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
    `has_references`: the network also answers for reference pictures, which are cut off afterwards.
    """

    is_joint: bool = False
    unprompted_half: int = 0
    from_cond: bool = False
    is_renormed: bool = False
    has_references: bool = False


_TWICE = Branching()
_JOINT = Branching(is_joint=True)

_BRANCHING: Mapping[str, Branching] = MappingProxyType(
    {
        "WanPipeline": _TWICE,
        "WanImageToVideoPipeline": _TWICE,
        "WanVACEPipeline": _TWICE,
        "LTXPipeline": _JOINT,
        "LTXImageToVideoPipeline": _JOINT,
        "LTXConditionPipeline": _JOINT,
        "QwenImagePipeline": Branching(is_renormed=True),
        "FluxPipeline": _TWICE,
        "FluxKontextPipeline": Branching(has_references=True),
        "Kandinsky5T2VPipeline": _TWICE,
        "Flux2KleinPipeline": Branching(has_references=True),
        "ZImagePipeline": Branching(is_joint=True, unprompted_half=1, from_cond=True),
        "HiDreamImagePipeline": _JOINT,
        "Krea2Pipeline": Branching(from_cond=True),
        "StableDiffusionXLPipeline": _JOINT,
        "StableDiffusionXLImg2ImgPipeline": _JOINT,
        "StableDiffusionXLInpaintPipeline": _JOINT,
    }
)

_WAN = ("WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline")
_LTX = ("LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline")
_FLUX = ("FluxPipeline", "FluxKontextPipeline")
_FIRST_BLOCK = frozenset({*_WAN, *_LTX, *_FLUX, "QwenImagePipeline", "HunyuanVideoPipeline"})
# diffusers has a table for these; for others the definition's `magcache_ratios` is one.
_MAGNITUDES = frozenset(_FLUX)
_NOT_A_FLOW = frozenset(name for name in _BRANCHING if name.startswith("StableDiffusion"))
_LAYERS = frozenset({*_WAN, *_LTX, "QwenImagePipeline"})
# Cross attention of its own, and a text that goes through the network token by token.
_NAG = frozenset(_WAN)


def branching_of(pipeline: str) -> Branching | None:
    """How that diffusers class asks its network; None: it has no guidance that can be steered."""
    return _BRANCHING.get(pipeline)


def with_abilities(pipelines: Sequence[str], definition: Mapping[str, Any]) -> dict[str, Any]:
    """`definition` with the keys of what truly works with these diffusers classes, where it says nothing itself.

    A `guidance_max_phases` of 0 says that the checkpoint knows no guidance, any other that it does: then it is as many
    phases as the class can have.
    """
    able = abilities(pipelines)
    if definition.get("magcache_ratios") and "first_block_cache" in able:
        able["mag_cache"] = True
    phases = definition.get("guidance_max_phases", able.get("guidance_max_phases", 1))
    if not phases:
        able = {name: value for name, value in able.items() if name not in _OF_GUIDANCE}
    return {**able, **definition, "guidance_max_phases": max(phases, able.get("guidance_max_phases", 0))}


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
    branchings = [_BRANCHING.get(name) for name in pipelines]
    known = [branching for branching in branchings if branching is not None]
    if len(known) == len(branchings):
        keys["guidance_max_phases"] = 3
        if not any(branching.has_references for branching in known):
            keys |= {"cfg_star": True, "adaptive_projected_guidance": True}
        if not any(name in _NOT_A_FLOW for name in pipelines):
            keys["cfg_zero"] = True
        if all(name in _LAYERS for name in pipelines):
            keys["perturbation"] = True
    if all(name in _NAG for name in pipelines):
        keys["NAG"] = True
    return keys
