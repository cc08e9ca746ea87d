"""Clips: encoded as the frames come, into a temporary file that is moved when it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from shared.core.errors import MediaError
from shared.media.atomic import whole_file
from shared.media.audio import AudioClip, AudioTrack
from shared.media.metadata import embed_in_place

CONTAINERS = ("mp4", "mov", "mkv")


@dataclass(frozen=True)
class VideoCodec:
    """How one `video_output_codec` of the configuration is encoded."""

    encoder: str
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[str, ...] = CONTAINERS
    smallest: tuple[int, int] = (2, 2)


def _x264(crf: int) -> VideoCodec:
    return VideoCodec("libx264", options={"crf": str(crf), "preset": "veryfast"})


def _x265(crf: int) -> VideoCodec:
    return VideoCodec("libx265", options={"crf": str(crf), "preset": "fast", "x265-params": "log-level=none"})


CODECS: Mapping[str, VideoCodec] = {
    "libx264_8": _x264(10),
    "libx264_10": _x264(0),
    "libx264_lossless": VideoCodec("libx264rgb", "rgb24", {"qp": "0", "preset": "veryfast"}),
    "libx265_8": _x265(8),
    "libx265_28": _x265(28),
    "prores_422": VideoCodec("prores_ks", "yuv422p10le", {"profile": "standard"}, ("mov", "mkv")),
    "dnxhr_hq": VideoCodec("dnxhd", "yuv422p", {"profile": "dnxhr_hq"}, ("mov", "mkv"), (256, 120)),
}


def video_codec(name: str) -> VideoCodec:
    """The codec of a configuration name. Raises MediaError for an unknown one."""
    if name not in CODECS:
        raise MediaError(f"video_output_codec: {name!r} is not known. Accepted: {', '.join(CODECS)}.")
    return CODECS[name]


def video_extension(codec: str = "libx264_8", container: str = "mp4") -> str:
    """The extension of a clip: the container's, or ".mov" where it cannot hold the codec (ProRes in mp4)."""
    if container not in CONTAINERS:
        raise MediaError(f"video_container: {container!r} is not known. Accepted: {', '.join(CONTAINERS)}.")
    return f".{container if container in video_codec(codec).containers else 'mov'}"


def write_video(
    frames: NDArray[np.uint8] | Iterable[NDArray[np.uint8]],
    path: str | PathLike[str],
    fps: float | Fraction,
    codec: str = "libx264_8",
    container: str = "",
    audio: AudioClip | None = None,
    metadata: Mapping[str, Any] | None = None,
    audio_codec: str = "aac_128",
) -> Path:
    """Encode uint8 RGB frames [H,W,3] of one size and return the path, once the file is whole.

    The frames are taken one at a time, so that an iterator can make them while they are encoded. The container is
    that of the path's extension, or `container`. An odd width or height is made even by repeating its last column or
    row. `audio` is cut to the length of the picture; `metadata` are settings to keep in the file. On any error
    nothing is left behind: MediaError for a full disk, no frames, frames of changing size, a codec that the
    container cannot hold.
    """
    path = Path(path)
    kind = container or path.suffix.lower().lstrip(".")
    chosen = video_codec(codec)
    if video_extension(codec, kind) != f".{kind}":
        raise MediaError(f"{path}: {codec} cannot be kept in {kind}. Choose the container mov or mkv.")
    with whole_file(path) as part:
        with _output(part, path, kind) as target:
            _encode(_frames(frames, path, chosen), target, _rate(fps), chosen, (audio, audio_codec))
        if metadata is not None:
            embed_in_place(part, metadata)
    return path


@contextmanager
def _output(part: Path, path: Path, kind: str) -> Iterator[Any]:
    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if kind in ("mp4", "mov") else {})
    names = {"mkv": "matroska"}
    try:
        with av.open(str(part), "w", format=names.get(kind, kind), options=options) as target:
            yield target
    except av.FFmpegError as exc:
        if isinstance(exc, OSError):
            raise
        raise MediaError(f"{path}: the video could not be encoded ({exc}).") from exc


