"""Finds things in a picture: boxes of what a text names, outlines of what is in a box, clothes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    SamModel,
    SegformerForSemanticSegmentation,
)

from shared.core.errors import DownloadError

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]

# The mean and deviation of the colours that these networks were trained with, and the sides of their pictures (px).
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DETECTION_SIDES = (800, 1333)
_CLOTHES_SIDE = 512

# The numbers of the classes of segformer_b2_clothes.
_CLOTHES = {"upper": (4, 7, 17), "lower": (5, 6, 8), "full": (4, 5, 6, 7, 8, 17)}


@dataclass(frozen=True)
class Found:
    """A thing in a picture: its box (left, top, right, bottom; px) and how sure it is."""

    box: Box
    score: float


def detect(
    picture: Picture, text: str, folder: Path, thresholds: tuple[float, float] = (0.3, 0.25), device: str = "cpu"
) -> list[Found]:
    """What the text names in a picture (H,W,3), the surest first, by Grounding DINO in `folder`.

    `thresholds`: how sure a box must be, and how well a word must fit it. Raises DownloadError for a damaged model.
    """
    tokenizer = _loaded(AutoTokenizer, folder)
    model = _loaded(GroundingDinoForObjectDetection, folder).eval().to(device)
    height, width = picture.shape[:2]
    scale = min(_DETECTION_SIDES[0] / min(height, width), _DETECTION_SIDES[1] / max(height, width))
    pixels = _pixels(picture, (max(round(width * scale), 1), max(round(height * scale), 1))).to(device)
    words = tokenizer(text.strip().lower().rstrip(".") + ".", return_tensors="pt").to(device)
    with torch.inference_mode():
        answer = model(
            pixel_values=pixels,
            pixel_mask=torch.ones(1, *pixels.shape[2:], dtype=torch.long, device=device),
            input_ids=words.input_ids,
            attention_mask=words.attention_mask,
        )
    fits = answer.logits[0].sigmoid()
    sure = fits.max(dim=1).values
    is_found = (sure > thresholds[0]) & ((fits > thresholds[1]).any(dim=1))
    found = [
        Found(_corners(box, width, height), float(score))
        for box, score in zip(answer.pred_boxes[0][is_found].tolist(), sure[is_found].tolist(), strict=True)
    ]
    return sorted(found, key=lambda one: -one.score)


def outline(picture: Picture, boxes: Sequence[Box], folder: Path, device: str = "cpu") -> Picture:
    """The mask (H,W), 255 = inside, of what is in the boxes of a picture (H,W,3), by Segment Anything in `folder`.

    Raises DownloadError for a damaged model.
    """
    model = _loaded(SamModel, folder).eval().to(device)
    height, width = picture.shape[:2]
    side = int(model.config.vision_config.image_size)
    scale = side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    pixels = functional.pad(_pixels(picture, size), (0, side - size[0], 0, side - size[1])).to(device)
    prompts = torch.tensor([[[edge * scale for edge in box] for box in boxes]], dtype=torch.float32, device=device)
    with torch.inference_mode():
        drawn = model(pixel_values=pixels, input_boxes=prompts, multimask_output=False).pred_masks[0, :, 0]
    whole = functional.interpolate(drawn[:, None], (side, side), mode="bilinear", align_corners=False)
    fitted = functional.interpolate(
        whole[:, :, : size[1], : size[0]], (height, width), mode="bilinear", align_corners=False
    )
    return ((fitted[:, 0] > 0).any(dim=0).cpu().numpy() * 255).astype(np.uint8)


def clothes(picture: Picture, category: str, folder: Path, device: str = "cpu") -> Picture:
    """The mask (H,W) of the clothes ("full", "upper", "lower"), or of the "person", by a Segformer in `folder`."""
    model = _loaded(SegformerForSemanticSegmentation, folder).eval().to(device)
    with torch.inference_mode():
        answer = model(pixel_values=_pixels(picture, (_CLOTHES_SIDE, _CLOTHES_SIDE)).to(device)).logits
    fitted = functional.interpolate(answer.float(), picture.shape[:2], mode="bilinear", align_corners=False)
    classes = fitted.argmax(dim=1)[0].cpu().numpy()
    marked = classes > 0 if category == "person" else np.isin(classes, _CLOTHES[category])
    return (marked * 255).astype(np.uint8)


def _pixels(picture: Picture, size: tuple[int, int]) -> torch.Tensor:
    """The picture at a size (width, height) as the networks take it: (1,3,H,W)."""
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    normal = (scaled - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))[None]


def _corners(box: Sequence[float], width: int, height: int) -> Box:
    """The corners of a box that is given by its centre and size in parts of the picture."""
    x, y, w, h = box
    left, right = (x - w / 2) * width, (x + w / 2) * width
    top, bottom = (y - h / 2) * height, (y + h / 2) * height
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))


def _loaded(kind: Any, folder: Path) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise DownloadError(
            f"The model in {folder} is damaged. Delete that folder to fetch it again. ({exc})"
        ) from exc
