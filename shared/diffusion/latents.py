"""Latents of any diffusers pipeline as (C,T,H,W), and pictures as such latents: what previews are made from."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import get_module_execution_device

from shared.core.contracts import WindowRequest


def unpacked(pipe: Any, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
    """Latents of one sample, (1, ...) as the scheduler of `pipe` sees them, as (C,T,h,w); None: not a picture."""
    vae = getattr(pipe, "vae", None)
    if vae is None:
        return None
    channels = latent_channels(vae)
    unpacked_latents = _unpack(pipe, latents, window) if latents.ndim == 3 else latents
    if unpacked_latents is None:
        return None
    sample = unpacked_latents[0]
    if sample.ndim == 3:
        sample = sample[:, None]
    if sample.ndim != 4:
        return None
    if sample.shape[0] != channels and sample.shape[1] == channels:
        sample = sample.transpose(0, 1)
    return sample if sample.shape[0] == channels else None


def encoded_picture(vae: Any, picture: np.ndarray) -> torch.Tensor:
    """uint8 (1,H,W,3) as normalised latents (1,C,1,h,w), float32: the mean of the posterior."""
    pixels = torch.from_numpy(np.array(picture)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    pixels = pixels.to(get_module_execution_device(vae), vae.dtype)
    output = vae.encode(pixels[:, :, None] if takes_clips(vae) else pixels)
    latents = _mean(output).float()
    latents = latents if latents.ndim == 5 else latents[:, :, None]
    return normalised(vae, latents)


def encoded_clip(vae: Any, frames: np.ndarray) -> torch.Tensor:
    """uint8 (F,H,W,3) as normalised latents (1,C,T,h,w), float32, of a VAE that takes clips."""
    pixels = torch.from_numpy(np.array(frames)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1.0
    pixels = pixels.to(get_module_execution_device(vae), vae.dtype)
    return normalised(vae, _mean(vae.encode(pixels)).float())


def normalised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents (1,C,T,h,w) of the VAE as the denoiser sees them."""
    config = vae.config
    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    own = dict(vae.named_buffers(recurse=False))
    if mean is None and "latents_mean" in own:
        mean, std = own["latents_mean"].float().cpu().tolist(), own["latents_std"].float().cpu().tolist()
    scale = float(getattr(config, "scaling_factor", None) or 1.0)
    if mean is not None and std is not None:
        centre, spread = (torch.tensor(value).view(1, -1, 1, 1, 1).to(latents) for value in (mean, std))
        return (latents - centre) / spread * (scale if hasattr(config, "scaling_factor") else 1.0)
    return (latents - float(getattr(config, "shift_factor", None) or 0.0)) * scale


def latent_channels(vae: Any) -> int:
    """Channels of the latents."""
    config = vae.config
    return int(getattr(config, "latent_channels", None) or getattr(config, "z_dim", None) or 0)


def takes_clips(vae: Any) -> bool:
    """Whether the VAE reads (B,C,T,H,W) rather than (B,C,H,W)."""
    if hasattr(vae.config, "temperal_downsample"):
        return True
    encoder = getattr(vae, "encoder", vae)
    weights = [weight for weight in encoder.parameters() if weight.ndim >= 4]
    return bool(weights) and weights[0].ndim == 5


def _mean(output: Any) -> torch.Tensor:
    if hasattr(output, "latent_dist"):
        return output.latent_dist.mode()
    return output.latent if hasattr(output, "latent") else output.latents


def _unpack(pipe: Any, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
    """Packed tokens (1,L,D) as latents, by the pipeline's own `_unpack_latents`."""
    unpack = getattr(pipe, "_unpack_latents", None)
    if unpack is None:
        return None
    names = list(inspect.signature(unpack).parameters)
    if "vae_scale_factor" in names and "num_frames" not in names:
        known = {"height": window.height, "width": window.width, "vae_scale_factor": pipe.vae_scale_factor}
        if "patch_size" in names:
            known["patch_size"] = pipe.transformer.config.patch_size
    elif "num_frames" in names:
        space, time = pipe.vae_spatial_compression_ratio, pipe.vae_temporal_compression_ratio
        known = {
            "num_frames": (window.num_frames - 1) // time + 1, "height": window.height // space,
            "width": window.width // space, "patch_size": pipe.transformer_spatial_patch_size,
            "patch_size_t": pipe.transformer_temporal_patch_size,
        }  # fmt: skip
    else:
        known = {"height": window.height, "width": window.width}
    return unpack(latents, **{name: value for name, value in known.items() if name in names})
