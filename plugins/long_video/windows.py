"""A clip of any length in parts that a model can take, and the results joined again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Span:
    """Frames `first` to `last` of the source, both included."""

    first: int
    last: int

    @property
    def num_frames(self) -> int:
        """How many frames that is."""
        return self.last - self.first + 1


def plan_spans(num_frames: int, size: int, overlap: int = 0) -> list[Span]:
    """Cut a clip into spans of `size` frames in play order, each but the first `overlap` frames into the one before.

    The last span is moved back to have the full size too (it then overlaps more); a clip shorter than `size` is one
    span. Raises ValueError when a size or overlap makes no sense.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames: a clip of {num_frames} frames cannot be cut.")
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"overlap: {overlap} frames do not fit a window of {size}. Use 0 to {size - 1}.")
    if num_frames <= size:
        return [Span(0, num_frames - 1)]
    firsts = list(range(0, num_frames - size, size - overlap))
    return [Span(first, first + size - 1) for first in [*firsts, num_frames - size]]


def joined(parts: Iterable[Iterable[Frame]], spans: Sequence[Span]) -> Iterator[Frame]:
    """The frames of all parts in one row; where two spans overlap one is faded into the other.

    Only the frames of an overlap are held. A part may have fewer frames than its span when a model rounds its length
    down: its last frame then stands still. Raises ValueError when a part has no frames.
    """
    held: list[Frame] = []
    for number, (part, span) in enumerate(zip(parts, spans, strict=True)):
        following = spans[number + 1] if number + 1 < len(spans) else None
        shared_next = span.last - following.first + 1 if following else 0
        held, frames = [], _with_length(part, span, held)
        for index, frame in enumerate(frames):
            if index < span.num_frames - shared_next:
                yield frame
            else:
                held.append(frame)


def _with_length(part: Iterable[Frame], span: Span, before: Sequence[Frame]) -> Iterator[Frame]:
    """A part's frames, as many as its span has, its beginning mixed with the end of the part before."""
    last: Frame | None = None
    count = 0
    for frame in part:
        if count == span.num_frames:
            break
        last = frame
        yield _mixed(before, frame, count)
        count += 1
    if last is None:
        raise ValueError(f"part: there are no frames for frames {span.first} to {span.last} of the clip.")
    for index in range(count, span.num_frames):
        yield _mixed(before, last, index)


def _mixed(before: Sequence[Frame], frame: Frame, index: int) -> Frame:
    if index >= len(before):
        return frame
    other = before[index]
    if other.shape != frame.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (frame.shape, other.shape)]
        raise ValueError(f"part: its frames are {sizes[0]}, those of the part before {sizes[1]}.")
    weight = (index + 1) / (len(before) + 1)
    return np.round(other * (1 - weight) + frame * weight).astype(np.uint8)
