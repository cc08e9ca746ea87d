"""What is made of a control clip before a model sees it: edges, drawing, greys, motion. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

# The grey that stands for "to be made": the middle of the range, as the models that take masks were trained.
BLANK = 127
# How often a picture is halved for its coarser contours.
_PYRAMID = 4
# Pixels a frame of motion that are drawn in full colour.
_FULL_MOTION_OF_SIDE = 1 / 16


def preprocess(frames: Frames, kind: str) -> Frames:
    """The clip (F,H,W,3) as a control of a `kind` of `KINDS`, in the same size."""
    return KINDS[kind](frames)


def edges(frames: Frames) -> Frames:
    """White contours on black, by Canny's method."""
    return _each(frames, lambda bright: np.asarray(cv2.Canny(bright, 100, 200), np.uint8))


def scribble(frames: Frames) -> Frames:
    """Soft strokes on black, thick where a contour is strong: the difference of two blurs."""

    def draw(grey: Frames) -> Frames:
        smooth = grey.astype(np.float32)
        side = max(min(grey.shape) / 512, 0.5)
        strokes = np.abs(cv2.GaussianBlur(smooth, (0, 0), side) - cv2.GaussianBlur(smooth, (0, 0), 2.5 * side))
        top = max(float(np.percentile(strokes, 98)), 2.0)
        return (np.clip(strokes / top, 0, 1) ** 0.7 * 255).astype(np.uint8)

    return _each(frames, draw)


def pyramid_edges(picture: Frames, low: int, high: int) -> Frames:
    """The contours (H,W,3) of a picture (H,W,3) at several sizes laid over one another: the coarse ones are brightest.

    `low` and `high` are the thresholds of Canny's method.
    """
    height, width = picture.shape[:2]
    total, weights = np.zeros((height, width), np.float32), 0.0
    for halvings in range(_PYRAMID):
        size = max(round(width / 2**halvings), 8), max(round(height / 2**halvings), 8)
        smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        channels = (np.ascontiguousarray(smaller[..., channel]) for channel in range(3))
        lines = np.max([cv2.Canny(channel, low, high) for channel in channels], axis=0)
        weight = 2.0**halvings
        total += weight * cv2.resize(lines.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        weights += weight * 255
    strength = total / weights
    top = max(float(np.percentile(strength, 99)), 1e-3)
    drawn = (np.clip(strength / top, 0, 1) * 255).astype(np.uint8)
    return np.repeat(drawn[..., None], 3, axis=2)


def structure(picture: Frames) -> Frames:
    """The soft contours (H,W,3) of a picture (H,W,3), drawn from a grey that keeps the contrast of its colours: the
    axis along which they differ most."""
    colours = picture.reshape(-1, 3).astype(np.float32)
    centred = colours - colours.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    shades = centred @ (axis if axis.sum() >= 0 else -axis)
    low, high = float(shades.min()), float(shades.max())
    plain = ((shades - low) / ((high - low) or 1.0) * 255).astype(np.uint8).reshape(picture.shape[:2])
    return scribble(np.repeat(plain[None, ..., None], 3, axis=3))[0]


def grey(frames: Frames) -> Frames:
    """The clip without its colours."""
    return _each(frames, lambda picture: picture)


def blank(frames: Frames) -> Frames:
    """Nothing but the grey that stands for what is to be made."""
    return np.full_like(frames, BLANK)


def raw(frames: Frames) -> Frames:
    """The clip as it is."""
    return frames


def flow(frames: Frames) -> Frames:
    """The motion to the next frame in colour: its direction as hue, its speed as saturation on white."""
    if len(frames) == 1:
        return np.full_like(frames, 255)
    greys = [_brightness(frame) for frame in frames]
    method = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    still = np.zeros((*greys[0].shape, 2), np.float32)
    moves = [np.asarray(method.calc(first, second, still.copy()), np.float32) for first, second in pairwise(greys)]
    drawn = [_coloured(move) for move in moves]
    return np.stack([*drawn, drawn[-1]])


def bounding_boxes(mask: Frames) -> Frames:
    """A mask (F,H,W) grown to the upright box around what it marks in each frame."""
    boxed = np.zeros_like(mask)
    for picture, target in zip(mask, boxed, strict=True):
        rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
        if len(rows):
            target[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 255
    return boxed


def cut_out(picture: Frames) -> Frames:
    """A picture (H,W,3) with its subject, taken to be in the middle, on white.

    The colours along the border tell what the background is (the GrabCut method); a background that is much like the
    subject stays in part.
    """
    subject = subject_of(picture) > 0
    if not subject.any():
        return picture
    weight = cv2.GaussianBlur(subject.astype(np.float32), (0, 0), 1.0)[..., None]
    return np.asarray(np.rint(weight * picture + (1 - weight) * 255), np.uint8)


def subject_of(picture: Frames) -> Frames:
    """The mask (H,W), 255 = subject, of a picture (H,W,3) whose subject is in the middle; black for none."""
    height, width = picture.shape[:2]
    inset_y, inset_x = max(height // 32, 1), max(width // 32, 1)
    if min(height, width) < 16:
        return np.zeros((height, width), np.uint8)
    marks = np.zeros((height, width), np.uint8)
    box = (inset_x, inset_y, width - 2 * inset_x, height - 2 * inset_y)
    bgr = np.ascontiguousarray(picture[..., ::-1])
    cv2.setRNGSeed(0)
    cv2.grabCut(bgr, marks, box, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_RECT)
    subject = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return np.where(subject, 255, 0).astype(np.uint8)


def _each(frames: Frames, draw: Callable[[Frames], Frames]) -> Frames:
    """`draw` applied to the brightness (H,W) of each frame, as three equal channels."""
    drawn = np.stack([draw(_brightness(frame)) for frame in frames])
    return np.repeat(drawn[..., None], 3, axis=3)


def _brightness(frame: Frames) -> Frames:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY), np.uint8)


def _coloured(move: NDArray[np.float32]) -> Frames:
    speed, angle = cv2.cartToPolar(move[..., 0], move[..., 1], angleInDegrees=True)
    full = max(min(move.shape[:2]) * _FULL_MOTION_OF_SIDE, 1.0)
    hsv = np.empty((*move.shape[:2], 3), np.uint8)
    hsv[..., 0] = (angle / 2).astype(np.uint8) % 180
    hsv[..., 1] = np.clip(speed / full * 255, 0, 255).astype(np.uint8)
    hsv[..., 2] = 255
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


KINDS: Mapping[str, Callable[[Frames], Frames]] = MappingProxyType(
    {"raw": raw, "edges": edges, "scribble": scribble, "grey": grey, "flow": flow, "inpaint": blank}
)
