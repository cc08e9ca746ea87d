"""Masks of a repaint: from pixels to tokens, and the kept pixels put back."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

_FEATHER_OF_SIDE = 1 / 64


def as_clip(mask: np.ndarray, num_frames: int) -> np.ndarray:
    """A mask (H,W) or (F,H,W) with one picture a frame; the last one stands for frames beyond it."""
    frames = mask[None] if mask.ndim == 2 else mask
    if len(frames) < num_frames:
        frames = np.concatenate([frames, np.repeat(frames[-1:], num_frames - len(frames), axis=0)])
    return frames[:num_frames]


def noisy_tokens(mask: np.ndarray, time_scale: int, token_side: int, patch: int) -> torch.Tensor:
    """uint8 (F,H,W), 255 = repaint, as (1,1,T,h,w): 1 in each token that holds a repainted pixel, else 0.

    `token_side` is a token's side in pixels, `patch` in latents; latent frame 0 is frame 0, each later one
    `time_scale` frames.
    """
    marked = torch.from_numpy(np.ascontiguousarray(mask >= 128)).float()[None, None]
    tokens = functional.max_pool3d(marked, (1, token_side, token_side))
    padded = torch.cat([tokens[:, :, :1].repeat(1, 1, time_scale - 1, 1, 1), tokens], dim=2)
    latent_frames = functional.max_pool3d(padded, (time_scale, 1, 1))
    return latent_frames.repeat_interleave(patch, dim=3).repeat_interleave(patch, dim=4)


def put_back(frames: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`frames` inside the mask, `source` outside it, exact there; the edge fades inside the mask. All uint8."""
    inside = torch.from_numpy(np.ascontiguousarray(mask >= 128)).float()[:, None]
    radius = max(1, round(min(mask.shape[1:]) * _FEATHER_OF_SIDE))
    near = functional.avg_pool2d(inside, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
    weight = ((2 * near - 1).clamp(0, 1) * inside)[:, 0, :, :, None].numpy()
    mixed = np.rint(source + weight * (frames.astype(np.float32) - source.astype(np.float32)))
    return np.where(weight > 0, mixed, source).astype(np.uint8)
