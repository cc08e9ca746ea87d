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
    so that 0 is no guidance. `is_renormed`: the result is brought to the length of the prompted prediction.
    """

    is_joint: bool = False
    unprompted_half: int = 0
    from_cond: bool = False
    is_renormed: bool = False


_TWICE = Branching()
_JOINT = Branching(is_joint=True)
_RENORMED = Branching(is_renormed=True)

_BRANCHING: Mapping[str, Branching] = MappingProxyType(
    {
        "WanPipeline": _TWICE,
        "WanImageToVideoPipeline": _TWICE,
        "WanVACEPipeline": _TWICE,
        "LTXPipeline": _JOINT,
        "LTXImageToVideoPipeline": _JOINT,
        "LTXConditionPipeline": _JOINT,
        "QwenImagePipeline": _RENORMED,
        "StableDiffusionXLPipeline": _JOINT,
        "StableDiffusionXLImg2ImgPipeline": _JOINT,
        "StableDiffusionXLInpaintPipeline": _JOINT,
    }
)

_FIRST_BLOCK = frozenset({
    "WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline", "LTXPipeline", "LTXImageToVideoPipeline",
    "LTXConditionPipeline", "QwenImagePipeline", "FluxPipeline", "HunyuanVideoPipeline",
})  # fmt: skip
_NOT_A_FLOW = frozenset({
    "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline",
})  # fmt: skip
# Cross attention of its own, and a text that goes through the network token by token.
_NAG = frozenset({"WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline"})
_LAYERS = frozenset({"WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline", "LTXPipeline",
                     "LTXImageToVideoPipeline", "LTXConditionPipeline", "QwenImagePipeline"})  # fmt: skip


def branching_of(pipeline: str) -> Branching | None:
    """How that diffusers class asks its network; None: it has no guidance that can be steered."""
    return _BRANCHING.get(pipeline)


def abilities(pipelines: Sequence[str]) -> dict[str, Any]:
    """The definition keys of a model whose checkpoint may be any of these diffusers classes: what all of them can."""
    keys: dict[str, Any] = {"tea_cache": True, "spectrum_cache": True}
    if not pipelines:
        return keys
    if all(name in _FIRST_BLOCK for name in pipelines):
        keys["first_block_cache"] = True
    if all(name in _BRANCHING for name in pipelines):
        keys |= {"guidance_max_phases": 3, "cfg_star": True, "adaptive_projected_guidance": True}
        if not any(name in _NOT_A_FLOW for name in pipelines):
            keys["cfg_zero"] = True
        if all(name in _LAYERS for name in pipelines):
            keys["perturbation"] = True
    if all(name in _NAG for name in pipelines):
        keys["NAG"] = True
    return keys
