"""Clips put one behind the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import MediaError
from shared.media.audio import AudioClip, read_audio, resampled
from shared.media.video import VideoInfo, iter_frames, probe, write_video

LEAST, MOST = 2, 100
SAMPLING_RATE, CHANNELS = 48_000, 2


def join_clips(
    sources: Sequence[str | PathLike[str]],
    target: str | PathLike[str],
    *,
    codec: str = "libx264_8",
    audio_codec: str = "aac_128",
    metadata: Mapping[str, Any] | None = None,
    checkpoint: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """One clip of several, in the size and frame rate of the first; the others are scaled to fill it and cut.

    A clip of another frame rate keeps its duration. Where one has sound the result has, with silence for the others.
    `checkpoint` is called before each frame with the frames done and their number in all, and may raise. Raises
    MediaError for fewer than two clips and for one that cannot be read.
    """
    if not LEAST <= len(sources) <= MOST:
        raise MediaError(f"{len(sources)} clips cannot be joined; choose {LEAST} to {MOST}.")
    infos = [probe(source) for source in sources]
    first = infos[0]
    counts = [max(1, round(info.duration_s * first.fps)) for info in infos]

    def frames() -> Iterator[NDArray[np.uint8]]:
        done = 0
        for source, info, count in zip(sources, infos, counts, strict=True):
            for frame in _at_rate(source, info, count, (first.width, first.height)):
                checkpoint(done, sum(counts))
                done += 1
                yield frame

    sound = None
    if any(info.has_audio for info in infos):
        sound = _sound(sources, infos, [count / first.fps for count in counts])
    return write_video(frames(), target, first.fps, codec, "", sound, metadata, audio_codec)


def _at_rate(
    source: str | PathLike[str], info: VideoInfo, count: int, size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """`count` frames spread evenly over a clip: some are shown twice or left out where the rate differs."""
    wanted = [min(info.num_frames - 1, index * info.num_frames // count) for index in range(count)]
    place = 0
    for number, frame in enumerate(iter_frames(source, size=size)):
        while place < count and wanted[place] == number:
            yield frame
            place += 1


def _sound(sources: Sequence[str | PathLike[str]], infos: Sequence[VideoInfo], lengths_s: Sequence[float]) -> AudioClip:
    parts = []
    for source, info, length_s in zip(sources, infos, lengths_s, strict=True):
        samples = np.zeros((round(length_s * SAMPLING_RATE), CHANNELS), np.float32)
        if info.has_audio:
            own = resampled(read_audio(source), SAMPLING_RATE, CHANNELS).samples[: len(samples)]
            samples[: len(own)] = own
        parts.append(samples)
    return AudioClip(np.concatenate(parts), SAMPLING_RATE)
