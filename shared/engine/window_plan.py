"""The sliding windows of a clip, with the prompt of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.core.prompts import PromptUnit, WindowCommands
from shared.diffusion.windows import Window, WindowRule, plan_windows

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


@dataclass(frozen=True)
class WindowLimits:
    """How a model's windows may be: `size` frames, `overlap` and `discard` as wished, within `rule`.

    `size` is None for a model that makes every clip in one go. `model_overlap` is its own overlap.
    """

    rule: WindowRule
    size: int | None
    overlap: int
    discard: int
    model_overlap: int


@dataclass(frozen=True)
class WindowPlan:
    """Windows in play order, the prompt of each, and what one more window would be (None: there cannot be one)."""

    windows: tuple[Window, ...]
    prompts: tuple[PromptUnit, ...]
    extension: Window | None


def window_limits(settings: Mapping[str, Any], model: ModelDef, tell: Callable[[str], None]) -> WindowLimits:
    """The windows that settings ask for, brought to what the model can do."""
    has_windows = bool(model.get("sliding_window")) and not settings.get("image_mode")
    usual = model.get("sliding_window_defaults") or {}
    rule = WindowRule(model.frame_rule, int(usual.get("overlap_step", 4)), int(usual.get("overlap_max", 0)))
    overlap = _overlap(int(settings.get("sliding_window_overlap") or 0), rule, usual, has_windows, tell)
    discard = int(settings.get("sliding_window_discard_last_frames") or 0)
    if overlap == 0:
        discard += int(settings.get("sliding_window_trim_first_frames") or 0)
    size = int(settings.get("sliding_window_size") or usual.get("window_default", 0))
    return WindowLimits(
        rule=rule,
        size=model.frame_rule.round_up(size) if has_windows and size else None,
        overlap=overlap,
        discard=discard,
        model_overlap=int(usual.get("overlap_default", overlap)),
    )


def _overlap(
    asked: int, rule: WindowRule, usual: Mapping[str, Any], has_windows: bool, tell: Callable[[str], None]
) -> int:
    if not has_windows:
        return 1
    largest = int(usual.get("overlap_max") or asked)
    overlap = min(rule.nearest_overlap(asked), largest)
    if overlap != asked:
        tell(f"sliding_window_overlap: {asked} becomes {overlap} frames, an overlap that this model can start from.")
    return overlap


def plan_clip(
    prompts: Sequence[PromptUnit], num_frames: int, limits: WindowLimits, *, fps: float, source_frames: int = 0
) -> WindowPlan:
    """Cut a clip of `num_frames` into windows; with `source_frames` it goes on where a clip of that many frames ends.

    Without window commands each window takes the next prompt, the last repeats. With any, the list is explicit: see
    `_explicit`. Raises SettingsError when a window would add nothing.
    """
    size = limits.size or limits.rule.frames.round_up(num_frames + limits.overlap)
    if any(unit.commands for unit in prompts) and limits.size is not None:
        windows, texts = _explicit(prompts, num_frames, limits, fps, source_frames)
    else:
        first_overlap = max(limits.overlap, 1) if source_frames else limits.overlap
        windows = plan_windows(num_frames, size, first_overlap, limits.discard, limits.rule, source_frames)
        texts = [prompts[min(window.index, len(prompts) - 1)] for window in windows]
    return WindowPlan(tuple(windows), tuple(texts), _extension(limits, source_frames + num_frames))


def _explicit(
    prompts: Sequence[PromptUnit], num_frames: int, limits: WindowLimits, fps: float, source_frames: int
) -> tuple[list[Window], list[PromptUnit]]:
    """Windows as the prompts command them.

    A prompt with a duration gets that many new frames (in as many windows as they need), one without a window's worth
    of what is left. Frames left over go to the last prompt, unless durations were used: then they set the length.
    """
    total = num_frames - 1 if source_frames else num_frames
    has_durations = any(unit.commands.duration for unit in prompts)
    windows: list[Window] = []
    texts: list[PromptUnit] = []
    made = 0

    def add(unit: PromptUnit, output: int, overlap: int) -> None:
        nonlocal made
        given = min(overlap, source_frames + made) if source_frames + made else 0
        kept = limits.rule.frames.round_up(given + output + limits.discard)
        windows.append(Window(len(windows), made, given, output, kept))
        texts.append(unit)
        made += output

    for number, unit in enumerate(prompts):
        is_last = number == len(prompts) - 1 and not has_durations
        left = _wanted(unit.commands, total, made, fps)
        overlap = _commanded_overlap(unit.commands, limits)
        while left > 0:
            output = min(left, _room(limits, overlap if source_frames + made else 0))
            add(unit, output, overlap)
            left -= output
            overlap = limits.overlap
            if unit.commands.duration is None and not is_last:
                break
    return windows, texts


def _wanted(commands: WindowCommands, total: int, made: int, fps: float) -> int:
    if commands.duration is not None:
        return commands.duration.frames(fps, total)
    return total - made


def _commanded_overlap(commands: WindowCommands, limits: WindowLimits) -> int:
    if commands.overlap is None:
        return limits.overlap
    if commands.overlap == "model":
        return limits.model_overlap
    return min(limits.rule.nearest_overlap(commands.overlap), limits.rule.overlap_max or commands.overlap)


def _room(limits: WindowLimits, overlap: int) -> int:
    """New frames that a window can hold."""
    return max((limits.size or 0) - overlap - limits.discard, 1)


def _extension(limits: WindowLimits, available: int) -> Window | None:
    if limits.size is None or limits.size - limits.overlap - limits.discard < 1:
        return None
    overlap = min(limits.overlap, available)
    return Window(0, 0, overlap, limits.size - overlap - limits.discard, limits.size)
