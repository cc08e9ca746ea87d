"""Frames to normalised latents and back, for `AutoencoderKLWan` with any scale in time and space."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import get_module_execution_device

# Bytes that decoding takes per pixel of one frame at base_dim 96 in float32 without patches (measured on meta tensors:
# 7.6 GiB at 832x480), with a margin.
_DECODE_BYTES_PER_PIXEL = 26_000
_FRAMES_PER_CHUNK = 4


class VideoCodec:
    """Encodes uint8 frames and decodes latents with the VAE of a pipeline."""

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        self.time_scale: int = vae.config.scale_factor_temporal
        self.space_scale: int = vae.config.scale_factor_spatial

    @property
    def _device(self) -> torch.device:
        """Where the VAE runs; its weights may lie elsewhere in between."""
        return get_module_execution_device(self.vae)

    def latent_frames(self, num_frames: int) -> int:
        """Latent frames of a clip."""
        return (num_frames - 1) // self.time_scale + 1

    def frames_of(self, latent_frames: int) -> int:
        """Frames that fill so many latent frames."""
        return (latent_frames - 1) * self.time_scale + 1

    def whole_frames(self, num_frames: int) -> int:
        """The longest clip of at most `num_frames` frames that fills its latent frames."""
        return self.frames_of(self.latent_frames(num_frames))

    def encode(self, frames: np.ndarray) -> torch.Tensor:
        """uint8 (F,H,W,3) as normalised latents (1,C,T,h,w), float32: the mean of the posterior.

        F must fill its latent frames (see `whole_frames`).
        """
        latent_frames = self.latent_frames(len(frames))
        # AutoencoderKLWan reads one frame, then chunks of four whatever its scale, and drops an unfilled chunk.
        missing = -(len(frames) - 1) % _FRAMES_PER_CHUNK
        frames = np.concatenate([frames, np.repeat(frames[-1:], missing, axis=0)]) if missing else frames
        video = torch.from_numpy(np.array(frames)).permute(3, 0, 1, 2)[None]
        video = (2.0 * (video.float() / 255.0) - 1.0).to(self._device, self.vae.dtype)
        self._set_tiling(frames.shape[1] * frames.shape[2])
        latents = self.vae.encode(video).latent_dist.mode().float()
        mean, scale = self._statistics(latents)
        return (latents[:, :, :latent_frames] - mean) * scale

    def decode(self, latents: torch.Tensor) -> list[np.ndarray]:
        """Normalised latents (B,C,T,h,w) as one uint8 array (F,H,W,3) a sample."""
        latents = latents.to(self._device, self.vae.dtype)
        mean, scale = self._statistics(latents)
        latents = latents / scale + mean
        self._set_tiling(latents.shape[-1] * latents.shape[-2] * self.space_scale**2)
        return [to_uint8(self.vae.decode(sample, return_dict=False)[0][0]) for sample in latents.split(1)]

    def _statistics(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = torch.tensor(self.vae.config.latents_mean).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
        std = torch.tensor(self.vae.config.latents_std).view(1, -1, 1, 1, 1)
        return mean, 1.0 / std.to(latents.device, latents.dtype)

    def _set_tiling(self, pixels: int) -> None:
        config = self.vae.config
        width = (config.decoder_base_dim or config.base_dim) / 96 / (config.patch_size or 1) ** 2
        needed = pixels * _DECODE_BYTES_PER_PIXEL * width * self.vae.dtype.itemsize / 4
        self.vae.use_tiling = needed > 0.7 * _free_bytes(self._device)


def to_uint8(video: torch.Tensor) -> np.ndarray:
    """Floats (3,F,H,W) in -1..1 as uint8 (F,H,W,3), rounded as diffusers does, converted where the tensor lies."""
    pixels = (video.float() * 0.5 + 0.5).clamp_(0.0, 1.0).mul_(255.0).round_().to(torch.uint8)
    return pixels.permute(1, 2, 3, 0).contiguous().cpu().numpy()


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 8 * 2**30
