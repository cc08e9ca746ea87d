"""What a decoded clip shows, found by plain vision code: no network, no knowledge of how the clip was made.

`judge(frames)` answers in the words of the caption table; `read_clip(path)` decodes a file.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .vocabulary import BACKGROUNDS, COLOURS, paint_background

FOREGROUND_DISTANCE = 48.0
MIN_AREA_SHARE = 0.003
SMALL_BELOW, BIG_ABOVE = 0.132, 0.203


@dataclass(frozen=True)
class Verdict:
    """The five attributes; "" where nothing could be told (`size` "" is also the middle size)."""

    size: str
    colour: str
    shape: str
    motion: str
    background: str


@dataclass(frozen=True)
class Blob:
    """The subject in one frame. Centre as shares of width and height, area as a share of the squared shorter side."""

    x: float
    y: float
    area: float
    mask: np.ndarray


def read_clip(path: Path | str) -> np.ndarray:
    """All frames of a video or picture file, uint8 (frames, height, width, 3), RGB."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    if not frames:
        raise ValueError(f"{path}: no frame could be decoded")
    return np.stack(frames)


def judge(frames: np.ndarray) -> Verdict:
    """Describe a clip, uint8 (frames, height, width, 3). The motion of fewer than five frames is not told."""
    background = find_background(frames)
    blobs = find_blobs(frames, background)
    seen = [blob for blob in blobs if blob is not None]
    if len(seen) < max(1, len(frames) // 2):
        return Verdict("", "", "", "", background)
    motion = find_motion(frames, blobs) if len(frames) >= 5 else ""
    return Verdict(find_size(seen), find_colour(frames, blobs), find_shape(seen), motion, background)


def find_background(frames: np.ndarray) -> str:
    """The backdrop that most pixels are nearest to."""
    height, width = frames.shape[1:3]
    sample = frames[:: max(1, len(frames) // 6)].astype(np.float32)

    def misfit(name: str) -> float:
        distance = np.linalg.norm(sample - paint_background(name, height, width), axis=-1)
        return float(np.median(distance))

    return min(BACKGROUNDS, key=misfit)


def find_blobs(frames: np.ndarray, background: str) -> list[Blob | None]:
    """The largest thing in front of the backdrop, frame by frame; None where there is none."""
    height, width = frames.shape[1:3]
    difference = frames.astype(np.float32) - paint_background(background, height, width)
    difference -= np.median(difference, axis=(0, 1, 2))
    distance = np.linalg.norm(difference, axis=-1)
    return [_largest(image > FOREGROUND_DISTANCE) for image in distance]


def _largest(mask: np.ndarray) -> Blob | None:
    height, width = mask.shape
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    if count < 2:
        return None
    index = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if stats[index, cv2.CC_STAT_AREA] < MIN_AREA_SHARE * height * width:
        return None
    blob = (labels == index).astype(np.uint8)
    contours, _ = cv2.findContours(blob, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(blob), contours, -1, 1, -1)
    rows, columns = np.nonzero(filled)
    area = len(rows) / min(height, width) ** 2
    return Blob((columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height, area, blob)


def find_size(blobs: list[Blob]) -> str:
    radius = math.sqrt(np.median([blob.area for blob in blobs]) / math.pi)
    return "small" if radius < SMALL_BELOW else "big" if radius > BIG_ABOVE else ""


def find_colour(frames: np.ndarray, blobs: list[Blob | None]) -> str:
    """The nearest of the nine to the usual colour inside the subject, away from its edge."""
    samples = []
    for frame, blob in zip(frames, blobs, strict=True):
        if blob is not None:
            inner = cv2.erode(blob.mask, np.ones((3, 3), np.uint8))
            samples.append(frame[(inner if inner.sum() >= 12 else blob.mask) > 0])
    colour = np.median(np.concatenate(samples).astype(np.float32), axis=0)
    return min(COLOURS, key=lambda name: float(np.linalg.norm(colour - np.asarray(COLOURS[name]))))


def find_shape(blobs: list[Blob]) -> str:
    """The shape that most frames agree on."""
    votes = [_shape_of(blob.mask) for blob in blobs]
    return max(sorted(set(votes)), key=votes.count)


def _shape_of(mask: np.ndarray) -> str:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(contour)
    hull_area = max(cv2.contourArea(hull), 1.0)
    (x, y), radius = cv2.minEnclosingCircle(contour)
    core = np.zeros_like(mask)
    cv2.circle(core, (round(x), round(y)), max(1, round(0.25 * radius)), 1, -1)
    if mask[core > 0].mean() < 0.5:
        return "ring"
    if cv2.contourArea(contour) / hull_area < 0.76:
        return "star"
    # A triangle fills the smallest triangle around it, however blunt its corners; a square fills half, a circle 60 %.
    if hull_area / max(cv2.minEnclosingTriangle(hull)[0], 1.0) > 0.80:
        return "triangle"
    return "square" if hull_area / (math.pi * radius**2) < 0.80 else "ball"


def find_motion(frames: np.ndarray, blobs: list[Blob | None]) -> str:
    """The motion word, from the path of the centre and the area; turning on the spot from the change of the pixels."""
    seen = [blob for blob in blobs if blob is not None]
    x, y = np.array([blob.x for blob in seen]), np.array([blob.y for blob in seen])
    areas = np.array([blob.area for blob in seen])
    span_x, span_y = np.ptp(x), np.ptp(y)
    growth = areas[-3:].mean() / areas[:3].mean()
    if max(span_x, span_y) < 0.16 and not 1 / 1.6 < growth < 1.6:
        return "growing" if growth > 1 else "shrinking"
    if min(span_x, span_y) > 0.15 and _turns_around(x, y):
        return "circling"
    net_x, net_y = x[-2:].mean() - x[:2].mean(), y[-2:].mean() - y[:2].mean()
    if span_y > 0.14 and span_y > 1.5 * span_x and abs(net_y) < 0.75 * span_y and _reverses(y):
        return "bouncing"
    if max(abs(net_x), abs(net_y)) > 0.13:
        if abs(net_x) > abs(net_y):
            return "moving right" if net_x > 0 else "moving left"
        return "moving down" if net_y > 0 else "moving up"
    if not 1 / 1.45 < growth < 1.45:
        return "growing" if growth > 1 else "shrinking"
    return "spinning" if _pixel_change(frames, blobs) > 9.0 else "standing still"


def _turns_around(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether the centre goes more than half around its middle."""
    angle = np.unwrap(np.arctan2(y - (y.max() + y.min()) / 2, x - (x.max() + x.min()) / 2))
    return bool(abs(angle[-1] - angle[0]) > math.radians(200))


def _reverses(y: np.ndarray) -> bool:
    """Whether the height turns round at least once by more than a third of its span."""
    span, turns, extreme, direction = np.ptp(y), 0, y[0], 0
    for value in y:
        if (direction >= 0 and value > extreme) or (direction <= 0 and value < extreme):
            direction = direction or int(np.sign(value - extreme))
            extreme = value
        elif abs(value - extreme) > span / 3:
            turns += direction != 0
            direction, extreme = int(np.sign(value - extreme)), value
    return turns >= 1


def _pixel_change(frames: np.ndarray, blobs: list[Blob | None]) -> float:
    """Mean change of the subject's pixels against its first frame, in 8-bit units, with the centres laid together."""
    first = next(index for index, blob in enumerate(blobs) if blob is not None)
    height, width = frames.shape[1:3]
    anchor = blobs[first]
    changes = []
    for frame, blob in zip(frames[first + 1 :], blobs[first + 1 :], strict=True):
        if blob is None:
            continue
        shift = np.float32([[1, 0, (anchor.x - blob.x) * width], [0, 1, (anchor.y - blob.y) * height]])
        moved = cv2.warpAffine(frame, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.warpAffine(blob.mask, shift, (width, height))
        union = (mask | anchor.mask) > 0
        difference = np.abs(moved.astype(np.float32) - frames[first].astype(np.float32)).mean(axis=-1)
        changes.append(float(difference[union].mean()))
    return float(np.mean(changes)) if changes else 0.0
