"""The depth of each frame of a clip, by Depth Anything: near is bright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import DepthAnythingForDepthEstimation

from shared.core.errors import DownloadError

Frames = NDArray[np.uint8]

# What the network was trained on: its short side in pixels, and the mean and deviation of its pictures' colours.
_SIDE_PX = 518
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def depth_of(frames: Frames, folder: Path, device: str, on_frame: Callable[[int], None]) -> Frames:
    """Depth (F,H,W,3) of a clip, one scale for all its frames; `on_frame` hears the number of each before it is made.

    `folder` holds the model. Raises DownloadError where that is damaged.
    """
    try:
        model = DepthAnythingForDepthEstimation.from_pretrained(folder, local_files_only=True).eval().to(device)
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise DownloadError(
            f"The depth model in {folder} is damaged. Delete that folder to fetch it again. ({exc})"
        ) from exc
    depths = []
    for number, frame in enumerate(frames):
        on_frame(number)
        with torch.inference_mode():
            depths.append(_depth(model, frame, device))
    stacked = np.stack(depths)
    low, high = float(stacked.min()), float(stacked.max())
    grey = np.rint((stacked - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3)


def _depth(model: torch.nn.Module, frame: Frames, device: str) -> NDArray[np.float32]:
    height, width = frame.shape[:2]
    patch = int(model.config.patch_size)  # type: ignore[union-attr,arg-type]
    scale = _SIDE_PX / min(height, width)
    size = tuple(max(round(side * scale / patch), 1) * patch for side in (width, height))
    picture = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    picture = (picture - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
    pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(device)
    predicted = model(pixel_values=pixels).predicted_depth[0].float().cpu().numpy()
    return np.asarray(cv2.resize(predicted, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
