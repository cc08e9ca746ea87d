"""A blur that stops at edges, for predictions of noise: what is taken out of a prediction to make a picture crisper."""

from __future__ import annotations

import torch
from torch.nn import functional

_SIDE = 13
_DEVIATION = 3.0


def edge_blurred(prediction: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """`prediction` (B,C,H,W) averaged over its neighbours, of which those count more that are near and that are alike
    in `picture` (same shape, of any scale)."""
    batch, channels, height, width = prediction.shape
    deviation, mean = torch.std_mean(picture, dim=(1, 2, 3), keepdim=True)
    guide = (picture - mean) / (deviation + 1e-5)
    side = min(_SIDE, 2 * min(height, width) - 1)
    reach = side // 2

    def neighbours(values: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(values, (reach,) * 4, mode="reflect" if reach < min(height, width) else "replicate")
        return functional.unfold(padded, side).reshape(batch, channels, side * side, height, width)

    away = torch.arange(side, dtype=torch.float32, device=prediction.device) - reach
    near = torch.exp(-0.5 * (away / _DEVIATION) ** 2)
    near = (near[:, None] * near[None]).reshape(1, 1, side * side, 1, 1)
    unlike = (neighbours(guide) - guide[:, :, None]).abs().sum(1, keepdim=True)
    weights = near * torch.exp(-0.5 * (unlike / _DEVIATION) ** 2)
    return ((neighbours(prediction) * weights).sum(2) / weights.sum(2)).to(prediction.dtype)
