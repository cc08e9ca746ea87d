"""An object's mask over all frames of a clip, from clicks in one of them, by OpenCV alone.

The clicked frame is cut out by GrabCut, seeded with the clicks; the cut is carried to the other frames along the
dense optical flow, and each carried mask is cut out anew within a band around its edge. It holds for objects that
differ from what is around them and move no more than some pixels a frame.

Frames are uint8 (frames, height, width, 3) RGB; masks uint8 (height, width), 255 where the object is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Mask = NDArray[np.uint8]

WORK_SIDE_PX = 480
CUT_ROUNDS = 4
# A carried mask is trusted outside of this band (share of the longer side) around its edge.
BAND = 0.02
# Less than this share of the last mask's area left after a cut: the cut has failed, the carried mask stays.
MIN_KEPT, MAX_GROWN = 0.5, 2.0
# A carried pixel whose colour (8-bit units, over the three channels) has changed by more shows something else now.
CHANGED = 90.0
# Colours are told apart on a blurred picture: noise of the encoder would cut the edge to pieces.
_BLUR_PX = 3


@dataclass(frozen=True)
class Click:
    """A point in pixels, on the object or (`is_object` false) on what is not the object."""

    x: float
    y: float
    is_object: bool = True


def cut_out(frame: NDArray[np.uint8], clicks: Sequence[Click]) -> Mask:
    """The mask of the object under the clicks in one frame.

    Raises ValueError when no click is on the object or a click lies outside of the frame.
    """
    height, width = frame.shape[:2]
    if not any(click.is_object for click in clicks):
        raise ValueError("clicks: none of them is on the object. Click on the object once at least.")
    for click in clicks:
        if not (0 <= click.x < width and 0 <= click.y < height):
            raise ValueError(f"clicks: ({click.x:g}, {click.y:g}) is outside of the frame of {width}x{height} pixels.")
    small, scale = _shrunk(frame)
    seeds = _seeds(small, [Click(click.x * scale, click.y * scale, click.is_object) for click in clicks])
    mask = _grab_cut(small, seeds)
    touched = [click for click in clicks if click.is_object]
    mask = _parts_under(mask, [(int(click.x * scale), int(click.y * scale)) for click in touched])
    return _enlarged(mask, width, height)


def track(
    frames: Frames,
    mask: Mask,
    start: int = 0,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> Frames:
    """The masks of all frames, uint8 (frames, height, width), from the mask of frame `start`.

    It goes forwards and then backwards from `start`; `on_frame` hears (frames done, frames in all). Where the object
    has left the picture the mask is empty.
    """
    total = len(frames)
    masks = np.zeros(frames.shape[:3], np.uint8)
    masks[start] = mask
    done = 1
    for order in (range(start + 1, total), range(start - 1, -1, -1)):
        for number, found in _followed(frames, mask, order):
            masks[number] = found
            done += 1
            on_frame(done, total)
    return masks


def _followed(frames: Frames, mask: Mask, order: range) -> Iterator[tuple[int, Mask]]:
    height, width = frames.shape[1:3]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    last: Mask | None = None
    current = cv2.resize(mask, _small_size(width, height)[:2], interpolation=cv2.INTER_AREA)
    for number in order:
        if last is None:
            last = _shrunk(frames[number - order.step])[0]
        small = _shrunk(frames[number])[0]
        carried = _carried(flow, last, small, current)
        current = _cut_again(small, carried)
        last = small
        yield number, _enlarged(current, width, height)


def _carried(flow: cv2.DISOpticalFlow, last: NDArray[np.uint8], frame: NDArray[np.uint8], mask: Mask) -> Mask:
    """The mask moved from the last frame to this one, less what shows something else now.

    The flow is taken backwards, from this frame to the last, so that no pixel is left open.
    """
    back = flow.calc(_gray(frame), _gray(last), None)
    height, width = mask.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    places = columns + back[..., 0], rows + back[..., 1]
    moved = cv2.remap(mask, *places, cv2.INTER_LINEAR)
    change = np.linalg.norm(cv2.remap(last, *places, cv2.INTER_LINEAR).astype(np.float32) - frame, axis=2)
    return np.where((moved > 127) & (change < CHANGED), np.uint8(255), np.uint8(0))


def _cut_again(frame: NDArray[np.uint8], carried: Mask) -> Mask:
    """The object's edge found again within a band around the carried mask's edge."""
    area = np.count_nonzero(carried)
    if area < 9:
        return np.zeros_like(carried)
    band = max(2, round(BAND * max(frame.shape[:2])))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    inner, outer = cv2.erode(carried, kernel), cv2.dilate(carried, kernel)
    seeds = np.full(carried.shape, cv2.GC_BGD, np.uint8)
    seeds[outer > 0] = cv2.GC_PR_BGD
    seeds[carried > 0] = cv2.GC_PR_FGD
    seeds[inner > 0] = cv2.GC_FGD
    if not (seeds == cv2.GC_BGD).any():
        return carried
    found = _grab_cut(frame, seeds)
    kept = np.count_nonzero(found)
    return found if MIN_KEPT * area <= kept <= MAX_GROWN * area else carried


def _seeds(frame: NDArray[np.uint8], clicks: Sequence[Click]) -> Mask:
    """What is sure from the clicks; the rest is guessed from its colour's distance to the clicked ones."""
    height, width = frame.shape[:2]
    radius = max(2, round(0.012 * max(height, width)))
    lab = cv2.cvtColor(cv2.GaussianBlur(frame, (0, 0), _BLUR_PX / 2), cv2.COLOR_RGB2LAB).astype(np.float32)
    nearest = [_colour_distance(lab, clicks, is_object, radius) for is_object in (True, False)]
    seeds = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    seeds[nearest[0] < np.minimum(nearest[1], _spread(nearest[0]))] = cv2.GC_PR_FGD
    for click in clicks:
        kind = cv2.GC_FGD if click.is_object else cv2.GC_BGD
        cv2.circle(seeds, (round(click.x), round(click.y)), radius, int(kind), -1)
    if not (seeds == cv2.GC_PR_BGD).any() and not (seeds == cv2.GC_BGD).any():
        seeds[0], seeds[-1] = cv2.GC_BGD, cv2.GC_BGD
    return seeds


