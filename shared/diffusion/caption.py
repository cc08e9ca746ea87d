"""Says in a sentence what a picture shows, by BLIP."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoTokenizer, BlipForConditionalGeneration

from shared.core.errors import DownloadError

# The mean and deviation of the colours of the pictures that the network was trained with.
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_LONGEST, _BEAMS = 60, 3


def caption_of(picture: NDArray[np.uint8], folder: Path, device: str = "cpu") -> str:
    """What a picture (H,W,3) shows. `folder` holds the model. Raises DownloadError where that is damaged."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True).eval().to(device)
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise DownloadError(
            f"The caption model in {folder} is damaged. Delete that folder to fetch it again. ({exc})"
        ) from exc
    side = int(model.config.vision_config.image_size)
    scaled = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    normal = (scaled - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
    pixels = torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))[None].to(device)
    with torch.inference_mode():
        made = model.generate(pixel_values=pixels, max_new_tokens=_LONGEST, num_beams=_BEAMS)
    return str(tokenizer.decode(made[0], skip_special_tokens=True)).strip()
