"""Clips in two passes: first the opening frame as a picture, then the clip with that frame given.

Rotary embeddings only tell tokens how far apart they are, so in one pass over pure noise no frame knows whether it is
early or late. A given first frame is the anchor: motions come out far more often as asked. The passes use the training
forward, which is equal to the model's own and several times faster on a CPU.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .autoencoder import load_autoencoder
from .evaluation import Generate, Sampling
from .export import build_scheduler
from .progress import load_checkpoint
from .scenes import CLIP_FRAMES
from .transformer import StarterModel

# Latents (n, 16, f, h, w) -> frames (n, f, 3, h, w) in -1..1.
Decode = Callable[[Tensor], Tensor]


def generate_with_checkpoint(folder: Path, sampling: Sampling, averaged: bool = True) -> Generate:
    """A sampler of the averaged (or latest) weights of the training run in `folder`."""
    state = load_checkpoint(folder / "transformer.pt")
    model = StarterModel(state["preset"])
    model.load_state_dict(state["average" if averaged else "model"])
    autoencoder, statistics = load_autoencoder(folder), load_checkpoint(folder / "latents.pt")
    mean, std = (statistics[key].view(1, -1, 1, 1) for key in ("mean", "std"))

    def decode(latents: Tensor) -> Tensor:
        frames = latents.transpose(1, 2).flatten(0, 1) * std + mean
        images = torch.cat([autoencoder.decode(part) for part in frames.split(CLIP_FRAMES)])
        return images.unflatten(0, (len(latents), -1))

    return _generator(model.eval(), decode, sampling)


def generate_with_model(folder: Path, sampling: Sampling) -> Generate:
    """A sampler of the exported diffusers model in `folder`."""
    from diffusers import WanPipeline

    pipeline = WanPipeline.from_pretrained(folder)
    model = StarterModel.of_parts(pipeline.tokenizer, pipeline.text_encoder, pipeline.transformer)
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1, 1)
        for values in (pipeline.vae.config.latents_mean, pipeline.vae.config.latents_std)
    )

    def decode(latents: Tensor) -> Tensor:
        return pipeline.vae.decode(latents * std + mean).sample.transpose(1, 2)

    return _generator(model.eval(), decode, sampling)


def _generator(model: StarterModel, decode: Decode, sampling: Sampling) -> Generate:
    cells = sampling.size_px // 16

    @torch.no_grad()
    def generate(prompts: list[str]) -> list[np.ndarray]:
        generator = torch.Generator().manual_seed(sampling.seed)
        noise = torch.randn(len(prompts), 16, CLIP_FRAMES, cells, cells, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            if sampling.passes == 2:
                first = denoise(model, prompts, noise[:, :, :1], None, sampling)
                latents = denoise(model, prompts, noise, first, sampling)
            else:
                latents = denoise(model, prompts, noise, None, sampling)
            images = decode(latents).float()
        pixels = ((images.clamp(-1, 1) + 1) * 127.5 + 0.5).to(torch.uint8)
        return list(pixels.permute(0, 1, 3, 4, 2).numpy())

    return generate


def denoise(model: StarterModel, prompts: list[str], noise: Tensor, given: Tensor | None, sampling: Sampling) -> Tensor:
    """Latents (n, 16, f, h, w) from noise of that shape; `given` (n, 16, k, h, w) are the first k frames, kept."""
    kept = 0 if given is None else given.shape[2]
    count, _, frames, height, width = noise.shape
    latents = noise.clone()
    scheduler = build_scheduler()
    scheduler.set_timesteps(sampling.steps)
    texts = prompts + [""] * count
    for timestep in scheduler.timesteps:
        if given is not None:
            latents[:, :, :kept] = given
        by_token = torch.full((2 * count, frames, height // 2 * (width // 2)), float(timestep))
        by_token[:, :kept] = 0
        both = model.velocity(latents.repeat(2, 1, 1, 1, 1), by_token.flatten(1), texts)
        asked, empty = both.chunk(2)
        velocity = empty + sampling.guidance * (asked - empty)
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
    if given is not None:
        latents[:, :, :kept] = given
    return latents
