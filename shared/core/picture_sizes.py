"""Sizes of pictures: aspect ratios by name, what outpainting adds, what a picture becomes to be varied or enlarged."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

from shared.core.errors import SettingsError

ASPECT_RATIOS: tuple[str, ...] = (
    "704*1408", "704*1344", "768*1344", "768*1280", "832*1216", "832*1152", "896*1152", "896*1088", "960*1088",
    "960*1024", "1024*1024", "1024*960", "1088*960", "1088*896", "1152*896", "1152*832", "1216*832", "1280*768",
    "1344*768", "1344*704", "1408*704", "1472*704", "1536*640", "1600*640", "1664*576", "1728*576",
)  # fmt: skip

SIDES = ("Top", "Bottom", "Left", "Right")
USUAL_GROWTH = 0.3
SEEDS = 1_000_000_000

Size = tuple[int, int]


def parse_aspect_ratio(text: str) -> str:
    """The resolution that "1152*896", "1152×896" or "1152x896 9:7" stands for: "1152x896". Raises SettingsError."""
    match = re.match(r"\s*(\d{1,5})\s*[*×xX]\s*(\d{1,5})(?!\d)", text)
    if match is None:
        raise SettingsError(f'aspect_ratios_selection: "{text[:80]}" is not accepted. Use width*height, as 1152*896.')
    return f"{int(match[1])}x{int(match[2])}"


def fold_seed(seed: int) -> int:
    """A seed of any size as one of this program's: the same for the same number; -1 stays."""
    return -1 if seed < 0 else seed % SEEDS


def outpainting_text(sides: Collection[str], distances_px: Mapping[str, int], size: Size) -> str:
    """`video_guide_outpainting` (top bottom left right, in percent) that grows a picture of `size` at these sides.

    A distance of 0 or less, or none, is 30 % of the picture's width or height. Raises SettingsError for a side that
    is none of Top, Bottom, Left, Right.
    """
    unknown = [side for side in sides if side not in SIDES]
    if unknown:
        raise SettingsError(f'outpaint_selections: "{unknown[0]}" is not accepted. Use {", ".join(SIDES)}.')
    return " ".join(f"{_percent(side, distances_px, size):.8g}" if side in sides else "0" for side in SIDES)


def grown_pixels(percents: tuple[float, float, float, float], size: Size) -> tuple[int, int, int, int]:
    """What `percents` (top, bottom, left, right) of a picture of `size` are in pixels."""
    sides = (size[1], size[1], size[0], size[0])
    top, bottom, left, right = (round(side * percent / 100) for side, percent in zip(sides, percents, strict=True))
    return top, bottom, left, right


def shape_side(size: Size) -> int:
    """The side (px, a multiple of 64) of a square of about as many pixels, rounded up."""
    return math.ceil(math.sqrt(size[0] * size[1]) / 64) * 64


def scaled_to_side(size: Size, side: int) -> Size:
    """`size` in its own shape with about side x side pixels."""
    factor = side / math.sqrt(size[0] * size[1])
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _percent(side: str, distances_px: Mapping[str, int], size: Size) -> float:
    whole = size[1] if side in ("Top", "Bottom") else size[0]
    distance = distances_px.get(side) or 0
    return 100 * (int(whole * USUAL_GROWTH) if distance <= 0 else distance) / whole
