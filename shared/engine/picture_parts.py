"""What work on a picture needs beside the model: larger pictures, masks of what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.annotators import ANNOTATORS
from shared.core.errors import DownloadError, SettingsError
from shared.diffusion.control import subject_of
from shared.engine.annotate import annotator_folder, annotator_on_disk
from shared.engine.generate_report import Reporter
from shared.engine.services import Services
from shared.media.regions import resized

Frame = NDArray[np.uint8]


class NothingFound(SettingsError):
    """There is nothing of the kind in the picture."""


class Enlarger:
    """Brings a picture (H,W,3) to a larger size (width, height): by Swin2SR where that is on disk, else by a filter."""

    def __init__(self, services: Services, report: Reporter) -> None:
        self._services, self._report = services, report

    def __call__(self, picture: Frame, size: tuple[int, int]) -> Frame:
        """The picture at that size. Raises DownloadError for a damaged model."""
        folder = annotator_on_disk("enlarging", self._services)
        if folder is None:
            wanted = ANNOTATORS["enlarging"]
            self._report.info(
                f"vary_upscale: the picture is enlarged by a filter (Lanczos). With {wanted.repo} in "
                f"ckpts/{wanted.folder} it is enlarged with detail."
            )
            return resized(picture, size)
        from shared.diffusion.enlarging import enlarged

        self._report.phase("Enlarging")
        return resized(enlarged(picture, folder, self._services.device), size)


class MaskFinder:
    """Finds in a picture what the `mask_...` settings name.

    What a text names is found by detection and outlined; clothes and people by their segmentation. Where that model
    cannot be had, or for the models that this program has not (u2net, isnet), the subject is told from the background
    by its colours, which is said.
    """

    def __init__(self, settings: Mapping[str, Any], services: Services, report: Reporter) -> None:
        self._settings, self._services, self._report = settings, services, report

    def __call__(self, picture: Frame) -> Frame:
        """The mask (H,W), 255 = what was looked for. Raises NothingFound, DownloadError."""
        name, words = str(self._settings.get("mask_model") or "sam"), str(self._settings.get("mask_prompt") or "")
        self._report.phase("Finding the mask")
        match name:
            case "sam" if words.strip():
                mask = self._named(picture, words)
            case "u2net_cloth_seg":
                mask = self._segmented(picture, str(self._settings.get("mask_cloth") or "full"), name)
            case "u2net_human_seg":
                mask = self._segmented(picture, "person", name)
            case _:
                self._report.info(f"mask_model: {name} finds the subject by its colours (GrabCut).")
                mask = subject_of(picture)
        if not mask.any():
            what = f'no "{words}"' if words and name == "sam" else "nothing that stands out"
            raise NothingFound(f"mask_model: {name} found {what} in this picture.")
        return mask

    def _named(self, picture: Frame, words: str) -> Frame:
        from shared.diffusion.finding import detect, outline

        own, device = self._settings, self._services.device
        thresholds = float(own.get("mask_box_threshold", 0.3)), float(own.get("mask_text_threshold", 0.25))
        found = detect(picture, words, self._folder("detection"), thresholds, device)
        most = int(own.get("mask_detections") or 0)
        boxes = [one.box for one in (found[:most] if most else found)]
        if not boxes:
            return np.zeros(picture.shape[:2], np.uint8)
        return outline(picture, boxes, self._folder(f"sam_{own.get('mask_sam') or 'vit_b'}"), device)

    def _segmented(self, picture: Frame, category: str, name: str) -> Frame:
        try:
            folder = self._folder("clothes")
        except DownloadError as error:
            self._report.info(f"mask_model: {name} finds the subject by its colours (GrabCut) instead. {error}")
            return subject_of(picture)
        from shared.diffusion.finding import clothes

        return clothes(picture, category, folder, self._services.device)

    def _folder(self, kind: str) -> Any:
        return annotator_folder(kind, self._services, self._report)
