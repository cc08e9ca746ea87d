"""The suffix grammar of virtual media, and sources held in memory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import MediaError
from shared.media import virtual
from shared.media.virtual import (
    VirtualMediaSpec,
    build_virtual_media_path,
    clamp_virtual_frame_range,
    parse_virtual_media_path,
    replace_virtual_media_source,
    strip_virtual_media_suffix,
)


@pytest.mark.parametrize("value", ["", "clip.mp4", " | start_frame=1", None, 7, ["a|b"]])
def test_a_path_without_suffix_is_not_virtual(value):
    assert parse_virtual_media_path(value) is None
    assert strip_virtual_media_suffix(value) is value


def test_the_suffix_is_parsed_into_its_parts():
    spec = parse_virtual_media_path(
        " /a b/c.mp4 | START_FRAME = 3, end_frame=-2 ,audio_track_no=2,hdr=Yes,flag,frame_count=9"
    )
    assert spec == VirtualMediaSpec("/a b/c.mp4", 3, -2, 2, (("hdr", "Yes"), ("flag", ""), ("frame_count", "9")))
    assert spec.is_hdr and spec.frame_count == 9


def test_only_the_first_bar_splits():
    spec = parse_virtual_media_path("a.mp4|x=1|2,start_frame=4")
    assert (spec.source_path, spec.start_frame, spec.extras) == ("a.mp4", 4, (("x", "1|2"),))


def test_numbers_that_cannot_be_read_fall_to_their_default():
    spec = parse_virtual_media_path("a.mp4|start_frame=one,end_frame=,audio_track_no=x,frame_count=many")
    assert spec == VirtualMediaSpec("a.mp4", extras=(("frame_count", "many"),))
    assert spec.frame_count is None


def test_building_and_parsing_are_inverse():
    text = build_virtual_media_path("a.mp4", start_frame=0, end_frame=9, audio_track_no=1, extras={"hdr": 1, "no": ""})
    assert text == "a.mp4|start_frame=0,end_frame=9,audio_track_no=1,hdr=1"
    assert parse_virtual_media_path(text) == VirtualMediaSpec("a.mp4", 0, 9, 1, (("hdr", "1"),))
    assert build_virtual_media_path("a.mp4") == "a.mp4"


def test_replacing_the_source_keeps_the_suffix_but_not_start_zero():
    assert (
        replace_virtual_media_source("a.mp4|start_frame=0,end_frame=3,flag", "/b/c.mkv") == "/b/c.mkv|end_frame=3,flag"
    )
    assert replace_virtual_media_source("a.mp4", "b.mp4") == "b.mp4"


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("start_frame=2,end_frame=5", (2, 5)),
        ("start_frame=-3", (7, 9)),
        ("end_frame=-2", (0, 8)),
        ("start_frame=50", (9, 9)),
        ("start_frame=5,end_frame=2", (5, 5)),
        ("start_frame=-50,end_frame=50", (0, 9)),
        ("frame_count=4", (0, 3)),
    ],
)
def test_frame_ranges_are_clamped_to_the_source(suffix, expected):
    assert clamp_virtual_frame_range(parse_virtual_media_path(f"a.mp4|{suffix}"), 10) == expected


def test_an_empty_source_has_an_empty_range():
    assert clamp_virtual_frame_range(VirtualMediaSpec("a"), 0) == (0, -1)
    assert clamp_virtual_frame_range(None, 4) == (0, 3)


@pytest.fixture
def vsource():
    yield "test-source"
    virtual.clear_virtual_media_source("test-source")


def test_a_video_in_memory_is_found_by_its_path(vsource):
    tensor = np.linspace(-1, 1, 3 * 4 * 2 * 2, dtype=np.float32).reshape(3, 4, 2, 2)
    virtual.store_virtual_video(vsource, "part.mp4", tensor, 12)
    path = build_virtual_media_path("part.mp4", extras={"vsource": vsource})
    assert virtual.get_virtual_video(path) is tensor
    assert virtual.get_virtual_video(vsource, "part.mp4") is tensor
    assert virtual.get_virtual_image(path) is None
    assert virtual.get_virtual_media_vsource(path) == vsource
    assert virtual.media_source_exists(path)
    frames, fps = virtual.virtual_frames(path)
    assert frames.shape == (4, 2, 2, 3) and frames.dtype == np.uint8 and fps == 12
    assert frames[0, 0, 0, 0] == 0 and frames[-1, -1, -1, -1] == 255


def test_an_image_in_memory_is_found_by_its_path(vsource):
    virtual.store_virtual_image(vsource, "start", Image.new("RGB", (3, 2), (9, 8, 7)))
    path = f"start|vsource={vsource}"
    assert virtual.get_virtual_image(path).size == (3, 2)
    assert virtual.virtual_frames(path)[0].tolist() == [[[[9, 8, 7]] * 3] * 2]


def test_a_cleared_source_is_gone(vsource):
    virtual.store_virtual_image(vsource, "start", Image.new("RGB", (3, 2)))
    virtual.clear_virtual_media_source(vsource)
    path = f"start|vsource={vsource}"
    assert not virtual.media_source_exists(path)
    with pytest.raises(MediaError, match="held in memory"):
        virtual.virtual_frames(path)


def test_files_exist_with_or_without_a_suffix(tmp_path):
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    assert virtual.media_source_exists(str(file)) and virtual.media_source_exists(f"{file}|start_frame=1")
    assert not virtual.media_source_exists(str(tmp_path)) and not virtual.media_source_exists("")


def test_the_published_import_path_offers_every_name():
    from shared.utils import virtual_media

    assert set(virtual_media.__all__) == set(virtual.__all__) - {"virtual_frames"}
