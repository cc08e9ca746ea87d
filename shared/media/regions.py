"""Parts of pictures: masks grown, the box around a mask, pictures grown at their sides, parts put back.

Masks are uint8 (H,W), 255 = made anew; boxes are (left, top, right, bottom) in pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]

# How much wider than the mask the closest view of it is.
_CLOSEST = 1.15
_FEATHER_OF_SIDE = 1 / 64


def mask_of(picture: Image.Image, size: tuple[int, int]) -> Picture:
    """The mask that a picture in mode L shows, at a size (width, height)."""
    scaled = picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR)
    return np.where(np.asarray(scaled) > 127, 255, 0).astype(np.uint8)


def grown(mask: Picture, pixels: int) -> Picture:
    """The mask widened by that many pixels, shrunk by a negative number."""
    import cv2  # 17 MB that the page's process does without

    if not pixels:
        return mask
    change = cv2.dilate if pixels > 0 else cv2.erode
    beyond, square = 0 if pixels > 0 else 255, np.ones((3, 3), np.uint8)
    changed = change(mask, square, iterations=abs(pixels), borderType=cv2.BORDER_CONSTANT, borderValue=beyond)
    return np.asarray(changed, np.uint8)


def with_margins(picture: Picture, pixels: tuple[int, int, int, int]) -> Picture:
    """The picture grown at the top, bottom, left and right; its edge pixels go on into the margins."""
    top, bottom, left, right = pixels
    sides = ((top, bottom), (left, right), *(((0, 0),) if picture.ndim == 3 else ()))
    return np.pad(picture, sides, mode="edge")


def margin_mask(mask: Picture, pixels: tuple[int, int, int, int]) -> Picture:
    """The mask grown as the picture is; the margins are made anew."""
    top, bottom, left, right = pixels
    return np.pad(mask, ((top, bottom), (left, right)), constant_values=255)


def view_of(mask: Picture, field: float) -> Box:
    """The box that the model sees to make the mask anew: a little more than the mask at a `field` of 0, the whole
    picture at 1. The mask must mark something."""
    height, width = mask.shape
    if field >= 1:
        return 0, 0, width, height
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    longest = _CLOSEST * max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    top, bottom = _span(int(rows[0]), int(rows[-1]) + 1, max(longest, field * height), height)
    left, right = _span(int(columns[0]), int(columns[-1]) + 1, max(longest, field * width), width)
    return left, top, right, bottom


def put_into(picture: Picture, part: Picture, box: Box, mask: Picture) -> Picture:
    """`picture` with `part` in its box, where the mask marks it; the edge fades inside the mask.

    `part` is brought to the size of the box; what the mask does not mark stays exact.
    """
    left, top, right, bottom = box
    size = (right - left, bottom - top)
    scaled = part if part.shape[1::-1] == size else resized(part, size)
    weight = _faded(mask[top:bottom, left:right])[..., None]
    own = picture[top:bottom, left:right]
    mixed = np.rint(own + weight * (scaled.astype(np.float32) - own)).astype(np.uint8)
    result = picture.copy()
    result[top:bottom, left:right] = np.where(weight > 0, mixed, own)
    return result


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture (H,W,3), or mask (H,W), at a size (width, height)."""
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _faded(mask: Picture) -> NDArray[np.float32]:
    """1 inside the mask, 0 outside; just inside its edge in between."""
    import cv2  # 17 MB that the page's process does without

    inside = (mask > 127).astype(np.float32)
    side = 2 * max(1, round(min(mask.shape) * _FEATHER_OF_SIDE)) + 1
    near = cv2.blur(inside, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(2 * near - 1, 0, 1) * inside, np.float32)


def _span(first: int, end: int, length: float, whole: int) -> tuple[int, int]:
    """A span of that length around first..end that keeps within the whole."""
    count = min(max(round(length), end - first), whole)
    start = (first + end - count) // 2
    start = min(max(start, 0), whole - count)
    return start, start + count
