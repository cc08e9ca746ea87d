"""What a window fixes (frames, picture, unmasked part) as known tokens."""

from __future__ import annotations

import numpy as np
import torch

from models.wan.pipeline_denoise import KnownTokens
from models.wan.pipeline_masks import as_clip, noisy_tokens
from models.wan.pipeline_vae import VideoCodec
from shared.core.contracts import WindowRequest
from shared.core.errors import SettingsError

_TRAIN_TIMESTEPS = 1000


def fixes_something(window: WindowRequest) -> bool:
    """Whether a part of the clip is given."""
    given = (window.prefix, window.image_start, window.image_end, window.mask)
    return any(media is not None for media in given)


def known_tokens(
    window: WindowRequest, codec: VideoCodec, patch_size: tuple[int, ...], noise: torch.Tensor
) -> KnownTokens:
    """The given parts encoded, `noise` (1,C,T,h,w) being the window's. Raises SettingsError when they contradict."""
    latents, noisy = torch.zeros_like(noise), torch.ones_like(noise[:, :1])
    if window.mask is not None:
        latents, noisy = _unmasked(window, codec, patch_size, codec.frames_of(noise.shape[2]))
        latents, noisy = latents.to(noise), noisy.to(noise)
    first = window.prefix if window.prefix is not None else _one(window.image_start)
    first_latents = 0
    if first is not None:
        head = codec.encode(first[: codec.whole_frames(len(first))])
        first_latents = head.shape[2]
        if first_latents >= noise.shape[2] and noise.shape[2] > 1:
            raise SettingsError(
                f"video_length: {window.num_frames} frames leave nothing to make after {len(first)} given frames. "
                "Ask for a longer clip or a shorter overlap."
            )
        latents[:, :, :first_latents] = head.to(noise)
        noisy[:, :, :first_latents] = 0
    if window.image_end is not None:
        if noise.shape[2] - first_latents < 2:
            raise SettingsError(f"image_end: {window.num_frames} frames are too short for an end image.")
        latents[:, :, -1:] = _last_latent(window.image_end, codec).to(noise)
        noisy[:, :, -1:] = 0
    level = min(max(window.overlap_noise / _TRAIN_TIMESTEPS, 0.0), 1.0) if window.prefix is not None else 0.0
    return KnownTokens(latents, noisy, level, noise if level else None)


def _unmasked(
    window: WindowRequest, codec: VideoCodec, patch_size: tuple[int, ...], num_frames: int
) -> tuple[torch.Tensor, torch.Tensor]:
    if window.source is None:
        raise SettingsError("image_mask: a mask needs a picture or clip to repaint (image_guide or video_guide).")
    mask = as_clip(window.mask, num_frames)
    noisy = noisy_tokens(mask, codec.time_scale, codec.space_scale * patch_size[1], patch_size[1])
    if not bool(noisy.any()):
        raise SettingsError("image_mask: nothing is marked. Paint over what is to be made anew.")
    return codec.encode(source_clip(window, num_frames)), noisy


def source_clip(window: WindowRequest, num_frames: int) -> np.ndarray:
    """The first `num_frames` frames of the source; its last frame stands for frames beyond it."""
    source = window.source if window.source.ndim == 4 else window.source[None]
    missing = num_frames - len(source)
    if missing > 0:
        source = np.concatenate([source, np.repeat(source[-1:], missing, axis=0)])
    return source[:num_frames]


def _one(image: np.ndarray | None) -> np.ndarray | None:
    return None if image is None else image[None]


def _last_latent(image: np.ndarray, codec: VideoCodec) -> torch.Tensor:
    still = np.repeat(image[None], 1 + codec.time_scale if codec.time_scale > 1 else 1, axis=0)
    return codec.encode(still)[:, :, -1:]
