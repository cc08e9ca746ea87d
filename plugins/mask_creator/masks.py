"""What the tab works on: a clip or picture, its clicks, its masks, and the files made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugins.mask_creator.segment import segment
from shared.media.images import load_image, save_image
from shared.media.names import numbered
from shared.media.object_masks import Click, cut_out, track
from shared.media.sniff import is_video_file
from shared.media.video import frame_at, iter_frames, probe, read_frames, write_video

MOST_BYTES = 2 * 2**30
# At least as large as the place where it is shown: the page tells clicks rightly for pictures that it shrinks.
SHOWN_SIDE_PX = 1024
TINT = np.array([40, 200, 160], np.float32)


@dataclass(frozen=True)
class Work:
    """One user's source with the clicks in one of its frames."""

    path: str
    is_clip: bool
    num_frames: int
    fps: float
    frame: int = 0
    clicks: tuple[Click, ...] = field(default=())

    @classmethod
    def of(cls, path: str) -> Work:
        """Work on a file. Raises MediaError for what is neither clip nor picture."""
        if not is_video_file(path):
            load_image(path)
            return cls(path, False, 1, 0.0)
        info = probe(path)
        return cls(path, True, info.num_frames, info.fps)

    def picture(self) -> NDArray[np.uint8]:
        """The frame that is shown, (height, width, 3)."""
        return frame_at(self.path, self.frame) if self.is_clip else np.asarray(load_image(self.path))

    def at(self, frame: int) -> Work:
        """The same source at another frame, without clicks."""
        return replace(self, frame=max(0, min(frame, self.num_frames - 1)), clicks=())

    def clicked(self, x: float, y: float, is_object: bool) -> Work:
        """One click more."""
        return replace(self, clicks=(*self.clicks, Click(x, y, is_object)))

    def undone(self) -> Work:
        """One click less."""
        return replace(self, clicks=self.clicks[:-1])

    def mask(self) -> NDArray[np.uint8] | None:
        """The mask of the shown frame; None before a click on the object."""
        return cut_out(self.picture(), self.clicks) if any(click.is_object for click in self.clicks) else None

    def masks(self, checkpoint: Path | None, on_frame: Callable[[int, int], None]) -> NDArray[np.uint8]:
        """The masks of all frames, (frames, height, width), by SAM 2 where a checkpoint is given.

        Raises ValueError without a click on the object, MediaError for a clip too long to hold, SegmentationFailed
        when SAM 2 cannot be run.
        """
        if not any(click.is_object for click in self.clicks):
            raise ValueError("Click on the object first.")
        frames = read_frames(self.path, max_bytes=MOST_BYTES)[0] if self.is_clip else self.picture()[None]
        if checkpoint is not None:
            return segment(checkpoint, frames, self.clicks, self.frame, on_frame)
        return track(frames, cut_out(frames[self.frame], self.clicks), self.frame, on_frame)


def overlaid(picture: NDArray[np.uint8], mask: NDArray[np.uint8] | None, clicks: Sequence[Click]) -> NDArray[np.uint8]:
    """The picture with the mask tinted and the clicks as dots: light on the object, dark beside it."""
    shown = picture.astype(np.float32)
    if mask is not None:
        shown[mask > 127] = shown[mask > 127] * 0.45 + TINT * 0.55
    radius = max(2, round(max(picture.shape[:2]) / 100))
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    for click in clicks:
        distance = (rows - click.y) ** 2 + (columns - click.x) ** 2
        shown[distance <= (radius + 1.5) ** 2] = 0 if click.is_object else 255
        shown[distance <= radius**2] = 255 if click.is_object else (200, 40, 40)
    return np.round(shown).astype(np.uint8)


def enlarged(view: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """A view for the page and how many times as large it is: small pictures are hard to click into."""
    factor = max(1, -(-SHOWN_SIDE_PX // max(view.shape[:2])))
    return view.repeat(factor, axis=0).repeat(factor, axis=1), factor


def save_masks(work: Work, masks: NDArray[np.uint8], folder: Path) -> tuple[Path, Path]:
    """Write the mask (white on black) and a view of it over the source; a clip each, or a picture each."""
    stem = f"{Path(work.path).stem[:60]}_mask"
    frames = iter_frames(work.path) if work.is_clip else iter([work.picture()])
    white = (np.repeat(mask[..., None], 3, axis=2) for mask in masks)
    views = (overlaid(frame, mask, ()) for frame, mask in zip(frames, masks, strict=True))
    extension = ".mp4" if work.is_clip else ".png"
    paths = _free(folder / f"{stem}{extension}"), _free(folder / f"{stem}_view{extension}")
    for path, pictures in zip(paths, (white, views), strict=True):
        if work.is_clip:
            write_video(pictures, path, work.fps)
        else:
            save_image(next(pictures), path, "png")
    return paths


def _free(path: Path) -> Path:
    number = 0
    free = path
    while free.exists():
        number += 1
        free = numbered(path, number)
    return free
