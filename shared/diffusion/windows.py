"""How a clip longer than the model's window is cut into overlapping windows. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.core.errors import SettingsError
from shared.core.units import FrameRule, round_overlap


@dataclass(frozen=True)
class Window:
    """One run of the model within a clip.

    Its first `overlap` frames are given (the last ones made so far), its next `output` frames are kept; the model is
    asked for `num_frames`, of which the surplus at the end is dropped. `start` is the place of the first kept frame,
    counted in frames made by this clip's windows.
    """

    index: int
    start: int
    overlap: int
    output: int
    num_frames: int

    @property
    def dropped(self) -> int:
        """Frames at the end that are made and not kept."""
        return self.num_frames - self.overlap - self.output


@dataclass(frozen=True)
class WindowRule:
    """The lengths a model can make and the overlaps it can be given: `frames.offset + k * overlap_step` frames.

    `overlap_max` (0: none) lets an overlap grow where the last window would make frames for nothing.
    """

    frames: FrameRule = field(default_factory=FrameRule)
    overlap_step: int = 4
    overlap_max: int = 0

    def nearest_overlap(self, overlap: int) -> int:
        """The valid overlap nearest to `overlap`; 0 stays 0."""
        return round_overlap(overlap, self.overlap_step, max(self.frames.offset, 1))


def plan_windows(
    num_frames: int, size: int, overlap: int, discard: int = 0, rule: WindowRule | None = None, source_frames: int = 0
) -> list[Window]:
    """Cut a clip into windows, in play order.

    `size` is the model's window, `discard` the frames dropped at each window's end; all count pixel frames. With
    `source_frames` the clip goes on where a given one of that many frames ends: its last frame counts as the first of
    `num_frames`, so one frame less is made. Raises SettingsError when a window would add nothing.
    """
    rule = rule or WindowRule()
    size = rule.frames.round_up(size)
    overlap = rule.nearest_overlap(overlap)
    left = num_frames - 1 if source_frames else num_frames
    given = _within(overlap, source_frames, rule) if source_frames else 0
    if rule.frames.round_up(left + given) <= size:
        return [_window(0, 0, given, left, 0, size, rule)] if left > 0 else []
    if overlap + discard >= size:
        dropped = f" with {discard} discarded" if discard else ""
        raise SettingsError(
            f"sliding_window_overlap: {overlap} frames{dropped} is not smaller than the window ({size}). "
            "Lower the overlap or enlarge the window."
        )
    windows: list[Window] = []
    start = 0
    while left > 0:
        given = given if not windows else _within(overlap, source_frames + start, rule)
        output = min(left, size - given - discard)
        window = _window(len(windows), start, given, output, discard, size, rule, source_frames + start)
        windows.append(window)
        start, left = start + output, left - output
    return windows


def _within(overlap: int, available: int, rule: WindowRule) -> int:
    """The longest valid overlap within `overlap` and the frames that there are."""
    offset = max(rule.frames.offset, 1)
    most = min(overlap, available)
    return 0 if most < offset else offset + (most - offset) // rule.overlap_step * rule.overlap_step


def _window(
    index: int, start: int, overlap: int, output: int, discard: int, size: int, rule: WindowRule, available: int = 0
) -> Window:
    def length(given: int) -> int:
        return rule.frames.round_up(given + output + discard)

    most = min(rule.overlap_max, available)
    larger = range(overlap, most + 1, rule.overlap_step) if overlap else range(0)
    fitting = [given for given in larger if length(given) <= size] or [overlap]
    best = min(fitting, key=lambda given: length(given) - given)
    return Window(index, start, best, output, length(best))
