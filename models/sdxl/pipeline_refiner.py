"""A second SDXL network that makes the last steps: where it takes over, and how the picture is handed to it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from shared.core.contracts import LoadOptions, WindowRequest
from shared.diffusion.attention import choose_attention
from shared.diffusion.loading import load_pipeline
from shared.diffusion.offload import place

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

REFINERS = ("StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLPipeline")
_KEPT = "_refiner_pipe"


def add_refiner(pipe: Any, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> None:
    """Load the refiner that the definition's `refined_by` is, and keep it with `pipe`."""
    wanted = model.get("refined_by")
    if wanted is None:
        return
    refiner = load_pipeline(wanted, roots, options, REFINERS)
    choose_attention(refiner, options.attention, options.device)
    place(refiner, options)
    vars(pipe)[_KEPT] = refiner


def refiner_of(pipe: Any) -> Any:
    """The refiner kept with a pipeline; None where there is none."""
    return vars(pipe).get(_KEPT)


def can_hand_over(pipe: Any) -> bool:
    """Whether a pipeline can end on a picture that is still noisy."""
    return "denoising_end" in inspect.signature(type(pipe).__call__).parameters


def switch_level(scheduler: Any, window: WindowRequest, part: float) -> float | None:
    """The `denoising_end` at which `part` of the steps of a run are made; None where none would be left.

    `scheduler` is a fresh one for that run.
    """
    steps = window.num_inference_steps
    scheduler.set_timesteps(steps)
    times = scheduler.timesteps.tolist()
    if window.source is not None and window.denoising_strength < 1:
        times = times[len(times) - min(int(steps * window.denoising_strength), steps) * len(times) // steps :]
    first = round(len(times) * part)
    if first <= 0 or first >= len(times):
        return None
    last_of_first = times[first - 1]
    total = scheduler.config.num_train_timesteps
    # Between the two steps, as diffusers rounds it: a whole time that the first still reaches.
    cut = max(int(last_of_first), int(times[first]) + 1)
    return 1 - cut / total if 0 < cut < total else None


def as_picture(latents: torch.Tensor, pipe: Any) -> torch.Tensor:
    """Clean latents as pictures (B,3,H,W) in 0..1."""
    vae = pipe.vae
    scaled = latents.to(next(vae.parameters()).dtype) / vae.config.scaling_factor
    return (vae.decode(scaled, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
