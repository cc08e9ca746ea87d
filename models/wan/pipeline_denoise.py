"""The denoise loop for what diffusers' Wan pipelines do not offer: known tokens, and a start from a noised clip.

Without either it does what `WanPipeline` does, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class KnownTokens:
    """Latents that are given rather than made.

    `latents` (1,C,T,h,w) hold them, `noisy` (1,1,T,h,w) is 0 where they are given and 1 where the clip is made; its
    border lies on whole tokens. With `noise_level` (0..1) the transformer sees them with that much of `noise` (but
    never more than the clip itself carries), and is told so.
    """

    latents: torch.Tensor
    noisy: torch.Tensor
    noise_level: float = 0.0
    noise: torch.Tensor | None = None

    def put_into(self, latents: torch.Tensor, sigma: float = 0.0) -> torch.Tensor:
        """`latents`, which carry `sigma` of noise, with the given ones in their place."""
        given = self.latents
        if self.noise is not None and sigma > 0:
            level = min(sigma, self.noise_level)
            given = (1 - level) * given + level * self.noise
        return (1 - self.noisy) * given + self.noisy * latents

    def timesteps(self, t: torch.Tensor, patch_size: tuple[int, ...], train_timesteps: int) -> torch.Tensor:
        """The timestep of each token (1, T*h*w / patch): `t` where the clip is made, its own where it is given."""
        noisy = self.noisy[0, 0, :: patch_size[0], :: patch_size[1], :: patch_size[2]]
        given = torch.minimum(t.float(), torch.tensor(self.noise_level * train_timesteps, device=t.device))
        return (noisy * t + (1 - noisy) * given).flatten()[None]


@dataclass(frozen=True)
class DenoisePlan:
    """One run of the loop.

    `latents` (B,C,T,h,w): noise, or a clip noised to the level of step `first_step`. Embeds are (B,L,D), the negative
    ones None without guidance. `boundary` is the timestep below which the second expert takes over.
    """

    latents: torch.Tensor
    prompt_embeds: torch.Tensor
    negative_prompt_embeds: torch.Tensor | None
    guidance_scale: float
    guidance_scale_2: float
    boundary: float | None = None
    known: KnownTokens | None = None
    first_step: int = 0


OnStepEnd = Callable[[int, torch.Tensor, torch.Tensor], None]


def denoise(pipe: Any, plan: DenoisePlan, on_step_end: OnStepEnd) -> torch.Tensor:
    """Run the steps of `pipe.scheduler` (its timesteps are set) from `plan.first_step` on.

    `on_step_end(index, before, after)` hears the index in the whole schedule and the latents around the step.
    """
    scheduler, latents = pipe.scheduler, plan.latents
    scheduler.set_begin_index(plan.first_step)
    for index, t in enumerate(scheduler.timesteps[plan.first_step :], start=plan.first_step):
        is_second = plan.boundary is not None and t < plan.boundary
        model = pipe.transformer_2 if is_second else pipe.transformer
        scale = plan.guidance_scale_2 if is_second else plan.guidance_scale
        velocity = _predict(pipe, model, plan, latents, t, index, scale)
        before, latents = latents, scheduler.step(velocity, t, latents, return_dict=False)[0]
        on_step_end(index, before, latents)
    return plan.known.put_into(latents) if plan.known is not None else latents


def _predict(
    pipe: Any, model: Any, plan: DenoisePlan, latents: torch.Tensor, t: torch.Tensor, index: int, scale: float
) -> torch.Tensor:
    scheduler = pipe.scheduler
    sigma = float(scheduler.sigmas[index])
    inputs = (plan.known.put_into(latents, sigma) if plan.known is not None else latents).to(model.dtype)
    timestep = _model_timestep(pipe, model, plan, latents, t)
    place = {"step_index": index, "sigma": sigma, "num_inference_steps": len(scheduler.timesteps)}

    def run(name: str, embeds: torch.Tensor) -> torch.Tensor:
        with model.cache_context(name, **place):
            return model(
                hidden_states=inputs, timestep=timestep, encoder_hidden_states=embeds.to(model.dtype), return_dict=False
            )[0]

    velocity = run("cond", plan.prompt_embeds)
    if plan.negative_prompt_embeds is None:
        return velocity
    unconditional = run("uncond", plan.negative_prompt_embeds)
    return unconditional + scale * (velocity - unconditional)


def _model_timestep(pipe: Any, model: Any, plan: DenoisePlan, latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    if plan.known is None and not pipe.config.expand_timesteps:
        return t.expand(latents.shape[0])
    known = plan.known or KnownTokens(latents, torch.ones_like(latents[:1, :1]))
    tokens = known.timesteps(t, model.config.patch_size, pipe.scheduler.config.num_train_timesteps)
    return tokens.expand(latents.shape[0], -1)
