"""Sizes and scaling of pictures and frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import MediaError, SettingsError
from shared.core.units import fit_canvas

MAX_SCALE = 8.0
MAX_UPSAMPLED_PIXELS = 67_108_864


def fit(image: Image.Image, width: int, height: int, mode: Literal[0, 1, 2] = 0, multiple: int = 1) -> Image.Image:
    """The picture in the size that `units.fit_canvas` gives it: 0 pixel budget, 1 box, 2 exact.

    What the ratio of that size does not hold is cut off evenly at the edges.
    """
    return cover(image, *fit_canvas((width, height), image.size, mode, multiple))


def cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled to fill width x height, cut evenly where its ratio differs."""
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS, box=cover_box(image.size, width, height))


def cover_box(source: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """The centred part (left, top, right, bottom) of a source that has the ratio width : height."""
    scale = min(source[0] / width, source[1] / height)
    part = width * scale, height * scale
    left, top = (source[0] - part[0]) / 2, (source[1] - part[1]) / 2
    return left, top, left + part[0], top + part[1]


def lanczos_scale(spatial_upsampling: str) -> float | None:
    """The factor of "lanczos1.5", "lanczos2" ...; None for "" and for other methods.

    Raises SettingsError for a factor that is no number in 1..8.
    """
    match = re.fullmatch(r"lanczos(.*)", spatial_upsampling.strip())
    if match is None:
        return None
    number = re.fullmatch(r"\d+(\.\d+)?", match[1])
    if number is None or not 1 <= float(match[1]) <= MAX_SCALE:
        raise SettingsError(
            f"spatial_upsampling: {spatial_upsampling!r} is not accepted. Give lanczos1.5, lanczos2 or another factor "
            f"from 1 to {MAX_SCALE:g}."
        )
    return float(match[1])


def upsampled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """The size (width, height) after enlarging, even on both sides as video needs it."""
    return max(round(size[0] * scale / 2), 1) * 2, max(round(size[1] * scale / 2), 1) * 2


def upsample(frames: Iterable[NDArray[np.uint8]], scale: float) -> Iterator[NDArray[np.uint8]]:
    """Enlarge frames [H,W,3] one after the other with a Lanczos filter (nothing is held but the current frame)."""
    for frame in frames:
        width, height = upsampled_size((frame.shape[1], frame.shape[0]), scale)
        if width * height > MAX_UPSAMPLED_PIXELS:
            raise MediaError(
                f"spatial_upsampling: {width}x{height} is too large for a frame; at most "
                f"{MAX_UPSAMPLED_PIXELS / 1e6:.0f} million pixels are accepted."
            )
        image = Image.fromarray(frame)
        yield np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
