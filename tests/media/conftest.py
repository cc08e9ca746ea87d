"""Small pictures and clips made for the tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray


def numbered_frames(count: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Smooth frames that carry their own number as 8 black or white tiles, readable after lossy coding."""
    y, x = np.mgrid[0:height, 0:width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for number in range(count):
        shift = number * 2.0
        frames[number, ..., 0] = 128 + 80 * np.sin((x + shift) / 15)
        frames[number, ..., 1] = 128 + 80 * np.sin((y + shift) / 12)
        frames[number, ..., 2] = 128 + 80 * np.sin((x + y - shift) / 18)
        for bit in range(8):
            frames[number, :8, bit * 8 : bit * 8 + 8] = 235 if number >> bit & 1 else 16
    return frames


def number_of(frame: NDArray[np.uint8]) -> int:
    """The number that a frame carries."""
    return sum(int(frame[1:7, bit * 8 + 1 : bit * 8 + 7].mean() > 128) << bit for bit in range(8))


def numbers_of(frames: NDArray[np.uint8]) -> list[int]:
    return [number_of(frame) for frame in frames]


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    error = float(((a.astype(np.float64) - b.astype(np.float64)) ** 2).mean())
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def encode_raw(path: Path, frames: NDArray[np.uint8], encoder: str = "libx264", **given) -> Path:
    """Write a clip with PyAV alone: other options, time stamps or a rotation mark than write_video makes.

    `options` for the encoder, `times` = one time stamp a frame in 1/1000 s, `rotation` in degrees, `pix_fmt`.
    """
    times = given.get("times")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=given.get("options", {}))
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = given.get("pix_fmt", "yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000) if times else Fraction(1, 25)
        if given.get("rotation"):
            stream.set_display_rotation(given["rotation"])
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = times[number] if times else number
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def frames() -> NDArray[np.uint8]:
    return numbered_frames(60)
