"""From drawn paths to what a model is steered with: a control clip with its masks, or trajectories.

Pictures are uint8 (height, width, 3) RGB, masks uint8 (height, width) with 255 on the object, points (x, y) in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Ease = Literal["linear", "in", "out", "in_out"]
EASES: tuple[Ease, ...] = ("linear", "in", "out", "in_out")
_POINTS_A_SEGMENT = 24
_HOLE_GROWN_PX = 5


@dataclass(frozen=True)
class MotionPath:
    """A drawn way. It is walked from frame `first` to frame `last` (None: the clip's last), standing before and after.

    `scale` and `turn_degrees` are what the object has reached at the end; `is_smooth` rounds the corners.
    """

    points: tuple[tuple[float, float], ...]
    first: int = 0
    last: int | None = None
    ease: Ease = "linear"
    scale: float = 1.0
    turn_degrees: float = 0.0
    is_smooth: bool = True

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("points: a path needs one point at least.")
        if self.ease not in EASES:
            raise ValueError(f"ease: {self.ease!r} is none of {', '.join(EASES)}.")
        if self.first < 0 or (self.last is not None and self.last < self.first):
            raise ValueError(f"first, last: frames {self.first} to {self.last} are no span of a clip.")
        if not self.scale > 0:
            raise ValueError(f"scale: {self.scale} is not above 0.")


def progress(path: MotionPath, num_frames: int) -> NDArray[np.float64]:
    """The share of the way that is done at each frame, 0 to 1, shape (num_frames,)."""
    last = num_frames - 1 if path.last is None else min(path.last, num_frames - 1)
    first = min(path.first, last)
    share = np.clip((np.arange(num_frames) - first) / max(last - first, 1), 0.0, 1.0)
    match path.ease:
        case "in":
            return share**2
        case "out":
            return 1 - (1 - share) ** 2
        case "in_out":
            return share * share * (3 - 2 * share)
        case _:
            return share


def positions(path: MotionPath, num_frames: int) -> NDArray[np.float64]:
    """Where the path is at each frame, (num_frames, 2): even speed along its length, then the ease."""
    line = _curve(np.asarray(path.points, float)) if path.is_smooth else np.asarray(path.points, float)
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    along = progress(path, num_frames) * lengths[-1]
    return np.stack([np.interp(along, lengths, line[:, axis]) for axis in (0, 1)], axis=1)


def _curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A Catmull-Rom spline through the points."""
    if len(points) < 3:
        return points
    ends = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, 1, _POINTS_A_SEGMENT, endpoint=False)[:, None]
    parts = []
    for before, start, end, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        line = 2 * start + (end - before) * t
        bend = (2 * before - 5 * start + 4 * end - after) * t**2 + (3 * start - before - 3 * end + after) * t**3
        parts.append((line + bend) / 2)
    return np.concatenate([*parts, points[-1:]])


def trajectories(paths: Sequence[MotionPath], num_frames: int) -> list[list[dict[str, float]]]:
    """One list a path with one `{"x", "y"}` a frame, in pixels: what trajectory-driven models read."""
    return [
        [{"x": round(float(x), 2), "y": round(float(y), 2)} for x, y in positions(path, num_frames)] for path in paths
    ]


def trajectory_array(paths: Sequence[MotionPath], num_frames: int) -> NDArray[np.float32]:
    """The same as an array (paths, num_frames, 2)."""
    return np.stack([positions(path, num_frames) for path in paths]).astype(np.float32)


def control_clip(
    picture: Picture, objects: Sequence[tuple[NDArray[np.uint8], MotionPath]], num_frames: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture with its cut-out objects moved along their paths, (num_frames, height, width, 3), and their masks.

    A path tells how the object's middle moves, relative to its first point: the object starts where it is cut out.
    What lay behind the objects is filled in from around them. Later objects are drawn in front. Raises ValueError
    when a mask is empty or of another size.
    """
    height, width = picture.shape[:2]
    for mask, _ in objects:
        if mask.shape != (height, width):
            raise ValueError(f"mask: it is of {mask.shape[1]}x{mask.shape[0]} pixels, the picture of {width}x{height}.")
        if not mask.any():
            raise ValueError("mask: it is empty. Cut out an object first.")
    ground = background_without(picture, [mask for mask, _ in objects])
    frames = np.repeat(ground[None], num_frames, axis=0)
    masks = np.zeros((num_frames, height, width), np.uint8)
    for mask, path in objects:
        _draw_moving(frames, masks, picture, mask, path)
    return frames, masks


def background_without(picture: Picture, masks: Sequence[NDArray[np.uint8]]) -> Picture:
    """The picture with the objects painted over from around them."""
    if not masks:
        return picture.copy()
    hole = np.maximum.reduce(list(masks))
    hole = cv2.dilate(hole, np.ones((_HOLE_GROWN_PX, _HOLE_GROWN_PX), np.uint8))
    return cv2.inpaint(np.ascontiguousarray(picture), hole, 3, cv2.INPAINT_TELEA)


def _draw_moving(
    frames: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    picture: Picture,
    mask: NDArray[np.uint8],
    path: MotionPath,
) -> None:
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    middle = (float(columns.mean()), float(rows.mean()))
    places = positions(path, len(frames))
    soft = cv2.GaussianBlur(mask, (3, 3), 0)
    for number, share in enumerate(progress(path, len(frames))):
        scale = 1 + (path.scale - 1) * float(share)
        matrix = cv2.getRotationMatrix2D(middle, -path.turn_degrees * float(share), scale)
        matrix[:, 2] += places[number] - places[0]
        cover = cv2.warpAffine(soft, matrix, (width, height))
        moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        weight = cover[..., None].astype(np.float32) / 255
        frames[number] = np.round(frames[number] * (1 - weight) + moved * weight).astype(np.uint8)
        masks[number] = np.maximum(masks[number], np.where(cover > 127, np.uint8(255), np.uint8(0)))


def drawn_paths(picture: Picture, paths: Sequence[MotionPath], colours: Sequence[tuple[int, int, int]]) -> Picture:
    """The picture with the paths drawn on it, an arrow at each end."""
    shown = picture.copy()
    thickness = max(1, round(max(picture.shape[:2]) / 256))
    for path, colour in zip(paths, colours, strict=False):
        line = _curve(np.asarray(path.points, float)) if path.is_smooth else np.asarray(path.points, float)
        corners = np.round(line).astype(np.int32)
        cv2.polylines(shown, [corners], False, colour, thickness, cv2.LINE_AA)
        cv2.circle(shown, tuple(int(v) for v in corners[0]), 2 * thickness, colour, -1, cv2.LINE_AA)
        if len(corners) > 1:
            tail = corners[max(0, len(corners) - 1 - _POINTS_A_SEGMENT // 4)]
            _arrow_head(shown, tail, corners[-1], colour, thickness)
    return shown


def _arrow_head(shown: Picture, tail: Any, tip: Any, colour: tuple[int, int, int], thickness: int) -> None:
    way = np.asarray(tip - tail, float)
    length = np.linalg.norm(way)
    if length == 0:
        return
    way *= 6 * thickness / length
    side = np.array([-way[1], way[0]]) * 0.6
    corners = np.round(np.stack([tip, tip - way + side, tip - way - side])).astype(np.int32)
    cv2.fillPoly(shown, [corners], colour, cv2.LINE_AA)
