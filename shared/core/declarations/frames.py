"""Size, length and number of results; the windows of long clips."""

from __future__ import annotations

from typing import Any

from shared.core.conditions import at_least, is_set
from shared.core.declarations.rules import IMAGE_MODE, MAKES_CLIPS, MAKES_PICTURES_OR_CLIPS, VIDEO_MODE
from shared.core.params import Param


def fps_text(value: Any) -> Any:
    """Frames a second as today's text: 24 is "24", 24.0 is "24", 23.976 stays, 0 and None are "" (the model's own)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return "" if value == 0 else f"{value:g}"
    return "" if value == "0" else value


def size_text(value: Any) -> Any:
    """A size given as a pair, or written with another cross, as "832x480"."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return f"{value[0]}x{value[1]}"
    if isinstance(value, str):
        return value.strip().replace(" ", "").replace("×", "x").replace("X", "x").replace("*", "x")
    return value


_HAS_WINDOWS = is_set("sliding_window") & MAKES_CLIPS
_RESOLUTIONS = (
    "832x480", "480x832", "624x624", "1280x720", "720x1280", "960x960", "1024x1024", "1920x1080", "1080x1920",
)  # fmt: skip

PARAMS: tuple[Param, ...] = (
    Param(
        "image_mode", "choice", 0, "Makes",
        "A clip, or a single picture from the same model.",
        "video", choices=(("A clip", 0), ("A picture", 1), ("A repainted picture", 2)),
        applies=MAKES_PICTURES_OR_CLIPS, unsupported="refuse",
    ),
    Param(
        "resolution", "text", "832x480", "Resolution",
        "Width and height of the result. Each model has sizes it was trained for; far from them it gets worse, "
        "and time and memory grow with the number of pixels.",
        "video", unit="px", pattern=r"\d{1,9}x\d{1,9}", older=size_text,
        accepts='width x height in pixels, such as "832x480"',
        choices=tuple((size.replace("x", " x "), size) for size in _RESOLUTIONS), applies=MAKES_PICTURES_OR_CLIPS,
    ),
    Param(
        "video_length", "text_or_int", 81, "Length",
        'How many frames the clip has; "5s" asks for seconds. Clips longer than the model\'s window are made in '
        "overlapping windows.",
        "video", minimum=1, maximum=20_000, step=1, unit="frames", pattern=r"\s*\d+(\.\d+)?\s*s\s*",
        accepts='a number of frames from 1 to 20000, or a duration such as "5s"',
        applies=MAKES_CLIPS, visible_if=VIDEO_MODE,
    ),
    Param(
        "force_fps", "text", "", "Frames a second",
        'Speed of the saved clip: empty for the model\'s own, "source" or "control" for that of the given clip, '
        '"auto" for the first of these that there is, or a number.',
        "video", unit="fps", older=fps_text, pattern=r"auto|control|source|(\d{1,3}(\.\d+)?)?",
        accepts='"", "auto", "control", "source" or a number such as "24"',
        choices=(
            ("The model's own", ""), ("Of the given clip", "auto"), ("Of the control clip", "control"),
            ("Of the source clip", "source"), ("16", "16"), ("24", "24"), ("30", "30"), ("60", "60"),
        ),
        applies=MAKES_CLIPS, visible_if=VIDEO_MODE,
    ),
    Param(
        "batch_size", "int", 1, "Made together",
        "Results computed at once from one prompt, each from its own noise; needs that many times the memory.",
        "video", minimum=1, maximum=16, step=1, applies=MAKES_PICTURES_OR_CLIPS,
    ),
    Param(
        "repeat_generation", "int", 1, "Samples",
        "How often the whole is made again with another seed.",
        "video", minimum=1, maximum=32, step=1,
    ),
    Param(
        "seed", "int", -1, "Seed",
        "The start of the random noise: the same seed and settings give the same result. -1 draws a new one.",
        "video", minimum=-1, maximum=999_999_999, step=1,
    ),
    Param(
        "fixed_seed", "bool_int", 0, "Same seed for all samples",
        "Every sample has the task's seed, instead of one more each; for prompts that change with each sample.",
        "video",
    ),
    Param(
        "duration_seconds", "float", 0, "Duration",
        "Length of a sound; 0 leaves it to the model.",
        "video", minimum=0, maximum=3600, step=0.1, unit="s", applies=is_set("duration_slider"),
    ),
    Param(
        "pause_seconds", "float", 0, "Pause",
        "Silence between the parts of a spoken text.",
        "video", minimum=0, maximum=60, step=0.1, unit="s", applies=is_set("pause_between_sentences"),
    ),
    Param(
        "min_frames_if_references", "int", 1, "Frames made for one picture",
        "With reference images some models draw a better picture as the last frame of a short clip. "
        "Above 1000, that many less 1000 are always made.",
        "advanced", minimum=1, maximum=1100, step=1, unit="frames",
        applies=is_set("image_ref_choices") & is_set("v2i_switch_supported"), visible_if=IMAGE_MODE,
    ),
    Param(
        "sliding_window_size", "int", 129, "Window",
        "Frames that the model makes at once; longer clips are made window after window.",
        "windows", minimum=1, maximum=2000, step=1, unit="frames",
        applies=_HAS_WINDOWS & ~is_set("sliding_window_size_locked"), visible_if=VIDEO_MODE,
    ),
    Param(
        "sliding_window_overlap", "int", 5, "Overlap of windows",
        "Last frames of a window that the next one starts from: more keeps the motion smoother and costs time.",
        "windows", minimum=0, maximum=500, step=1, unit="frames", applies=_HAS_WINDOWS, visible_if=VIDEO_MODE,
    ),
    Param(
        "sliding_window_color_correction_strength", "float", 0, "Colour correction",
        "How strongly the colours of a window are matched with those of the window before it.",
        "windows", minimum=0, maximum=1, step=0.01, applies=_HAS_WINDOWS, visible_if=VIDEO_MODE,
    ),
    Param(
        "sliding_window_overlap_noise", "float", 0, "Noise on the overlap",
        "Noise added to the overlapped frames, so that the blur of one window is not handed to the next.",
        "windows", minimum=0, maximum=150, step=1, applies=_HAS_WINDOWS & ~is_set("no_overlap_noise"),
        visible_if=VIDEO_MODE,
    ),
    Param(
        "sliding_window_discard_last_frames", "int", 0, "Frames dropped at a window's end",
        "The last frames of a window are its weakest; dropped ones are made anew by the next window.",
        "windows", minimum=0, maximum=20, step=4, unit="frames", applies=_HAS_WINDOWS, visible_if=VIDEO_MODE,
    ),
    Param(
        "sliding_window_trim_first_frames", "int", 0, "Frames cut at a window's start",
        "Cut from the start of each later window; only where windows do not overlap.",
        "windows", minimum=0, maximum=10, step=1, unit="frames", applies=_HAS_WINDOWS, visible_if=VIDEO_MODE,
    ),
    Param(
        "sub_parallel_window_size", "int", 0, "Inner window",
        "Splits a window into parts that are denoised side by side; 0 leaves it whole.",
        "windows", minimum=0, maximum=2000, step=1, unit="frames", applies=is_set("sub_parallel_windows"),
    ),
    Param(
        "sub_parallel_window_overlap", "int", 17, "Overlap of inner windows",
        "Frames that neighbouring inner windows share.",
        "windows", minimum=0, maximum=500, step=1, unit="frames", applies=is_set("sub_parallel_windows"),
        visible_if=at_least("sub_parallel_window_size", 1),
    ),
    Param(
        "keep_intermediate_sliding_windows", "bool_int", 1, "Keep the clip after each window",
        "Saves what there is after each window, so that a long clip can be looked at while it grows.",
        "windows", applies=_HAS_WINDOWS, visible_if=VIDEO_MODE,
    ),
)  # fmt: skip
