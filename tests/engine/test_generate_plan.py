"""Planning without a model: clips, sizes, speeds, windows, the status line, grain."""

from __future__ import annotations

import numpy as np
import pytest

from shared.core.errors import SettingsError
from shared.core.prompts import PromptUnit, split_prompt
from shared.core.units import FrameRule
from shared.diffusion.windows import WindowRule
from shared.engine.canvas import plan_fps, plan_length, plan_size
from shared.engine.plan import plan_clips, sample_seed, window_seed
from shared.engine.postprocess import Postprocessing, add_grain, read_postprocessing
from shared.engine.scene_control import grow
from shared.engine.status import Clock, Position, duration_text, status_text
from shared.engine.window_plan import WindowLimits, plan_clip
from tests.fakes.engine import numpy_model

A, B, C = (PromptUnit(text) for text in "abc")


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def clips(prompts: list[list[PromptUnit]], starts: list[int], ends: list[int], **options: object) -> list[tuple]:
    made = plan_clips(prompts, starts, ends, **{"mode": "PG", "pairwise": False, **options})  # type: ignore[arg-type]
    return [("".join(unit.text for unit in clip.prompts), clip.image_start, clip.image_ends) for clip in made]


def test_end_images_go_with_start_images_or_serve_all() -> None:
    assert clips([[A]], [1, 2], [8, 9]) == [("a", 1, (8,)), ("a", 2, (9,))]
    assert clips([[A]], [1, 2], [9]) == [("a", 1, (9,)), ("a", 2, (9,))]
    assert clips([[A]], [], [8, 9]) == [("a", None, (8,)), ("a", None, (9,))]
    assert clips([[A, B]], [1], [7, 8, 9], mode="W") == [("ab", 1, (7, 8, 9))]


def test_counts_that_do_not_match_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"image_end: 3 images for 2 start images"):
        clips([[A]], [1, 2], [7, 8, 9])
    with pytest.raises(SettingsError, match=r"multi_images_gen_type: 3 prompts and 2 images"):
        clips([[A], [B], [C]], [1, 2], [], pairwise=True)


def test_pairs_repeat_the_shorter_list_in_blocks() -> None:
    prompts = [[A], [B]]

    assert [clip[:2] for clip in clips(prompts, [1, 2, 3, 4], [], pairwise=True)] == [
        ("a", 1),
        ("a", 2),
        ("b", 3),
        ("b", 4),
    ]


def test_seeds_stay_within_their_bounds() -> None:
    assert sample_seed(5, 1) == window_seed(5, 1) == 5
    assert sample_seed(999_999_999, 2) == 0
    assert 0 <= window_seed(999_999_999, 3) <= 999_999_999


def test_the_status_line_has_its_parts_only_where_there_are_several() -> None:
    time = Time()
    clock = Clock(time)
    time.now += 4
    clock.begin_generating()
    time.now += 6

    assert status_text(Position(), "Denoising", clock) == "Denoising | 10.0s"
    line = status_text(Position(1, 2, 1, 3), "Denoising", clock, of_window=0.6)
    assert line == "Prompt 1/2, Sample 1/3 - Denoising | 10.0s / 1m 04s"
    assert status_text(Position(windows=4, window_no=3), "VAE decoding", clock).startswith(
        "Sliding Window 3/4 - VAE decoding | "
    )


@pytest.mark.parametrize(("seconds", "text"), [(7.24, "7.2s"), (125, "2m 05s"), (3720, "1h 02m")])
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("force_fps", "fps"),
    [("", 16), (0, 16), ("auto", 25), ("source", 25), ("control", 30), ("23.976", 23.976), (24, 24)],
)
def test_frames_a_second(force_fps: object, fps: float) -> None:
    assert plan_fps(force_fps, 16, 25, 30, lambda text: None) == fps


def test_a_speed_of_a_clip_that_is_not_there_is_told() -> None:
    told: list[str] = []

    assert plan_fps("source", 16, None, 30, told.append) == 16
    assert plan_fps("auto", 16, None, 30, told.append) == 30
    assert len(told) == 1 and "video_source" in told[0]
    with pytest.raises(SettingsError, match="force_fps"):
        plan_fps("fast", 16, None, None, told.append)


@pytest.mark.parametrize(
    ("resolution", "shape", "mode", "made", "enlarged_to"),
    [
        ("64x48", None, 0, (64, 48), None),
        ("70x50", None, 0, (64, 48), None),
        ("64x64", (200, 100), 0, (96, 48), None),
        ("64x64", (200, 100), 1, (64, 32), None),
        ("64x64", (200, 100), 2, (64, 64), None),
        ("1280x704", None, 0, (256, 144), (1280, 704)),
        ("512x512", (100, 100), 0, (256, 256), (512, 512)),
    ],
)
def test_sizes(resolution: str, shape: object, mode: object, made: object, enlarged_to: object) -> None:
    size = plan_size(resolution, numpy_model(), shape, mode, lambda text: None)  # type: ignore[arg-type]

    assert ((size.width, size.height), size.enlarged_to) == (made, enlarged_to)


def test_lengths() -> None:
    told: list[str] = []
    model = numpy_model()

    assert plan_length({"video_length": 9}, model, 8, told.append) == 9 and not told
    assert plan_length({"video_length": "2s"}, model, 8, told.append) == 17
    assert plan_length({"video_length": 9, "image_mode": 1}, model, 8, told.append) == 1


def test_commanded_windows_fit_the_model() -> None:
    limits = WindowLimits(WindowRule(FrameRule(1, 4, 1), 4, 9), 17, 5, 0, 5)
    units = split_prompt("one [/duration=20]\ntwo [/overlap=9]\nthree", "W")

    plan = plan_clip(units, 60, limits, fps=8)

    assert [unit.text for unit in plan.prompts] == ["one", "one", "two", "three"]
    assert [window.output for window in plan.windows] == [17, 3, 8, 12]
    assert [window.overlap for window in plan.windows] == [0, 5, 9, 5]
    assert all(window.num_frames <= 17 and (window.num_frames - 1) % 4 == 0 for window in plan.windows)
    assert [window.start for window in plan.windows] == [0, 17, 20, 28]


def test_a_mask_grows_and_shrinks_by_pixels() -> None:
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 4, 4] = 255

    assert (grow(mask, 2) > 0).sum() == 25
    np.testing.assert_array_equal(grow(grow(mask, 2), -2), mask)


def test_grain_is_grey_or_coloured_and_spares_black_and_white() -> None:
    random = np.random.default_rng(0)
    mid = np.full((32, 32, 3), 128, np.uint8)
    grey = add_grain(mid, Postprocessing(grain_intensity=0.5, grain_saturation=0), random).astype(int)
    coloured = add_grain(mid, Postprocessing(grain_intensity=0.5, grain_saturation=1), random).astype(int)

    assert (grey[..., 0] == grey[..., 2]).all() and 20 < grey.std() < 45
    assert (coloured[..., 0] != coloured[..., 2]).mean() > 0.9
    for level in (0, 255):
        frame = np.full((8, 8, 3), level, np.uint8)
        np.testing.assert_array_equal(add_grain(frame, Postprocessing(grain_intensity=1), random), frame)


@pytest.mark.parametrize("settings", [{"temporal_upsampling": "rife2"}, {"spatial_upsampling": "flashvsr2"}])
def test_upsamplers_that_are_not_here_are_refused_by_name(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        read_postprocessing(settings)
