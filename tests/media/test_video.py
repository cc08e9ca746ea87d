"""Reading clips: what they are, their frames by number, and what is said about files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import MediaError
from shared.media.audio import AudioClip, write_audio
from shared.media.video import frame_at, iter_frames, probe, read_frames, write_video
from shared.media.virtual import clear_virtual_media_source, store_virtual_video
from tests.media.conftest import encode_raw, number_of, numbered_frames, numbers_of, psnr


@pytest.fixture(scope="module")
def clip(tmp_path_factory, frames):
    return str(write_video(frames, tmp_path_factory.mktemp("clip") / "clip.mp4", 16))


def test_a_probe_tells_what_the_clip_is(clip):
    info = probe(clip)
    assert (info.width, info.height, info.fps, info.num_frames) == (96, 64, 16.0, 60)
    assert info.duration_s == pytest.approx(3.75) and not info.has_audio
    assert (info.codec, info.pix_fmt) == ("h264", "yuv420p")


def test_a_probe_of_a_part_tells_about_the_part(clip):
    assert probe(f"{clip}|start_frame=10,end_frame=19").num_frames == 10


def test_frames_read_back_are_the_frames_written(clip, frames):
    read, fps = read_frames(clip)
    assert fps == 16 and read.dtype == np.uint8 and read.shape == frames.shape
    assert numbers_of(read) == list(range(60))
    assert psnr(read, frames) > 32


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"start": 3, "end": 5}, [3, 4, 5]),
        ({"start": -2}, [58, 59]),
        ({"start": 50, "end": -9}, [50, 51]),
        ({"end": -59}, [0, 1]),
        ({"start": 30, "max_frames": 2}, [30, 31]),
        ({"start": 58, "end": 900}, [58, 59]),
        ({"start": 700}, [59]),
    ],
)
def test_frames_are_picked_by_number(clip, arguments, expected):
    assert numbers_of(read_frames(clip, **arguments)[0]) == expected


def test_a_suffix_picks_frames_and_numbers_count_within_it(clip):
    part = f"{clip}|start_frame=20,end_frame=-31"
    assert numbers_of(read_frames(part)[0]) == list(range(20, 30))
    assert numbers_of(read_frames(part, 2, 3)[0]) == [22, 23]
    assert numbers_of(read_frames(part, -1)[0]) == [29]
    assert number_of(frame_at(part, 4)) == 24


CLIPS = {
    "b-frames": ("a.mp4", {"options": {"g": "20", "bf": "3"}}),
    "open-gop": ("a.mkv", {"options": {"g": "12", "bf": "3", "x264-params": "open-gop=1"}}),
    "x265-open-gop": (
        "a.mp4",
        {"encoder": "libx265", "options": {"x265-params": "keyint=16:open-gop=1:bframes=4:log-level=none"}},
    ),
    "changing-frame-rate": (
        "a.mkv",
        {"options": {"g": "10"}, "times": [40 * n + (17 * n * n) % 30 for n in range(60)]},
    ),
    "all-key-frames": ("a.mov", {"options": {"g": "1"}}),
    "mpeg4": ("a.avi", {"encoder": "mpeg4", "options": {"g": "15", "qscale": "2"}}),
}


@pytest.mark.parametrize("name", CLIPS)
def test_seeking_gives_exactly_the_frames_of_a_full_read(tmp_path, frames, name):
    file, options = CLIPS[name]
    path = encode_raw(tmp_path / file, frames, **options)
    everything = read_frames(path)[0]
    assert numbers_of(everything) == list(range(60))
    for number in (25, 26, 33, 47, 59):
        assert np.array_equal(frame_at(path, number), everything[number])
    assert np.array_equal(read_frames(path, 31, 52)[0], everything[31:53])


def test_frames_come_one_by_one_without_being_held(clip):
    frames = iter_frames(clip, 40)
    assert number_of(next(frames)) == 40 and number_of(next(frames)) == 41
    frames.close()


def test_a_wanted_size_is_filled_and_the_rest_cut_off_evenly(clip):
    square = read_frames(clip, 0, 1, size=(32, 32))[0]
    assert square.shape == (2, 32, 32, 3)
    middle = np.asarray(
        Image.fromarray(frame_at(clip)).crop((16, 0, 80, 64)).resize((32, 32), Image.Resampling.LANCZOS)
    )
    assert psnr(square[0], middle) > 35


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_a_rotated_clip_is_shown_upright(tmp_path, frames, rotation, turns):
    path = encode_raw(tmp_path / "phone.mp4", frames[:3], rotation=rotation)
    info = probe(path)
    expected = np.rot90(frames[0], turns)
    assert (info.height, info.width) == expected.shape[:2]
    assert psnr(frame_at(path), np.ascontiguousarray(expected)) > 30


def test_too_many_frames_for_the_memory_are_refused_with_the_figure(clip):
    with pytest.raises(MediaError, match=r"60 frames of 96x64 would take 1 MB of memory; at most 0 MB .*start_frame"):
        read_frames(clip, max_bytes=100_000)
    assert len(read_frames(clip, 0, 4, max_bytes=100_000)[0]) == 5


def test_a_clip_in_memory_is_read_like_a_file():
    tensor = np.moveaxis(numbered_frames(12), -1, 0).astype(np.float32) / 127.5 - 1
    store_virtual_video("video-test", "held", tensor, 8)
    try:
        assert numbers_of(read_frames("held|vsource=video-test,start_frame=4", 1, 2)[0]) == [5, 6]
        assert probe("held|vsource=video-test").num_frames == 12
        assert [number_of(f) for f in iter_frames("held|vsource=video-test,start_frame=-2")] == [10, 11]
    finally:
        clear_virtual_media_source("video-test")


def bad_file(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("story.mp4", b"Once upon a time", "a text file"),
        ("page.mp4", b"<!DOCTYPE html><p>404", "a web page"),
        ("empty.mp4", b"", "an empty file"),
        ("pack.mkv", b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        ("photo.mp4", b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
        ("noise.mp4", bytes(range(256)) * 8, "damaged"),
        ("head.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "damaged"),
    ],
)
def test_a_file_that_is_no_clip_is_named_and_told_what_it_is(tmp_path, name, content, what):
    path = bad_file(tmp_path, name, content)
    for read in (probe, read_frames, frame_at):
        with pytest.raises(MediaError) as raised:
            read(path)
        assert name in str(raised.value) and what in str(raised.value)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("kept", [0.98, 0.5, 0.1])
def test_a_clip_that_is_cut_short_is_refused(tmp_path, frames, extension, kept):
    path = write_video(frames, tmp_path / f"whole.{extension}", 16)
    data = path.read_bytes()
    cut = bad_file(tmp_path, f"cut.{extension}", data[: int(len(data) * kept)])
    with pytest.raises(MediaError, match=r"cut\.\w+: the file is cut short"):
        probe(cut)
    with pytest.raises(MediaError, match="cut short"):
        read_frames(cut)


def test_bytes_appended_to_a_whole_clip_do_no_harm(tmp_path, clip):
    for tail in (b"TAG" + bytes(125), b"made by a camera, 2026, serial 123", bytes(3)):
        path = bad_file(tmp_path, "tail.mp4", Path(clip).read_bytes() + tail)
        assert numbers_of(read_frames(path, 0, 2)[0]) == [0, 1, 2]


def test_a_clip_with_damaged_content_is_refused(tmp_path, clip):
    data = bytearray(Path(clip).read_bytes())
    start = data.find(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    with pytest.raises(MediaError, match="damaged"):
        read_frames(bad_file(tmp_path, "zeros.mp4", bytes(data)))


def test_an_mp4_with_sound_alone_is_told_to_hold_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    write_audio(AudioClip(np.zeros((8000, 1), np.float32), 8000), path, "aac_64")
    with pytest.raises(MediaError, match=r"song\.mp4: this file holds no video, only sound"):
        probe(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.mp4: there is no such file"):
        probe(tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="this is a folder"):
        probe(tmp_path)
