"""Seconds, frames, latent frames, pixels and multiples: pure conversions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.core.errors import SettingsError

MAX_SIDE_PX = 8192
MAX_PIXELS = 16_800_000
MIN_SIDE_PX = 16
MAX_CLIP_PIXELS = 8_000_000_000
MAX_POSITION = 3000


@dataclass(frozen=True)
class FrameRule:
    """The lengths that a model can make: `offset + k * step` frames, and at least `minimum`."""

    minimum: int = 5
    step: int = 4
    offset: int = 1

    def round_up(self, num_frames: int) -> int:
        """The shortest valid length that holds `num_frames`."""
        return self._at(math.ceil((num_frames - self.offset) / self.step))

    def round_down(self, num_frames: int) -> int:
        """The longest valid length within `num_frames`; the minimum where none is."""
        return self._at(math.floor((num_frames - self.offset) / self.step))

    def nearest(self, num_frames: float) -> int:
        """The valid length nearest to `num_frames`, the shorter of two equally near ones."""
        return self._at(math.ceil((num_frames - self.offset) / self.step - 0.5))

    def is_valid(self, num_frames: int) -> bool:
        """Whether the model can make exactly `num_frames`."""
        return num_frames >= self.minimum and (num_frames - self.offset) % self.step == 0

    def latent_frames(self, num_frames: int) -> int:
        """Latent frames that hold `num_frames` pixel frames of this rule."""
        return math.ceil((num_frames - self.offset) / self.step) + (1 if self.offset else 0)

    def _at(self, k: int) -> int:
        lowest = math.ceil((self.minimum - self.offset) / self.step)
        return self.offset + max(k, lowest) * self.step


def round_overlap(overlap: int, step: int = 4, offset: int = 1) -> int:
    """The valid overlap (`offset + k * step` frames) nearest to `overlap`; 0 stays 0."""
    if overlap <= 0:
        return 0
    return offset + max(math.ceil((overlap - offset) / step - 0.5), 0) * step


def seconds_to_frames(seconds: float, fps: float, rule: FrameRule) -> int:
    """The valid length nearest to a duration."""
    return rule.nearest(round(seconds * fps))


def parse_seconds(text: str) -> float | None:
    """Seconds of a duration such as "10s" or "2.5 s"; None where the text is none. Raises SettingsError for 0s."""
    match = re.fullmatch(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+|inf|nan)(?:e[+-]?\d+)?)\s*s\s*", text, re.IGNORECASE)
    if match is None:
        return None
    seconds = float(match[1])
    if not math.isfinite(seconds) or seconds <= 0:
        raise SettingsError(f'video_length: "{text}" is not accepted. Use a duration above 0, such as "5s".')
    return seconds


def parse_resolution(text: str) -> tuple[int, int]:
    """(width, height) in pixels of a text such as "832x480". Raises SettingsError."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*[xX×*]\s*(\d{1,9})\s*", text)
    if match is None:
        raise SettingsError(f'resolution: "{text[:40]}" is not accepted. Use width x height, such as "832x480".')
    return int(match[1]), int(match[2])


def round_to_multiple(size_px: float, multiple: int) -> int:
    """The multiple nearest to a side, at least one multiple."""
    return max(math.floor(size_px / multiple + 0.5), 1) * multiple


def round_size(width: int, height: int, multiple: int) -> tuple[int, int]:
    """A size whose sides are multiples of the model's block."""
    return round_to_multiple(width, multiple), round_to_multiple(height, multiple)


