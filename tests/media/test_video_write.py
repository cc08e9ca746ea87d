"""Writing clips: codecs, containers, sound, and what is left when it fails."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from shared.core.errors import MediaError, WanGPError
from shared.media.audio import AudioClip, read_audio
from shared.media.metadata import read_settings
from shared.media.sniff import sniff_file
from shared.media.video import probe, read_frames, write_video
from shared.media.video_write import CODECS, video_extension
from tests.media.conftest import numbered_frames, numbers_of, psnr

ROOT = Path(__file__).resolve().parents[2]


def boxes(path):
    """Names of the top-level boxes of an mp4 or mov, in order."""
    data, position, names = path.read_bytes(), 0, []
    while position + 8 <= len(data):
        names.append(data[position + 4 : position + 8].decode("latin-1"))
        position += int.from_bytes(data[position : position + 4], "big")
    return names


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "dnxhr_hq"])
def test_every_codec_gives_back_its_frames(tmp_path, frames, codec):
    path = write_video(frames[:12], tmp_path / f"clip{video_extension(codec)}", 24, codec)
    read, fps = read_frames(path)
    assert fps == 24 and numbers_of(read) == list(range(12))
    assert psnr(read, frames[:12]) > (28 if codec.endswith("_28") else 33)


def test_the_lossless_codec_gives_back_the_same_pixels(tmp_path, frames):
    path = write_video(frames[:6], tmp_path / "clip.mp4", 24, "libx264_lossless")
    assert np.array_equal(read_frames(path)[0], frames[:6])


def test_dnxhr_needs_a_larger_picture_and_says_so(tmp_path):
    with pytest.raises(MediaError, match="at least 256x120; the frames are 96x64"):
        write_video(numbered_frames(2), tmp_path / "clip.mov", 24, "dnxhr_hq")
    path = write_video(numbered_frames(2, 256, 128), tmp_path / "clip.mov", 24, "dnxhr_hq")
    assert probe(path).codec == "dnxhd"


@pytest.mark.parametrize("settings", [None, {"prompt": "a ball"}])
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_the_default_clip_plays_in_a_browser(tmp_path, frames, container, settings):
    path = write_video(frames[:9], tmp_path / f"clip.{container}", 16, metadata=settings)
    info, order = probe(path), boxes(path)
    assert (info.codec, info.pix_fmt) == ("h264", "yuv420p")
    assert order.index("moov") < order.index("mdat")
    assert read_settings(path) == settings
    with av.open(str(path)) as opened:
        frame = next(opened.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


def test_colours_survive(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 255, 255), (0, 0, 0), (120, 60, 200)]
    flat = np.stack([np.full((64, 64, 3), colour, np.uint8) for colour in colours])
    read, _ = read_frames(write_video(flat, tmp_path / "flat.mp4", 8))
    assert np.abs(read[:, 32, 32].astype(int) - np.array(colours)).max() <= 4


def test_odd_sides_are_made_even_by_repeating_the_edge(tmp_path):
    frames = numbered_frames(4, 95, 63)
    path = write_video(frames, tmp_path / "odd.mp4", 16)
    read, _ = read_frames(path)
    assert read.shape == (4, 64, 96, 3)
    assert psnr(read[:, :63, :95], frames) > 32
    assert psnr(read[:, 63:], read[:, 62:63]) > 30


@pytest.mark.parametrize(
    ("fps", "exact"),
    [(16, Fraction(16)), (23.976, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)), (12.5, Fraction(25, 2)),
     (59.94, Fraction(60000, 1001)), (7, Fraction(7))],
)  # fmt: skip
def test_frame_rates_are_exact(tmp_path, frames, fps, exact):
    path = write_video(frames[:5], tmp_path / "clip.mp4", fps)
    with av.open(str(path)) as opened:
        assert opened.streams.video[0].average_rate == exact


def test_the_same_frames_make_the_same_file(tmp_path, frames):
    for extension in ("mp4", "mkv"):
        first = write_video(frames, tmp_path / f"a.{extension}", 16, metadata={"seed": 1})
        again = write_video(frames, tmp_path / f"b.{extension}", 16, metadata={"seed": 1})
        assert first.read_bytes() == again.read_bytes()


SAME_BYTES = """
import sys
sys.path.insert(0, sys.argv[1])
from shared.media.video import write_video
from tests.media.conftest import numbered_frames
write_video(numbered_frames(40, 96, 64), sys.argv[2], 16)
"""


def test_the_file_does_not_depend_on_what_the_memory_held_before(tmp_path):
    for name, perturb in (("a.mp4", "0"), ("b.mp4", "85")):
        subprocess.run(
            [sys.executable, "-c", SAME_BYTES, str(ROOT), str(tmp_path / name)],
            env=os.environ | {"MALLOC_PERTURB_": perturb},
            check=True,
        )
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_single_frame_makes_a_clip(tmp_path, frames):
    assert probe(write_video(frames[:1], tmp_path / "one.mp4", 16)).num_frames == 1


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_sound_is_put_in_and_cut_to_the_picture(tmp_path, frames, container):
    time = np.arange(44100 * 6) / 44100
    tone = AudioClip(0.5 * np.sin(2 * np.pi * 440 * time).astype(np.float32)[:, None], 44100)
    path = write_video(frames[:32], tmp_path / f"clip.{container}", 16, audio=tone, metadata={"seed": 2})
    assert probe(path).has_audio and probe(path).num_frames == 32
    heard = read_audio(path)
    assert heard.sampling_rate == 44100 and heard.duration_s == pytest.approx(2, abs=0.06)
    spectrum = np.abs(np.fft.rfft(heard.samples[4410:44100, 0]))
    assert spectrum.argmax() * 44100 / (44100 - 4410) == pytest.approx(440, abs=3)


def test_prores_in_mp4_is_refused_and_its_extension_is_mov(tmp_path, frames):
    with pytest.raises(MediaError, match="prores_422 cannot be kept in mp4"):
        write_video(frames[:2], tmp_path / "clip.mp4", 16, "prores_422")
    assert video_extension("prores_422", "mp4") == ".mov" and video_extension("libx264_8", "mkv") == ".mkv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codec": "divx"}, "video_output_codec: 'divx' is not known. Accepted: libx264_8"),
        ({"container": "ogv"}, "video_container: 'ogv' is not known"),
        ({"fps": 0}, "fps: 0 is not accepted"),
        ({"fps": float("nan")}, "fps: nan is not accepted"),
        ({"frames": []}, "there are no frames to save"),
        ({"frames": np.zeros((2, 8, 8, 4), np.uint8)}, r"uint8 of shape \(8, 8, 4\)"),
        ({"frames": np.zeros((2, 8, 8, 3), np.float32)}, "float32"),
        ({"frames": [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)]}, "10x8 follows frames of 8x8"),
    ],
)
def test_what_cannot_be_a_clip_is_refused_and_leaves_nothing(tmp_path, frames, arguments, message):
    given = {"frames": frames[:2], "path": tmp_path / "clip.mp4", "fps": 16} | arguments
    with pytest.raises(MediaError, match=message):
        write_video(**given)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_frames_are_made_leaves_nothing_and_keeps_the_old_file(tmp_path, frames):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")

    def failing():
        yield from frames[:20]
        raise KeyError("model failed")

    with pytest.raises(KeyError, match="model failed"):
        write_video(failing(), path, 16)
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"] and path.read_bytes() == b"old"


FILLS_THE_DISK = """
import resource, signal, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from shared.core.errors import WanGPError
from shared.media.images import save_image
from shared.media.video import write_video
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
noise = np.random.default_rng(0).integers(0, 255, (40, 128, 128, 3), np.uint8)
for name, write in {
    "clip.mp4": lambda path: write_video(noise, path, 16),
    "clip.mkv": lambda path: write_video(noise, path, 16, metadata={"seed": 1}),
    "image.png": lambda path: save_image(noise[0], path, "png"),
}.items():
    try:
        write(sys.argv[2] + "/" + name)
    except WanGPError as error:
        sys.stdout.write(f"{error}\\n")
