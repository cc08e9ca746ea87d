"""What work on a picture needs beside the model: larger pictures, masks of what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import SettingsError
from shared.diffusion.control import subject_of
from shared.engine.generate_report import Reporter
from shared.engine.services import Services
from shared.media.regions import resized

Frame = NDArray[np.uint8]


class NothingFound(SettingsError):
    """There is nothing of the kind in the picture."""


class Enlarger:
    """Brings a picture (H,W,3) to a larger size (width, height)."""

    def __init__(self, services: Services, report: Reporter) -> None:
        self._services, self._report = services, report

    def __call__(self, picture: Frame, size: tuple[int, int]) -> Frame:
        """The picture at that size, by the Lanczos filter."""
        return resized(picture, size)


class MaskFinder:
    """Finds in a picture what the `mask_...` settings name."""

    def __init__(self, settings: Mapping[str, Any], services: Services, report: Reporter) -> None:
        self._settings, self._services, self._report = settings, services, report

    def __call__(self, picture: Frame) -> Frame:
        """The mask (H,W), 255 = what was looked for. Raises NothingFound, DownloadError."""
        mask = subject_of(picture)
        if not mask.any():
            raise NothingFound("mask_model: nothing stands out from the background of this picture.")
        return mask
