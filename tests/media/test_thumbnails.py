"""Strips for previews and small pictures for galleries."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import MediaError
from shared.media.thumbnails import jpeg, strip, thumbnail
from shared.media.video import write_video
from tests.media.conftest import number_of, numbered_frames, psnr


def test_a_strip_shows_the_clip_from_first_to_last_frame():
    frames = numbered_frames(60)
    wide = strip(frames, 64, max_frames=5)
    assert wide.mode == "RGB" and wide.size == (5 * 96, 64)
    shown = [number_of(np.asarray(wide)[:, place * 96 : (place + 1) * 96]) for place in range(5)]
    assert shown == [0, 15, 30, 44, 59]


def test_a_strip_keeps_the_ratio_and_is_bounded():
    assert strip(numbered_frames(3), 32).size == (3 * 48, 32)
    assert strip(numbered_frames(60), 64, max_frames=60).width <= 4096
    assert strip(numbered_frames(1), 64).size == (96, 64)


def test_a_strip_of_nothing_is_refused():
    with pytest.raises(MediaError, match="at least one frame"):
        strip(numbered_frames(0), 32)


def test_previews_are_small_jpegs():
    image = Image.fromarray(numbered_frames(1)[0])
    data = jpeg(image)
    assert data[:3] == b"\xff\xd8\xff" and len(data) < 6000
    assert psnr(np.asarray(Image.open(io.BytesIO(data))), np.asarray(image)) > 28


def test_a_thumbnail_of_a_clip_is_its_first_frame_in_a_square(tmp_path):
    path = write_video(numbered_frames(3), tmp_path / "clip.mp4", 8)
    assert thumbnail(path, 48).size == (48, 32)
    assert thumbnail(Image.new("RGBA", (10, 10)), 48).size == (10, 10)
