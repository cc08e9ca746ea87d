"""Keeps the colours of one window in those of the window before. Loads no torch."""

from __future__ import annotations

import numpy as np

_SAMPLED_PIXELS = 200_000


def match_colors(
    frames: np.ndarray, reference: np.ndarray, strength: float, overlap: np.ndarray | None = None
) -> np.ndarray:
    """`frames` (F,H,W,3 uint8) with the mean and spread of each colour channel moved to those of `reference`.

    `reference` are the frames that the clip already has, `overlap` the same frames as the new window shows them
    (absent: all of `frames`). `strength` 0 changes nothing, 1 matches fully.
    """
    if strength <= 0 or len(reference) == 0:
        return frames
    seen = _pixels(frames if overlap is None or len(overlap) == 0 else overlap)
    wanted = _pixels(reference)
    mean, wanted_mean = seen.mean(axis=0), wanted.mean(axis=0)
    scale = np.clip((wanted.std(axis=0) + 1.0) / (seen.std(axis=0) + 1.0), 0.5, 2.0)
    levels = np.arange(256, dtype=np.float32)[:, None]
    matched = (levels - mean) * scale + wanted_mean
    table = np.clip(np.rint(levels + min(strength, 1.0) * (matched - levels)), 0, 255).astype(np.uint8)
    return np.stack([table[:, channel][frames[..., channel]] for channel in range(3)], axis=-1)


def _pixels(frames: np.ndarray) -> np.ndarray:
    pixels = frames.reshape(-1, 3)
    return pixels[:: max(1, len(pixels) // _SAMPLED_PIXELS)].astype(np.float32)
