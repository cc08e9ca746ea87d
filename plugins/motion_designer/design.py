"""What the tab works on: a picture, its objects with their clicks and paths, and the files made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugins.motion_designer.motion import Ease, MotionPath, control_clip, drawn_paths, trajectories
from shared.media.atomic import whole_file
from shared.media.images import load_image
from shared.media.names import numbered
from shared.media.object_masks import Click, cut_out
from shared.media.video import write_video

COLOURS = ((255, 196, 0), (0, 200, 255), (255, 90, 160), (120, 230, 80), (180, 140, 255), (255, 130, 60))
MOST_OBJECTS = len(COLOURS)
# At least as large as the place where it is shown: the page tells clicks rightly for pictures that it shrinks.
SHOWN_SIDE_PX = 1024


@dataclass(frozen=True)
class Motion:
    """How an object goes along its path."""

    first: int = 0
    last: int | None = None
    ease: Ease = "linear"
    scale: float = 1.0
    turn_degrees: float = 0.0
    is_smooth: bool = True


@dataclass(frozen=True)
class MovingObject:
    """An object cut out by clicks, and the points of its path. Without clicks it is a bare path."""

    clicks: tuple[Click, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    motion: Motion = field(default_factory=Motion)

    def path(self) -> MotionPath:
        """Its path. Raises ValueError when nothing was drawn."""
        motion = self.motion
        return MotionPath(
            self.points, motion.first, motion.last, motion.ease, motion.scale, motion.turn_degrees, motion.is_smooth
        )


@dataclass(frozen=True)
class Design:
    """One user's picture and its objects; `chosen` is the object that clicks go to."""

    path: str
    objects: tuple[MovingObject, ...] = (MovingObject(),)
    chosen: int = 0

    @property
    def current(self) -> MovingObject:
        """The object that clicks go to."""
        return self.objects[self.chosen]

    def picture(self) -> NDArray[np.uint8]:
        """(height, width, 3)."""
        return np.asarray(load_image(self.path))

    def with_current(self, **changes: Any) -> Design:
        """The chosen object changed."""
        objects = list(self.objects)
        objects[self.chosen] = replace(self.current, **changes)
        return replace(self, objects=tuple(objects))

    def clicked(self, x: float, y: float) -> Design:
        """One more click on the object."""
        return self.with_current(clicks=(*self.current.clicks, Click(x, y)))

    def drawn(self, x: float, y: float) -> Design:
        """One more point of the path."""
        return self.with_current(points=(*self.current.points, (x, y)))

    def undone(self, draws: bool) -> Design:
        """One point of the path less, or one click."""
        if draws:
            return self.with_current(points=self.current.points[:-1])
        return self.with_current(clicks=self.current.clicks[:-1])

    def with_new_object(self) -> Design:
        """Another object, chosen. Raises ValueError when there are as many as can be told apart."""
        if len(self.objects) == MOST_OBJECTS:
            raise ValueError(f"objects: {MOST_OBJECTS} at most.")
        return replace(self, objects=(*self.objects, MovingObject()), chosen=len(self.objects))

    def without_current(self) -> Design:
        """The chosen object taken away; there is always one."""
        left = (*self.objects[: self.chosen], *self.objects[self.chosen + 1 :]) or (MovingObject(),)
        return replace(self, objects=left, chosen=min(self.chosen, len(left) - 1))

    def enlargement(self) -> int:
        """How many times as large as it is the picture is shown: small ones are hard to click into."""
        return max(1, -(-SHOWN_SIDE_PX // max(self.picture().shape[:2])))

    def shown(self) -> NDArray[np.uint8]:
        """The picture with the cut-out objects tinted and the paths drawn."""
        picture = self.picture()
        view = picture.astype(np.float32)
        for number, thing in enumerate(self.objects):
            if thing.clicks:
                mask = cut_out(picture, thing.clicks) > 127
                view[mask] = view[mask] * 0.6 + np.asarray(COLOURS[number], np.float32) * 0.4
        drawn = [(thing.path(), COLOURS[number]) for number, thing in enumerate(self.objects) if thing.points]
        shown = np.round(view).astype(np.uint8)
        return drawn_paths(shown, [path for path, _ in drawn], [colour for _, colour in drawn])

    def moving(self) -> list[tuple[NDArray[np.uint8], MotionPath]]:
        """The masks of the cut-out objects with their paths; those without a path stand still."""
        picture = self.picture()
        return [
            (cut_out(picture, thing.clicks), thing.path() if thing.points else MotionPath(((0.0, 0.0),)))
            for thing in self.objects
            if thing.clicks
        ]

    def paths(self) -> list[MotionPath]:
        """Every drawn path."""
        return [thing.path() for thing in self.objects if thing.points]


@dataclass(frozen=True)
class Made:
    """The files of a design: the control clip and its mask where objects were cut out, the trajectories."""

    clip: Path | None
    mask: Path | None
    trajectories: Path

    @property
    def files(self) -> list[str]:
        """All of them."""
        return [str(path) for path in (self.clip, self.mask, self.trajectories) if path is not None]


def make(design: Design, num_frames: int, fps: float, folder: Path) -> Made:
    """Write what a design gives. Raises ValueError when no path was drawn, MediaError for a full disk."""
    paths = design.paths()
    if not paths:
        raise ValueError("Draw a path first.")
    stem = f"{Path(design.path).stem[:60]}_motion"
    target = _free(folder, stem)
    picture = design.picture()
    told = {"width": picture.shape[1], "height": picture.shape[0], "fps": fps, "num_frames": num_frames,
            "trajectories": trajectories(paths, num_frames)}  # fmt: skip
    with whole_file(target.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(told), encoding="utf-8")
    objects = design.moving()
    if not objects:
        return Made(None, None, target.with_suffix(".json"))
    frames, masks = control_clip(picture, objects, num_frames)
    clip = write_video(frames, target.with_suffix(".mp4"), fps)
    white = (np.repeat(mask[..., None], 3, axis=2) for mask in masks)
    mask_clip = write_video(white, target.with_name(f"{target.stem}_mask.mp4"), fps)
    return Made(clip, mask_clip, target.with_suffix(".json"))


def _free(folder: Path, stem: str) -> Path:
    """A name that is free with every ending."""
    path, number = folder / stem, 0
    while any(Path(f"{path}{ending}").exists() for ending in (".json", ".mp4", "_mask.mp4")):
        number += 1
        path = numbered(folder / stem, number)
    return path


def object_names(objects: Sequence[MovingObject]) -> list[tuple[str, int]]:
    """What the list of objects shows, and their numbers."""
    names = []
    for number, thing in enumerate(objects):
        parts = [f"{len(thing.clicks)} clicks" if thing.clicks else "no cut-out",
                 f"{len(thing.points)} points" if thing.points else "no path"]  # fmt: skip
        names.append((f"Object {number + 1}: {', '.join(parts)}", number))
    return names
