"""How two predictions, with the prompt and without it, become one."""

from __future__ import annotations

import math

import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale

# Projected guidance: how much of the earlier differences is taken back, how long the difference may be (root of the
# mean square: 55 for the 16 x 60 x 104 values of a latent frame, as WanGP has it), and how much of the part along the
# prediction, which only saturates, is kept.
APG_MOMENTUM = -0.75
APG_LONGEST = 55 / math.sqrt(16 * 60 * 104)
APG_PARALLEL = 0.0


def guided(cond: torch.Tensor, uncond: torch.Tensor, scale: float, *, from_cond: bool = False) -> torch.Tensor:
    """Classifier-free guidance, none at a scale of 1; `from_cond` is the same from the other side, as some pipelines
    round it."""
    return cond + (scale - 1) * (cond - uncond) if from_cond else uncond + scale * (cond - uncond)


def fitted(cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
    """The unprompted prediction, scaled to lie as close to the prompted one as it can (CFG-Zero*, arXiv 2503.18886)."""
    scale = cfg_zero_star_scale(cond.flatten(1), uncond.flatten(1))
    return uncond * scale.view(-1, *(1,) * (cond.ndim - 1))


def projected(cond: torch.Tensor, uncond: torch.Tensor, scale: float, momentum: MomentumBuffer) -> torch.Tensor:
    """Adaptive projected guidance (arXiv 2410.02416) with a scale that counts from the prompted side."""
    longest = APG_LONGEST * math.sqrt(cond[0].numel())
    return normalized_guidance(cond, uncond, scale, momentum, APG_PARALLEL, longest, use_original_formulation=True)


def renormed(guided_prediction: torch.Tensor, cond: torch.Tensor) -> torch.Tensor:
    """The guided prediction with each token as long as the prompted one, as Qwen-Image has it."""
    return guided_prediction * (
        torch.norm(cond, dim=-1, keepdim=True) / torch.norm(guided_prediction, dim=-1, keepdim=True)
    )


def new_momentum() -> MomentumBuffer:
    """The memory of projected guidance, for one run."""
    return MomentumBuffer(APG_MOMENTUM)
