"""Frames, durations, sizes and frame selections (wangp.md 9.1, 9.3, 9.6)."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.units import (
    FrameRule,
    fit_canvas,
    largest_size,
    outpainted_size,
    parse_frame_positions,
    parse_kept_frames,
    parse_kept_source,
    parse_kept_source_range,
    parse_outpainting,
    parse_resolution,
    parse_seconds,
    round_overlap,
    round_size,
    seconds_to_frames,
)

WAN = FrameRule(5, 4, 1)
LTX = FrameRule(9, 8, 1)


@pytest.mark.parametrize(
    ("num_frames", "up", "down", "nearest"),
    [(81, 81, 81, 81), (80, 81, 77, 81), (82, 85, 81, 81), (83, 85, 81, 81), (84, 85, 81, 85), (1, 5, 5, 5)],
)
def test_lengths_are_one_and_a_multiple_of_four(num_frames: int, up: int, down: int, nearest: int) -> None:
    assert (WAN.round_up(num_frames), WAN.round_down(num_frames), WAN.nearest(num_frames)) == (up, down, nearest)
    assert WAN.is_valid(nearest) and WAN.is_valid(num_frames) == (num_frames == 81)


def test_other_rules_have_other_steps() -> None:
    assert [LTX.nearest(n) for n in (1, 13, 14, 97)] == [9, 9, 17, 97]
    assert [FrameRule(1, 1, 0).nearest(n) for n in (0, 1, 12)] == [1, 1, 12]
    assert WAN.latent_frames(81) == 21 and WAN.latent_frames(1) == 1 and LTX.latent_frames(97) == 13


@pytest.mark.parametrize(("overlap", "valid"), [(0, 0), (1, 1), (3, 1), (4, 5), (5, 5), (7, 5), (8, 9), (17, 17)])
def test_an_overlap_goes_to_the_nearest_step_and_zero_stays(overlap: int, valid: int) -> None:
    assert round_overlap(overlap) == valid


def test_seconds_become_the_nearest_valid_length() -> None:
    assert seconds_to_frames(10, 16, WAN) == 161
    assert seconds_to_frames(5, 16, WAN) == 81
    assert seconds_to_frames(4, 24, LTX) == 97
    assert seconds_to_frames(0.01, 16, WAN) == 5


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), (" 2.5 s", 2.5), ("81", None), ("fast", None)])
def test_a_duration_is_a_number_and_an_s(text: str, seconds: float | None) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0s", "-2s", "infs", "nans"])
def test_a_duration_is_above_zero(text: str) -> None:
    with pytest.raises(SettingsError, match="Use a duration above 0"):
        parse_seconds(text)


def test_a_resolution_is_two_numbers() -> None:
    assert parse_resolution("832x480") == parse_resolution(" 832 X 480 ") == (832, 480)
    for text in ("832", "832x", "axb", "-1x5", "1.5x2"):
        with pytest.raises(SettingsError, match='Use width x height, such as "832x480"'):
            parse_resolution(text)


def test_sides_become_multiples() -> None:
    assert round_size(1280, 704, 16) == (1280, 704)
    assert round_size(1280, 720, 32) == (1280, 736)
    assert round_size(3, 5, 16) == (16, 16)


@pytest.mark.parametrize(
    ("mode", "source", "size"),
    [
        (0, (1920, 1080), (832, 480)), (0, (1080, 1920), (480, 848)), (0, (500, 500), (640, 640)),
        (1, (500, 500), (480, 480)), (1, (1920, 1080), (832, 464)), (2, (500, 500), (832, 480)),
    ],
)  # fmt: skip
def test_a_canvas_is_a_pixel_budget_a_box_or_exact(mode: int, source: tuple[int, int], size: tuple[int, int]) -> None:
    width, height = fit_canvas((832, 480), source, mode)  # type: ignore[arg-type]
    assert width % 16 == height % 16 == 0
    if mode == 0:
        assert abs(width * height / (832 * 480) - 1) < 0.06
        assert abs(width / height / (source[0] / source[1]) - 1) < 0.06
    else:
        assert (width, height) == size


@pytest.mark.parametrize(
    ("asked", "made"),
    [((1280, 704), (256, 128)), ((704, 1280), (128, 256)), ((512, 512), (256, 256)), ((832, 480), (256, 160)),
     ((300, 100), (256, 96)), ((8192, 16), (256, 32)), ((256, 256), (256, 256)), ((100, 90), (100, 90))],
)  # fmt: skip
def test_a_size_that_is_too_large_becomes_the_largest_of_its_shape(
    asked: tuple[int, int], made: tuple[int, int]
) -> None:
    assert largest_size(*asked, max_side=256, max_pixels=65536, multiple=32) == made


def test_outpainting_is_top_bottom_left_right() -> None:
    assert parse_outpainting("25 0 10 5.5") == (25, 0, 10, 5.5)
    assert parse_outpainting("#") is None and parse_outpainting("# 1 2 3 4") is None and parse_outpainting("") is None
    assert outpainted_size(100, 200, (25, 25, 10, 0)) == (110, 300)
    with pytest.raises(SettingsError, match="four percentages"):
        parse_outpainting("1 2 3")


def test_positions_count_from_one_and_l_is_the_end_of_each_window_in_turn() -> None:
    assert parse_frame_positions("1 41, 81") == [0, 40, 80]
    assert parse_frame_positions("L L 5", window_ends=[80, 156]) == [80, 156, 4]
    assert parse_frame_positions("L", num_frames=49) == [48]
    assert parse_frame_positions("") == []
    for text in ("0", "3001", "-1", "x"):
        with pytest.raises(SettingsError, match="Use numbers from 1 to 3000 or the letter L"):
            parse_frame_positions(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", "11111"), ("1", "1"), ("-1", "00001"), ("2:4", "0111"), ("0:2", "11"), ("1 -1", "10001"),
        ("-2:-1", "00011"), ("4:9", "00011"), ("9", ""),
    ],
)  # fmt: skip
def test_kept_frames_are_a_mask_cut_after_the_last_kept_one(text: str, kept: str) -> None:
    assert parse_kept_frames(text, 5) == [flag == "1" for flag in kept]


@pytest.mark.parametrize("text", ["0", "a", "1:2:3", "1-2"])
def test_kept_frames_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^keep_frames_video_guide: "):
        parse_kept_frames(text, 5)


def test_the_source_keeps_the_first_frames_or_drops_the_last() -> None:
    assert [parse_kept_source(text, 20) for text in ("", "5", "50", "-3", "-30")] == [20, 5, 20, 17, 0]
    assert [parse_kept_source_range(text, 20) for text in ("1:5", "3:8", "5:-1", "9:2", "", "7")] == [
        (0, 5), (2, 8), (4, 20), (8, 8), (0, 20), (0, 7),
    ]  # fmt: skip
    for text in ("0", "1 5", "x"):
        with pytest.raises(SettingsError, match=r"^keep_frames_video_source: "):
            parse_kept_source(text, 20)
