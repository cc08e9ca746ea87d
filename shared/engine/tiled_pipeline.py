"""Makes a large picture in overlapping tiles, by a pipeline that makes small ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.contracts import Pipeline, Step, WindowRequest, WindowResult

Frames = NDArray[np.uint8]

_OVERLAP_OF_TILE = 0.25


@dataclass(frozen=True)
class TiledPipeline:
    """See core.contracts.Pipeline. `tile` is the side (px) of the squares that `pipeline` makes; each starts from its
    part of the request's `source`."""

    pipeline: Pipeline
    tile: int

    def components(self) -> dict[str, Any]:
        """Those of the pipeline."""
        return self.pipeline.components()

    def preview(self, latents: Any) -> Any:
        """The tile at work."""
        return self.pipeline.preview(latents)

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make every tile and join them; each step counts among those of all tiles."""
        boxes = list(tiles(window.width, window.height, self.tile))
        total = np.zeros((window.height, window.width, 3), np.float32)
        weights = np.zeros((window.height, window.width, 1), np.float32)
        for number, box in enumerate(boxes):
            left, top, right, bottom = box
            hear = _Counted(on_step, number, len(boxes))
            result = self.pipeline(_part(window, box), hear, is_cancelled)
            weight = _ramp(bottom - top, right - left, self.tile)
            total[top:bottom, left:right] += weight * np.asarray(result.frames[0])[0]
            weights[top:bottom, left:right] += weight
        return WindowResult([np.rint(total / weights).astype(np.uint8)[None]])


def tiles(width: int, height: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of at most side x side that overlap and cover a picture, evenly spread."""
    for top in _starts(height, side):
        for left in _starts(width, side):
            yield left, top, min(left + side, width), min(top + side, height)


def _starts(whole: int, side: int) -> list[int]:
    """Where the tiles of one direction begin, in multiples of 8, as latents are."""
    if whole <= side:
        return [0]
    count = -(-(whole - side) // int(side * (1 - _OVERLAP_OF_TILE))) + 1
    step = (whole - side) / (count - 1)
    return [*(int(number * step) // 8 * 8 for number in range(count - 1)), whole - side]


def _part(window: WindowRequest, box: tuple[int, int, int, int]) -> WindowRequest:
    left, top, right, bottom = box

    def cut(frames: Any) -> Any:
        return None if frames is None else frames[..., top:bottom, left:right, :]

    def cut_mask(mask: Any) -> Any:
        return None if mask is None else mask[..., top:bottom, left:right]

    return replace(
        window, width=right - left, height=bottom - top, source=cut(window.source), control=cut(window.control),
        mask=cut_mask(window.mask), control_mask=cut_mask(window.control_mask),
    )  # fmt: skip


def _ramp(height: int, width: int, tile: int) -> NDArray[np.float32]:
    """Weights (H,W,1) that rise from the edges of a tile to its inside."""
    reach = max(tile * _OVERLAP_OF_TILE / 2, 1)

    def side(length: int) -> NDArray[np.float32]:
        place = np.arange(length, dtype=np.float32) + 0.5
        return np.clip(np.minimum(place, length - place) / reach, 0.01, 1).astype(np.float32)

    return (side(height)[:, None] * side(width)[None])[..., None]


@dataclass(frozen=True)
class _Counted:
    """Tells the steps of one tile as a part of those of all."""

    on_step: Callable[[Step], None]
    number: int
    tiles: int

    def __call__(self, step: Step) -> None:
        if step.index is None or not step.total:
            self.on_step(step)
        else:
            done = self.number * step.total + step.index
            self.on_step(replace(step, index=done, total=step.total * self.tiles))
