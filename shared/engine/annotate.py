"""Control clips that need a model of their own: fetched when first asked for, run, and let go."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.annotators import ANNOTATORS
from shared.engine.downloads import DownloadProgress
from shared.engine.generate_report import Reporter
from shared.engine.services import Services

Frames = NDArray[np.uint8]


class ControlMaker:
    """Makes the control clips of one task; what was made of a clip once is not made again."""

    def __init__(self, services: Services, report: Reporter) -> None:
        self._services, self._report = services, report
        self._made: dict[tuple[str, tuple[int, ...], bytes], Frames] = {}

    def __call__(self, frames: Frames, kind: str) -> Frames:
        """The clip (F,H,W,3) as a control of that kind. Raises DownloadError, Cancelled."""
        if kind not in ANNOTATORS:
            from shared.diffusion.control import preprocess  # OpenCV, which the page's process does without

            return preprocess(frames, kind)
        key = (kind, frames.shape, hashlib.sha256(np.ascontiguousarray(frames)).digest())
        if key not in self._made:
            self._made[key] = self._annotated(frames, kind)
        return self._made[key]

    def _annotated(self, frames: Frames, kind: str) -> Frames:
        from shared.diffusion.depth import depth_of

        def on_frame(number: int) -> None:
            self._report.phase("Encoding depth", number, len(frames))

        return depth_of(frames, annotator_folder(kind, self._services, self._report), self._services.device, on_frame)


def annotator_on_disk(kind: str, services: Services) -> Path | None:
    """The folder of the model of `ANNOTATORS[kind]`; None where it is not here, and it is not fetched."""
    finder = services.registry.finder()
    places = [finder.locate(file) for file in ANNOTATORS[kind].files]
    return None if None in places else places[0].parent  # type: ignore[union-attr]


def annotator_folder(kind: str, services: Services, report: Reporter) -> Path:
    """The folder of the model of `ANNOTATORS[kind]`, fetched where it is missing. Raises DownloadError, Cancelled."""
    wanted = ANNOTATORS[kind]

    def tell(progress: DownloadProgress) -> None:
        report.downloading(f"Downloading {wanted.name}", progress.text, progress.done, progress.total)

    services.store.fetch_files(wanted.name, wanted.files, tell, report.is_cancelled)
    places = [services.registry.finder().locate(file) for file in wanted.files]
    found = next(place for place in places if place is not None)
    return found.parent
