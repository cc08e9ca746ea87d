"""Frames to normalised latents and back, for `AutoencoderKLWan` with any scale in time and space."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import get_module_execution_device

from shared.diffusion.tiling import tile_by_need

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
        tile_by_need(self.vae, frames.shape[2], frames.shape[1], len(frames))
        latents = self.vae.encode(video).latent_dist.mode().float()
        mean, scale = self._statistics(latents)
        return (latents[:, :, :latent_frames] - mean) * scale

    def decode(self, latents: torch.Tensor) -> list[np.ndarray]:
        """Normalised latents (B,C,T,h,w) as one uint8 array (F,H,W,3) a sample."""
        latents = latents.to(self._device, self.vae.dtype)
        mean, scale = self._statistics(latents)
        latents = latents / scale + mean
        height, width = (side * self.space_scale for side in latents.shape[-2:])
        tile_by_need(self.vae, width, height, self.frames_of(latents.shape[2]))
        return [to_uint8(self.vae.decode(sample, return_dict=False)[0][0]) for sample in latents.split(1)]

    def _statistics(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = torch.tensor(self.vae.config.latents_mean).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
        std = torch.tensor(self.vae.config.latents_std).view(1, -1, 1, 1, 1)
        return mean, 1.0 / std.to(latents.device, latents.dtype)


def to_uint8(video: torch.Tensor) -> np.ndarray:
    """Floats (3,F,H,W) in -1..1 as uint8 (F,H,W,3), rounded as diffusers does, converted where the tensor lies."""
    pixels = (video.float() * 0.5 + 0.5).clamp_(0.0, 1.0).mul_(255.0).round_().to(torch.uint8)
    return pixels.permute(1, 2, 3, 0).contiguous().cpu().numpy()
