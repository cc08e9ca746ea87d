"""Frames in between, drawn along the optical flow between two frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Flow = NDArray[np.float32]

# Two frames of which so few pixels are alike (grey levels apart on average) are a cut: nothing lies between them.
CUT_LEVELS = 45.0


class FlowUpsampler:
    """A temporal upsampler (shared/core/processors.py): DIS optical flow, both ways, blended."""

    name, label, factors = "flow", "Optical flow", (2, 4)

    def temporal_upsample(
        self, sample: Any, previous_last_frame: Any, fps: float, factor: int
    ) -> tuple[Any, Any, float]:
        """The frames with those in between; at a cut the frame before it is held."""
        before, made = previous_last_frame, []
        for frame in sample:
            if before is not None:
                made += between(before, frame, factor)
            made.append(frame)
            before = frame
        return np.stack(made), before, fps * factor


def between(first: Frame, second: Frame, factor: int) -> list[Frame]:
    """The `factor` - 1 frames between two."""
    import cv2

    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    if float(np.abs(grey[0].astype(np.int16) - grey[1]).mean()) > CUT_LEVELS:
        return [first] * (factor - 1)
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there, back = finder.calc(grey[0], grey[1], None), finder.calc(grey[1], grey[0], None)
    return [_at(step / factor, first, second, there, back) for step in range(1, factor)]


def _at(share: float, first: Frame, second: Frame, there: Flow, back: Flow) -> Frame:
    """The frame at a share (0..1) of the way: both frames moved to it, the nearer one counting for more."""
    import cv2

    from_first, from_second = _moved(first, there, share), _moved(second, back, 1 - share)
    return np.asarray(cv2.addWeighted(from_first, 1 - share, from_second, share, 0))


def _moved(frame: Frame, flow: Flow, share: float) -> Frame:
    """A frame moved by a share of its flow."""
    import cv2

    height, width = frame.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(frame, x - share * flow[..., 0], y - share * flow[..., 1], cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return np.asarray(moved)


handler = FlowUpsampler()
