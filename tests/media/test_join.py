"""Joining clips: order, size, rate and sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.core.errors import MediaError
from shared.media.audio import AudioClip, read_audio
from shared.media.join import join_clips
from shared.media.metadata import read_settings
from shared.media.video import probe, read_frames
from shared.media.video_write import write_video


def clip(path: Path, level: int, *, frames: int = 8, size: tuple[int, int] = (48, 32), fps: float = 8,
         audio: AudioClip | None = None) -> Path:  # fmt: skip
    pixels = np.full((frames, size[1], size[0], 3), level, np.uint8)
    return write_video(pixels, path, fps, "libx264_lossless", audio=audio)


def test_clips_follow_each_other_in_the_size_of_the_first(tmp_path: Path) -> None:
    one = clip(tmp_path / "one.mp4", 20)
    two = clip(tmp_path / "two.mp4", 200, frames=4, size=(96, 96))
    settings = {"type": "WanGP", "seed": 3}
    joined = join_clips([one, two], tmp_path / "both.mp4", codec="libx264_lossless", metadata=settings)
    frames, fps = read_frames(joined)
    assert frames.shape == (12, 32, 48, 3) and fps == 8
    assert [int(frame.mean()) for frame in frames] == [20] * 8 + [200] * 4
    assert (read_settings(joined) or {})["seed"] == 3
    assert not probe(joined).has_audio


def test_another_frame_rate_keeps_its_duration(tmp_path: Path) -> None:
    one = clip(tmp_path / "one.mp4", 20)
    fast = clip(tmp_path / "fast.mp4", 90, frames=32, fps=16)
    slow = clip(tmp_path / "slow.mp4", 200, frames=4, fps=4)
    frames, _ = read_frames(join_clips([one, fast, slow], tmp_path / "all.mp4", codec="libx264_lossless"))
    assert [int(frame.mean()) for frame in frames] == [20] * 8 + [90] * 16 + [200] * 8


def test_sound_stays_with_its_clip(tmp_path: Path) -> None:
    tone = np.sin(np.arange(16_000) * 440 * 2 * np.pi / 16_000).astype(np.float32)[:, None] * 0.5
    silent = clip(tmp_path / "silent.mp4", 20)
    loud = clip(tmp_path / "loud.mp4", 90, audio=AudioClip(tone, 16_000))
    sound = read_audio(join_clips([silent, loud], tmp_path / "both.mp4"))
    half = len(sound.samples) // 2
    level = [float(np.abs(part).mean()) for part in (sound.samples[: half - 4000], sound.samples[half + 4000 :])]
    assert sound.duration_s == pytest.approx(2.0, abs=0.1)
    assert level[0] < 0.01 < 0.2 < level[1]


def test_one_clip_and_broken_clips_are_refused(tmp_path: Path) -> None:
    one = clip(tmp_path / "one.mp4", 20)
    with pytest.raises(MediaError, match="1 clips"):
        join_clips([one], tmp_path / "x.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    with pytest.raises(MediaError):
        join_clips([one, tmp_path / "bad.mp4"], tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()
