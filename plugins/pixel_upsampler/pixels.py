"""Enlarging with hard edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


class PixelUpsampler:
    """A spatial upsampler (shared/core/processors.py)."""

    name, label, factors = "pixel", "Pixels", (2, 3, 4)

    def accepts(self, factor: float) -> bool:
        """Whole factors from 2 to 8."""
        return factor in range(2, 9)

    def upsample(self, frames: Iterable[Any], width: int, height: int) -> Iterator[Any]:
        """Each pixel as a square."""
        import cv2

        for frame in frames:
            yield np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST))


handler = PixelUpsampler()
