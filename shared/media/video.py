"""Clips: what they are, and their frames by number. Writing is in video_write.py and offered here too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import MediaError
from shared.core.virtual_path import VirtualMediaSpec, clamp_virtual_frame_range, parse_virtual_media_path
from shared.media.opening import open_media, picture_stream
from shared.media.resize import cover
from shared.media.video_write import video_extension, write_video
from shared.media.virtual import get_virtual_media_vsource, virtual_frames

__all__ = ["VideoInfo", "frame_at", "iter_frames", "probe", "read_frames", "video_extension", "write_video"]

MAX_BYTES = 6 * 2**30
SEEK_FROM = 24
REORDER = 64

Source = str | PathLike[str]


@dataclass(frozen=True)
class VideoInfo:
    """What a clip is. `width` and `height` in pixels as shown (a rotation mark in the file is applied)."""

    width: int
    height: int
    fps: float
    num_frames: int
    duration_s: float
    has_audio: bool
    codec: str = ""
    pix_fmt: str = ""


def probe(source: Source) -> VideoInfo:
    """What a clip is, or the part of it that a virtual suffix names.

    Raises MediaError for a file that is missing, damaged, cut short, or holds no video.
    """
    spec = parse_virtual_media_path(source)
    if spec is not None and get_virtual_media_vsource(spec):
        frames, fps = virtual_frames(spec)
        first, last = clamp_virtual_frame_range(spec, len(frames))
        count = last - first + 1
        return VideoInfo(frames.shape[2], frames.shape[1], fps, count, count / fps, False)
    path = fspath(source) if spec is None else spec.source_path
    with open_media(path) as container:
        stream = picture_stream(container, path)
        width, height, codec = stream.codec_context.width, stream.codec_context.height, stream.codec_context
        if _quarter_turns(stream, container) % 2:
            width, height = height, width
        info = VideoInfo(
            width, height, _fps(stream), 0, 0.0, bool(container.streams.audio), codec.name, codec.pix_fmt or ""
        )
    if not width or not height:
        raise MediaError(f"{path}: the video has no picture size; the file is damaged.")
    first, last = clamp_virtual_frame_range(spec, count_frames(path))
    count = last - first + 1
    return VideoInfo(
        info.width, info.height, info.fps, count, count / info.fps, info.has_audio, info.codec, info.pix_fmt
    )


def count_frames(path: Source) -> int:
    """How many frames a file holds: as its index says, else by counting its packets."""
    with open_media(path) as container:
        stream = picture_stream(container, path)
        if stream.frames:
            return stream.frames
        return len(_packets(container, stream))


def read_frames(
    source: Source,
    start: int = 0,
    end: int | None = None,
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
    max_bytes: int = MAX_BYTES,
) -> tuple[NDArray[np.uint8], float]:
    """Frames `start` to `end` (inclusive, negative from the end) as uint8 [F,H,W,3], and the fps.

    Numbers count within what the path names, a virtual suffix included, and are clamped to it. `size` (width, height)
    scales the frames to fill it and cuts the rest off evenly. Raises MediaError for a clip that cannot be read and
    for frames that would take more than `max_bytes` of memory.
    """
    spec = parse_virtual_media_path(source)
    if spec is not None and get_virtual_media_vsource(spec):
        held, fps = virtual_frames(spec)
        first, last = _range(spec, len(held), (start, end, max_frames))
        return _stacked((_sized(frame, size) for frame in held[first : last + 1]), last - first + 1, source), fps
    path = fspath(source) if spec is None else spec.source_path
    info = probe(path)
    first, last = _range(spec, info.num_frames, (start, end, max_frames))
    width, height = size or (info.width, info.height)
    needed = (last - first + 1) * width * height * 3
    if needed > max_bytes:
        raise MediaError(
            f"{source}: {last - first + 1} frames of {width}x{height} would take {needed / 2**20:.0f} MB of memory; at "
            f"most {max_bytes / 2**20:.0f} MB are read at once. Pick a part with |start_frame=...,end_frame=..."
        )
    return _stacked(_decoded(path, first, last, size), last - first + 1, source), info.fps


def iter_frames(
    source: Source, start: int = 0, end: int | None = None, size: tuple[int, int] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """The same frames one after the other, without holding them."""
    spec = parse_virtual_media_path(source)
    if spec is not None and get_virtual_media_vsource(spec):
        held, _ = virtual_frames(spec)
        first, last = _range(spec, len(held), (start, end, None))
        yield from (_sized(frame, size) for frame in held[first : last + 1])
        return
    path = fspath(source) if spec is None else spec.source_path
    first, last = _range(spec, count_frames(path), (start, end, None))
    yield from _decoded(path, first, last, size)


def frame_at(source: Source, number: int = 0) -> NDArray[np.uint8]:
    """One frame [H,W,3] by its number (from 0, negative from the end)."""
    return read_frames(source, number, number)[0][0]


def _range(spec: VirtualMediaSpec | None, total: int, wanted: tuple[int, int | None, int | None]) -> tuple[int, int]:
    """First and last frame in the file, for numbers that count within the part that the suffix names."""
    start, end, max_frames = wanted
    first, last = clamp_virtual_frame_range(spec, total)
    inner = VirtualMediaSpec("", start, end)
    low, high = clamp_virtual_frame_range(inner, last - first + 1)
    if max_frames is not None:
        high = min(high, low + max(max_frames, 1) - 1)
    return first + low, first + high


def _stacked(frames: Iterator[NDArray[np.uint8]], count: int, source: Source) -> NDArray[np.uint8]:
    """The frames in one array, each copied into its place as it comes."""
    stacked: NDArray[np.uint8] | None = None
    filled = 0
    for frame in frames:
        if stacked is None:
            stacked = np.empty((count, *frame.shape), np.uint8)
        stacked[filled] = frame
        filled += 1
    if stacked is None:
        raise MediaError(f"{source}: no frame could be decoded; the file is damaged.")
    return stacked[:filled]


def _sized(frame: NDArray[np.uint8], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    if size is None or frame.shape[1::-1] == size:
        return frame
    return np.asarray(cover(Image.fromarray(np.ascontiguousarray(frame)), *size))


def _decoded(path: Source, first: int, last: int, size: tuple[int, int] | None) -> Iterator[NDArray[np.uint8]]:
    """Decode frames `first` to `last`, numbered in the order of presentation."""
    with open_media(path) as container:
        stream = picture_stream(container, path)
        number = 0
        start_time = None
        if first > SEEK_FROM:
            number, start_time = _seek(container, stream, first)
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            if start_time is not None and (frame.pts is None or frame.pts < start_time):
                continue
            start_time = None
            if number > last:
                return
            if number >= first:
                yield _sized(_pixels(frame), size)
            number += 1


def _pixels(frame: Any) -> NDArray[np.uint8]:
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.rot90(pixels, turns) if turns else pixels


def _packets(container: Any, stream: Any, limit: int | None = None) -> list[tuple[int, int, bool]]:
    """(pts, dts, is a key frame) of the packets that are shown, in their order in the file; nothing is decoded."""
    packets = []
    for packet in container.demux(stream):
        if packet.pts is None or packet.is_discard:
            continue
        packets.append((packet.pts, packet.pts if packet.dts is None else packet.dts, packet.is_keyframe))
        if limit is not None and len(packets) >= limit:
            break
    return packets


def _seek(container: Any, stream: Any, first: int) -> tuple[int, int | None]:
    """Seek so that frame `first` can be decoded; the number of the frame with the returned time stamp.

    The time stamp of a frame number is exact also for clips of a changing frame rate, because it is taken from the
    file's packets. Decoding starts at the last key frame shown before it, since frames shown before a key frame but
    stored after it cannot be decoded from there.
    """
    packets = _packets(container, stream, first + REORDER)
    times = sorted(pts for pts, _, _ in packets)
    keys = [packet for packet in packets if packet[2] and first < len(times) and packet[0] <= times[first]]
    if not keys:
        container.seek(0)
        return 0, None
    pts, dts, _ = max(keys)
    container.seek(min(pts, dts), stream=stream)
    return times.index(pts), pts


def _fps(stream: Any) -> float:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(rate) if rate else 25.0


def _quarter_turns(stream: Any, container: Any) -> int:
    for frame in container.decode(stream):
        return round(frame.rotation / 90) % 4
    return 0