def _colour_distance(
    lab: NDArray[np.float32], clicks: Sequence[Click], is_object: bool, radius: int
) -> NDArray[np.float32]:
    """Each pixel's distance to the nearest of the clicked colours of one kind; infinite without such a click."""
    distance = np.full(lab.shape[:2], np.inf, np.float32)
    for click in clicks:
        if click.is_object is is_object:
            x, y = round(click.x), round(click.y)
            patch = lab[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            colour = np.median(patch.reshape(-1, 3), axis=0)
            np.minimum(distance, np.linalg.norm(lab - colour, axis=2), out=distance)
    return distance


def _spread(distance: NDArray[np.float32]) -> float:
    """The distance that parts near from far colours best (Otsu's threshold)."""
    levels = np.clip(distance, 0, 255).astype(np.uint8)
    return float(cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0])


def _grab_cut(frame: NDArray[np.uint8], seeds: Mask) -> Mask:
    has_object = ((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)).any()
    has_ground = ((seeds == cv2.GC_BGD) | (seeds == cv2.GC_PR_BGD)).any()
    if not (has_object and has_ground):
        return np.where(has_object, np.full_like(seeds, 255), np.zeros_like(seeds))
    blurred = cv2.GaussianBlur(frame, (_BLUR_PX, _BLUR_PX), 0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cut = seeds.copy()
    cv2.setRNGSeed(0)
    cv2.grabCut(cv2.cvtColor(blurred, cv2.COLOR_RGB2BGR), cut, None, *models, CUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.where((cut == cv2.GC_FGD) | (cut == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    return cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))


def _parts_under(mask: Mask, points: Sequence[tuple[int, int]]) -> Mask:
    """The connected parts of a mask that hold one of the points."""
    labels = cv2.connectedComponents(mask, connectivity=8)[1]
    wanted = {int(labels[y, x]) for x, y in points} - {0}
    return np.where(np.isin(labels, list(wanted)), np.uint8(255), np.uint8(0)) if wanted else mask


def _gray(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def _small_size(width: int, height: int) -> tuple[int, int, float]:
    scale = min(1.0, WORK_SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale)), scale


def _shrunk(frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The frame at the size at which it is cut, and its scale."""
    width, height, scale = _small_size(frame.shape[1], frame.shape[0])
    return (frame if scale == 1 else cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)), scale


def _enlarged(mask: Mask, width: int, height: int) -> Mask:
    if mask.shape == (height, width):
        return mask
    return np.where(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) > 127, np.uint8(255), np.uint8(0))