def fit_canvas(
    canvas: tuple[int, int], source: tuple[int, int], mode: Literal[0, 1, 2], multiple: int = 16
) -> tuple[int, int]:
    """The (width, height) to make for a source picture when (width, height) `canvas` was asked for.

    Mode 0: the canvas's number of pixels in the source's shape; mode 1: the source's shape inside the canvas;
    mode 2: the canvas itself, the source is cropped to it. Sides become multiples of `multiple`.
    """
    (canvas_width, canvas_height), (width, height) = canvas, source
    if mode == 2 or width <= 0 or height <= 0:
        return round_size(canvas_width, canvas_height, multiple)
    if mode == 0:
        scale = math.sqrt(canvas_width * canvas_height / (width * height))
        return round_size(round(width * scale), round(height * scale), multiple)
    scale = min(canvas_width / width, canvas_height / height)
    fitted = (max(int(width * scale) // multiple, 1), max(int(height * scale) // multiple, 1))
    return fitted[0] * multiple, fitted[1] * multiple


def largest_size(
    width: int, height: int, *, max_side: int = MAX_SIDE_PX, max_pixels: int = MAX_PIXELS, multiple: int = 16
) -> tuple[int, int]:
    """The size itself where it keeps within the bounds, else the largest one of about its shape that does.

    Sides of a size that had to shrink are multiples of `multiple`.
    """
    if width <= max_side and height <= max_side and width * height <= max_pixels:
        return width, height
    shape = min(width, height) / max(width, height)
    best = (multiple, multiple)
    for long in range(multiple, max_side + 1, multiple):
        short = round_to_multiple(long * shape, multiple)
        if long * short <= max_pixels:
            best = (long, short)
    return best if width >= height else (best[1], best[0])


def outpainted_size(width: int, height: int, percentages: Sequence[float]) -> tuple[int, int]:
    """A size grown by percentages at the top, bottom, left and right of it."""
    top, bottom, left, right = percentages
    return round(width * (1 + (left + right) / 100)), round(height * (1 + (top + bottom) / 100))


def parse_outpainting(text: str) -> tuple[float, float, float, float] | None:
    """(top, bottom, left, right) in percent; None where the text is empty or switched off by a leading #."""
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    parts = text.split()
    try:
        top, bottom, left, right = (float(part) for part in parts)
    except ValueError:
        message = f'video_guide_outpainting: "{text}" is not accepted. Use four percentages: top bottom left right.'
        raise SettingsError(message) from None
    return top, bottom, left, right


def parse_frame_positions(text: str, num_frames: int = MAX_POSITION, window_ends: Sequence[int] = ()) -> list[int]:
    """0-based frames of `frames_positions`: numbers from 1, and L for the end of each window in turn.

    `window_ends` are the 0-based last frames of the windows; without them L is the last frame of the clip.
    """
    ends = list(window_ends) or [num_frames - 1]
    positions: list[int] = []
    used_ends = 0
    for item in re.split(r"[\s,]+", text.strip()):
        if not item:
            continue
        if item in ("L", "l"):
            positions.append(ends[min(used_ends, len(ends) - 1)])
            used_ends += 1
        elif item.isdecimal() and 1 <= int(item) <= MAX_POSITION:
            positions.append(int(item) - 1)
        else:
            raise SettingsError(
                f'frames_positions: "{item}" is not accepted. Use numbers from 1 to {MAX_POSITION} or the letter L.'
            )
    return positions


def parse_kept_frames(text: str, num_frames: int) -> list[bool]:
    """Which of `num_frames` frames `keep_frames_video_guide` keeps; frames after the last kept one are cut off.

    An empty text keeps all. Items are `n` (from 1, negative from the end) and `a:b`, both ends included
    (0 stands for the first frame).
    """
    if not text.strip():
        return [True] * num_frames
    kept = [False] * num_frames
    for item in text.split():
        first, last = _kept_range(item, num_frames)
        for index in range(max(first, 0), min(last, num_frames - 1) + 1):
            kept[index] = True
    while kept and not kept[-1]:
        kept.pop()
    return kept


def parse_kept_source_range(text: str, num_frames: int) -> tuple[int, int]:
    """(first frame from 0, frame after the last) of the `num_frames` frames that `keep_frames_video_source` keeps.

    Nothing keeps all, `n` the first n, `-n` all but the last n, `a:b` (from 1) those from a to b.
    """
    match = re.fullmatch(r"(-?\d+)(?::(-?\d+))?", text.strip())
    if not text.strip():
        return 0, num_frames
    if match is None or (match[2] is None and int(match[1]) == 0):
        raise SettingsError(
            f'keep_frames_video_source: "{text.strip()}" is not accepted. '
            'Use one whole number other than 0, a range such as "1:40", or nothing.'
        )
    if match[2] is not None:
        first, last = _frame_index(int(match[1]), num_frames), _frame_index(int(match[2]), num_frames)
        first = min(max(first, 0), num_frames)
        return first, max(min(last + 1, num_frames), first)
    count = int(match[1])
    return 0, min(count, num_frames) if count > 0 else max(num_frames + count, 0)


def parse_kept_source(text: str, num_frames: int) -> int:
    """How many of `num_frames` frames `keep_frames_video_source` keeps; `parse_kept_source_range` says which."""
    first, end = parse_kept_source_range(text, num_frames)
    return end - first


def _kept_range(item: str, num_frames: int) -> tuple[int, int]:
    match = re.fullmatch(r"(-?\d+)(?::(-?\d+))?", item)
    if match is None or (match[2] is None and int(match[1]) == 0):
        raise SettingsError(
            f'keep_frames_video_guide: "{item}" is not accepted. Use frame numbers from 1 (negative from the end) '
            'and ranges, such as "1:20 -1".'
        )
    first = _frame_index(int(match[1]), num_frames)
    last = first if match[2] is None else _frame_index(int(match[2]), num_frames)
    return first, last


def _frame_index(number: int, num_frames: int) -> int:
    if number < 0:
        return num_frames + number
    return max(number - 1, 0)


def size_text(count: int) -> str:
    """Bytes in words: `16.4 GB`, `1.25 GB`, `340 MB`, `0.2 MB`."""
    if count >= 10**9:
        return f"{count / 1e9:.2f} GB" if count < 10**10 else f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 10**7 else f"{count / 1e6:.1f} MB"