def _rate(fps: float | Fraction) -> Fraction:
    """Frames a second as an exact fraction; 23.976, 29.97 and their like are the n*1000/1001 rates they stand for."""
    if not 0 < fps <= 1000:
        raise MediaError(f"fps: {fps} is not accepted; give more than 0 and at most 1000 frames a second.")
    if isinstance(fps, Fraction):
        return fps
    whole = round(fps * 1.001)
    if fps != round(fps) and abs(fps * 1.001 - whole) < 0.002:
        return Fraction(whole * 1000, 1001)
    return Fraction(fps).limit_denominator(1001)


def _frames(frames: Iterable[NDArray[np.uint8]], path: Path, codec: VideoCodec) -> Iterator[NDArray[np.uint8]]:
    """The frames with even sides; refuses what cannot be one clip."""
    shape: tuple[int, ...] | None = None
    for frame in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise MediaError(
                f"{path}: a frame is {frame.dtype} of shape {frame.shape}; uint8 of shape (height, width, 3) is needed."
            )
        if shape is None:
            shape = frame.shape
            if shape[1] < codec.smallest[0] or shape[0] < codec.smallest[1]:
                least = f"{codec.smallest[0]}x{codec.smallest[1]}"
                raise MediaError(
                    f"{path}: {codec.encoder} needs at least {least}; the frames are {shape[1]}x{shape[0]}."
                )
        elif frame.shape != shape:
            raise MediaError(
                f"{path}: a frame of {frame.shape[1]}x{frame.shape[0]} follows frames of {shape[1]}x{shape[0]}."
            )
        odd = frame.shape[0] % 2, frame.shape[1] % 2
        if any(odd):
            frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        yield np.ascontiguousarray(frame)
    if shape is None:
        raise MediaError(f"{path}: there are no frames to save.")


def _encode(
    frames: Iterator[NDArray[np.uint8]],
    target: Any,
    rate: Fraction,
    codec: VideoCodec,
    sound: tuple[AudioClip | None, str],
) -> None:
    first = next(frames)
    stream = _add_stream(target, first, rate, codec)
    track = None if sound[0] is None else AudioTrack(target, sound[0], sound[1])
    for number, pixels in enumerate(chain([first], frames)):
        frame = _video_frame(pixels, codec.pix_fmt)
        frame.pts, frame.time_base = number, 1 / rate
        target.mux(stream.encode(frame))
        if track is not None:
            track.write_until(float((number + 1) / rate))
    target.mux(stream.encode(None))
    if track is not None:
        track.end()


def _add_stream(target: Any, first: NDArray[np.uint8], rate: Fraction, codec: VideoCodec) -> Any:
    options = dict(codec.options)
    if codec.encoder == "libx264" and _has_avx512():
        options["x264-params"] = "asm=AVX2"
    stream = target.add_stream(codec.encoder, rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], codec.pix_fmt
    context = stream.codec_context
    context.time_base = 1 / rate
    if codec.pix_fmt != "rgb24":
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    if codec.encoder == "libx265" and target.format.name != "matroska":
        context.codec_tag = "hvc1"
    return stream


@cache
def _has_avx512() -> bool:
    """Whether x264 would use AVX-512, with which it is not repeatable.

    Its macroblock tree then reads memory that was never written (seen in x264 of FFmpeg 8.1.2: for widths that are no
    multiple of 128, other bytes with each MALLOC_PERTURB_), so that the same frames gave slightly other files.
    """
    try:
        return "avx512bw" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _video_frame(pixels: NDArray[np.uint8], pix_fmt: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    if pix_fmt == "rgb24":
        return frame
    return frame.reformat(
        format=pix_fmt, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, interpolation="BICUBIC"
    )
