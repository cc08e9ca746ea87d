"""The cutting of long clips, with the values of WanGP's own planner."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.units import FrameRule
from shared.diffusion.windows import Window, WindowRule, plan_windows

ANY_LENGTH = WindowRule(FrameRule(minimum=1, step=1, offset=1), overlap_step=1, overlap_max=8)


def outputs(windows: list[Window]) -> list[int]:
    return [window.output for window in windows]


@pytest.mark.parametrize(
    ("total", "size", "overlap", "discard", "expected"),
    [
        (81, 81, 5, 0, [81]),
        (81, 81, 5, 8, [81]),
        (161, 81, 5, 0, [81, 76, 4]),
        (161, 81, 5, 8, [73, 68, 20]),
        (241, 129, 17, 0, [129, 112]),
    ],
)
def test_windows_have_the_lengths_of_wangp(
    total: int, size: int, overlap: int, discard: int, expected: list[int]
) -> None:
    assert outputs(plan_windows(total, size, overlap, discard)) == expected


@pytest.mark.parametrize("discard", [0, 8])
@pytest.mark.parametrize("total", range(5, 400, 7))
def test_every_frame_is_made_once_in_windows_the_model_can_make(total: int, discard: int) -> None:
    rule = WindowRule(overlap_max=33)
    windows = plan_windows(total, 81, 9, discard, rule)
    assert sum(outputs(windows)) == total
    for window in windows:
        assert rule.frames.is_valid(window.num_frames)
        assert window.num_frames <= 81
        assert window.dropped >= 0
        assert window.overlap <= window.start
        assert window.start == sum(outputs(windows[: window.index]))
        assert window.overlap == 0 or (window.overlap - 1) % 4 == 0


def test_an_overlap_grows_where_frames_would_be_made_for_nothing() -> None:
    rule = WindowRule(FrameRule(minimum=17, step=4, offset=1), overlap_max=13)
    last = plan_windows(82, 81, 5, rule=rule)[-1]
    assert (last.output, last.num_frames, last.overlap, last.dropped) == (1, 17, 13, 3)


def test_an_overlap_never_grows_without_leave() -> None:
    rule = WindowRule(FrameRule(minimum=17, step=4, offset=1))
    assert plan_windows(82, 81, 5, rule=rule)[-1].overlap == 5


def test_a_continued_clip_counts_its_last_frame_as_the_first() -> None:
    windows = plan_windows(81, 81, 5, source_frames=40)
    assert sum(outputs(windows)) == 80
    assert [window.overlap for window in windows] == [5, 5]
    assert outputs(windows) == [76, 4]


def test_a_continued_clip_overlaps_no_more_than_it_has() -> None:
    windows = plan_windows(30, 17, 5, rule=ANY_LENGTH, source_frames=2)
    assert [window.overlap for window in windows][:2] == [2, 5]
    assert sum(outputs(windows)) == 29


def test_a_model_of_any_length_makes_no_surplus() -> None:
    windows = plan_windows(40, 17, 5, rule=ANY_LENGTH)
    assert outputs(windows) == [17, 12, 11]
    assert [window.dropped for window in windows] == [0, 0, 0]


def test_windows_without_overlap_stand_side_by_side() -> None:
    windows = plan_windows(50, 17, 0)
    assert outputs(windows) == [17, 17, 16]
    assert [window.overlap for window in windows] == [0, 0, 0]


def test_an_overlap_as_large_as_the_window_is_refused() -> None:
    with pytest.raises(SettingsError, match="sliding_window_overlap: 97 frames is not smaller than the window"):
        plan_windows(300, 81, 97)
