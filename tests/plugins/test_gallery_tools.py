"""The gallery tools' work on real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugins.gallery_tools.tools import at_speed, side_by_side, take_frames
from shared.core.errors import MediaError
from shared.media.audio import AudioClip
from shared.media.images import load_image, save_image
from shared.media.video import probe, read_frames, write_video


def levels(path: Path) -> list[int]:
    return [round(float(frame.mean())) for frame in read_frames(path)[0]]


@pytest.fixture
def clip(tmp_path: Path) -> str:
    frames = [np.full((32, 48, 3), 10 * number, np.uint8) for number in range(17)]
    sound = AudioClip(np.sin(np.arange(3 * 8000) / 20).astype(np.float32)[:, None] / 2, 8000)
    return str(write_video(frames, tmp_path / "clip.mp4", 8, audio=sound))


def test_frames_are_taken_by_number_time_and_from_the_end(clip: str, tmp_path: Path) -> None:
    paths = take_frames(clip, "1 5 L", tmp_path)

    found = [round(float(np.asarray(load_image(path)).mean())) for path in paths]
    assert found == pytest.approx([0, 40, 160], abs=3)
    assert len(take_frames(clip, "all", tmp_path)) == 17


@pytest.mark.parametrize(("speed", "count"), [(0.5, 34), (1, 17), (2, 8), (4, 4)])
def test_a_clip_at_another_speed_has_another_length(clip: str, tmp_path: Path, speed: float, count: int) -> None:
    info = probe(at_speed(clip, speed, False, tmp_path))

    assert (info.num_frames, info.fps, info.has_audio) == (count, 8, False)


def test_slowed_frames_lie_between_those_of_the_source(clip: str, tmp_path: Path) -> None:
    assert levels(at_speed(clip, 0.5, False, tmp_path))[:6] == pytest.approx([0, 5, 10, 15, 20, 25], abs=3)


def test_backwards_begins_with_the_last_frame(clip: str, tmp_path: Path) -> None:
    assert levels(at_speed(clip, 1, True, tmp_path)) == pytest.approx([*range(160, -1, -10)], abs=3)


@pytest.mark.parametrize("speed", [0, 0.05, 11, -1])
def test_speeds_out_of_reach_are_refused(clip: str, tmp_path: Path, speed: float) -> None:
    with pytest.raises(MediaError, match="speed"):
        at_speed(clip, speed, False, tmp_path)


def test_two_clips_side_by_side_keep_time(clip: str, tmp_path: Path) -> None:
    faster = str(write_video([np.full((64, 64, 3), 5 * n, np.uint8) for n in range(34)], tmp_path / "b.mp4", 16))

    made = side_by_side(clip, faster, tmp_path)

    info = probe(made)
    assert (info.width, info.height, info.fps, info.num_frames, info.has_audio) == (82, 32, 16, 34, True)
    frame = read_frames(made)[0][20]
    assert frame[:, :48].mean() == pytest.approx(100, abs=4) and frame[:, 52:].mean() == pytest.approx(100, abs=4)


def test_a_picture_stands_still_beside_a_clip_and_two_pictures_make_a_picture(clip: str, tmp_path: Path) -> None:
    picture = str(save_image(np.full((16, 16, 3), 200, np.uint8), tmp_path / "still.png", "png"))

    beside = read_frames(side_by_side(picture, clip, tmp_path))[0]
    both = load_image(side_by_side(picture, picture, tmp_path))

    assert len(beside) == 17 and np.abs(beside[:, :, :14].astype(int) - 200).max() < 12
    assert both.size == (34, 16)
