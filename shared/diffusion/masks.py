"""The kept pixels of a repaint, put back."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

_FEATHER_OF_SIDE = 1 / 64


def put_back(frames: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`frames` inside the mask, `source` outside it, exact there; the edge fades inside the mask.

    All uint8: (F,H,W,3) twice, and (F,H,W), 255 = made anew.
    """
    inside = torch.from_numpy(np.ascontiguousarray(mask >= 128)).float()[:, None]
    radius = max(1, round(min(mask.shape[1:]) * _FEATHER_OF_SIDE))
    near = functional.avg_pool2d(inside, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
    weight = ((2 * near - 1).clamp(0, 1) * inside)[:, 0, :, :, None].numpy()
    mixed = np.rint(source + weight * (frames.astype(np.float32) - source.astype(np.float32)))
    return np.where(weight > 0, mixed, source).astype(np.uint8)
