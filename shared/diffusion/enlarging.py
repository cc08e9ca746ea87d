"""Enlarges a picture with detail that a network has learned, by Swin2SR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import Swin2SRForImageSuperResolution

from shared.core.errors import DownloadError

Picture = NDArray[np.uint8]

# A picture is enlarged in pieces of this side, with so much of what lies around them (px).
_PIECE, _AROUND = 256, 16


def enlarged(picture: Picture, folder: Path, device: str = "cpu") -> Picture:
    """A picture (H,W,3) larger by the factor of the network in `folder`. Raises DownloadError where that is damaged."""
    try:
        model = Swin2SRForImageSuperResolution.from_pretrained(folder, local_files_only=True).eval().to(device)
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise DownloadError(
            f"The model in {folder} is damaged. Delete that folder or fetch it again. ({exc})"
        ) from exc
    factor, (height, width) = int(model.config.upscale), picture.shape[:2]
    result = np.zeros((height * factor, width * factor, 3), np.uint8)
    for top in range(0, height, _PIECE):
        for left in range(0, width, _PIECE):
            bottom, right = min(top + _PIECE, height), min(left + _PIECE, width)
            y, x = max(top - _AROUND, 0), max(left - _AROUND, 0)
            seen = picture[y : bottom + _AROUND, x : right + _AROUND]
            made = _through(model, seen, device)
            part = made[(top - y) * factor : (bottom - y) * factor, (left - x) * factor : (right - x) * factor]
            result[top * factor : bottom * factor, left * factor : right * factor] = part
    return result


def _through(model: torch.nn.Module, picture: Picture, device: str) -> Picture:
    """One piece, enlarged; it is mirrored at its right and lower edge to what the network's windows need."""
    side, (height, width) = int(model.config.window_size), picture.shape[:2]  # type: ignore[union-attr,arg-type]
    padded = np.pad(picture, ((0, -height % side), (0, -width % side), (0, 0)), mode="symmetric")
    pixels = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))[None].float().to(device) / 255
    with torch.inference_mode():
        made = model(pixel_values=pixels).reconstruction[0]
    return np.rint(made.clamp(0, 1).float().cpu().numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