"""


def test_a_file_that_the_disk_cannot_take_leaves_no_half_file(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", FILLS_THE_DISK, str(ROOT), str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    lines = answer.stdout.splitlines()
    assert len(lines) == 3, answer.stderr
    for name, line in zip(("clip.mp4", "clip.mkv", "image.png"), lines, strict=True):
        assert name in line and "could not be written" in line
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_plain_words(tmp_path, frames):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted as root")
    try:
        noise = np.random.default_rng(0).integers(0, 255, (40, 128, 128, 3), np.uint8)
        for name in ("clip.mp4", "clip.mkv"):
            with pytest.raises(WanGPError, match=rf"The disk is full: \S*{name} could not be written"):
                write_video(noise, disk / name, 16)
            assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_long_clip_is_encoded_without_holding_its_frames(tmp_path):
    frame = numbered_frames(1, 640, 360)[0]

    def stream():
        for number in range(120):
            yield np.roll(frame, number, axis=1)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    write_video(stream(), tmp_path / "long.mp4", 24)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * frame.nbytes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * frame.nbytes / 1024
    assert sniff_file(tmp_path / "long.mp4").extension == ".mp4"


def test_another_decoder_sees_the_same_clip(tmp_path, frames):
    path = write_video(frames[:30], tmp_path / "clip.mp4", 16, metadata={"seed": 1})
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == 16 and int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 30
    seen = []
    while (answer := capture.read())[0]:
        seen.append(cv2.cvtColor(answer[1], cv2.COLOR_BGR2RGB))
    capture.release()
    assert numbers_of(np.stack(seen)) == list(range(30))
    assert psnr(np.stack(seen), frames[:30]) > 28
