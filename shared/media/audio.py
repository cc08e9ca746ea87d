"""Sound: read to float32, written as WAV, MP3, AAC or FLAC, put beside a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from shared.core.errors import MediaError
from shared.core.virtual_path import parse_virtual_media_path
from shared.media.atomic import whole_file
from shared.media.opening import open_media, picture_stream

MAX_SAMPLES = 192_000 * 60 * 30
BLOCK = 8192
MUXERS = {
    ".wav": "wav", ".mp3": "mp3", ".flac": "flac", ".m4a": "ipod", ".mp4": "mp4", ".mov": "mov", ".mkv": "matroska",
}  # fmt: skip


@dataclass(frozen=True)
class AudioClip:
    """Sound in memory: `samples` float32 (samples, channels) in -1..1, `sampling_rate` in Hz."""

    samples: NDArray[np.float32]
    sampling_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sampling_rate

    def cut(self, duration_s: float) -> AudioClip:
        """The first `duration_s` seconds."""
        return AudioClip(self.samples[: max(round(duration_s * self.sampling_rate), 0)], self.sampling_rate)


def as_clip(samples: Any, sampling_rate: int) -> AudioClip:
    """Samples of any accepted shape ((n,), (n, channels) or (channels, n); floats or integers) as an AudioClip."""
    array = np.asarray(samples)
    if array.dtype.kind in "iu":
        array = array.astype(np.float32) / float(np.iinfo(array.dtype).max)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 2 and array.shape[0] in (1, 2) and array.shape[1] > 2:
        array = array.T
    if array.ndim != 2 or array.shape[1] not in (1, 2) or not len(array) or sampling_rate < 1:
        raise MediaError(f"Sound of shape {np.shape(samples)} at {sampling_rate} Hz: give (samples, 1 or 2 channels).")
    return AudioClip(np.ascontiguousarray(array, dtype=np.float32), int(sampling_rate))


def read_audio(
    source: str | PathLike[str],
    sampling_rate: int | None = None,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    channels: int | None = None,
) -> AudioClip:
    """The sound of a file or of a video; `audio_track_no` (from 1) of a virtual suffix picks the track.

    Frame numbers in the suffix cut the sound to the same time. `sampling_rate` and `channels` (1 or 2) convert.
    Raises MediaError when there is no sound, it is damaged, or longer than 30 minutes at 192 kHz.
    """
    spec = parse_virtual_media_path(source)
    path = fspath(source) if spec is None else spec.source_path
    with open_media(path) as container:
        stream = _track(container, str(path), None if spec is None else spec.audio_track_no)
        if spec is not None and (spec.start_frame > 0 or spec.end_frame is not None) and container.streams.video:
            fps = float(container.streams.video[0].average_rate or 25)
            start_s += max(spec.start_frame, 0) / fps
            if spec.end_frame is not None and spec.end_frame >= 0 and duration_s is None:
                duration_s = (spec.end_frame + 1 - max(spec.start_frame, 0)) / fps
        rate = sampling_rate or stream.rate
        width = channels or min(stream.channels, 2)
        samples = _decoded(container, stream, rate, width, (start_s, duration_s))
    if not len(samples):
        raise MediaError(f"{path}: there is no sound from second {start_s:g} on.")
    return AudioClip(samples, rate)


def resampled(clip: AudioClip, sampling_rate: int, channels: int) -> AudioClip:
    """The sound at another rate and number of channels (1 or 2)."""
    own = clip.samples.shape[1]
    if not len(clip.samples):
        return AudioClip(np.zeros((0, channels), np.float32), sampling_rate)
    if (clip.sampling_rate, own) == (sampling_rate, channels):
        return clip
    resampler = av.AudioResampler("fltp", "mono" if channels == 1 else "stereo", sampling_rate)
    layout = "mono" if own == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(clip.samples.T), format="fltp", layout=layout)
    frame.sample_rate = clip.sampling_rate
    parts = [part.to_ndarray().T for given in (frame, None) for part in resampler.resample(given)]
    return AudioClip(np.concatenate(parts).astype(np.float32, copy=False), sampling_rate)


def _track(container: Any, path: str, number: int | None) -> Any:
    tracks = container.streams.audio
    if not tracks:
        raise MediaError(f"{path}: this file holds no sound.")
    if number is not None and number > len(tracks):
        raise MediaError(f"{path}: audio_track_no {number} is not there; the file has {len(tracks)} sound track(s).")
    return tracks[max((number or 1) - 1, 0)]


def _decoded(
    container: Any, stream: Any, rate: int, channels: int, span: tuple[float, float | None]
) -> NDArray[np.float32]:
    start_s, duration_s = span
    first = round(start_s * rate)
    last = None if duration_s is None else first + round(duration_s * rate)
    resampler = av.AudioResampler(format="fltp", layout="mono" if channels == 1 else "stereo", rate=rate)
    parts: list[NDArray[np.float32]] = []
    position = 0
    for block in _blocks(container, stream, resampler):
        low, high = max(first - position, 0), len(block) if last is None else min(last - position, len(block))
        if low < high:
            parts.append(block[low:high])
        position += len(block)
        if position > MAX_SAMPLES:
            raise MediaError(f"{container.name}: the sound is too long; at most 30 minutes are read.")
        if last is not None and position >= last:
            break
    return np.concatenate(parts) if parts else np.zeros((0, channels), np.float32)


def _blocks(container: Any, stream: Any, resampler: av.AudioResampler) -> Iterator[NDArray[np.float32]]:
    for frame in container.decode(stream):
        frame.pts = None
        for part in resampler.resample(frame):
            yield part.to_ndarray().T.astype(np.float32, copy=False)
    for part in resampler.resample(None):
        yield part.to_ndarray().T.astype(np.float32, copy=False)


def audio_extension(codec: str) -> str:
    """The file extension of an `audio_stand_alone_output_codec` ("wav", "mp3_192", "aac_128", "flac")."""
    return {"pcm_s16le": ".wav", "libmp3lame": ".mp3", "aac": ".m4a", "flac": ".flac"}[_encoder(codec)[0]]


def _encoder(codec: str) -> tuple[str, int | None]:
    """FFmpeg encoder and bits a second."""
    if codec in ("wav", "flac"):
        return {"wav": "pcm_s16le", "flac": "flac"}[codec], None
    match = re.fullmatch(r"(mp3|aac)_(\d{2,3})", codec)
    if match is None or not 32 <= int(match[2]) <= 512:
        raise MediaError(f"Sound codec {codec!r} is not known. Accepted: wav, flac, mp3_192, aac_128 and the like.")
    return {"mp3": "libmp3lame", "aac": "aac"}[match[1]], int(match[2]) * 1000


def write_audio(clip: AudioClip, path: str | PathLike[str], codec: str = "wav") -> Path:
    """Write a sound file, whole or not at all."""
    with whole_file(path) as part, _output(part, Path(path), audio_extension(codec)) as container:
        track = AudioTrack(container, clip, codec)
        track.write_until(clip.duration_s)
        track.end()
    return Path(path)


class AudioTrack:
    """A sound stream of a file being written; added before the first packet, fed as the picture advances."""

    def __init__(self, container: Any, clip: AudioClip, codec: str) -> None:
        encoder, bits = _encoder(codec)
        self._container, self._clip, self._position = container, clip, 0
        self._layout = "mono" if clip.samples.shape[1] == 1 else "stereo"
        self._stream = container.add_stream(encoder, rate=clip.sampling_rate, layout=self._layout)
        if bits:
            self._stream.bit_rate = bits

    def write_until(self, time_s: float) -> None:
        """Encode up to `time_s` seconds from the start."""
        rate, samples = self._clip.sampling_rate, self._clip.samples
        end = min(round(time_s * rate), len(samples))
        while self._position < end:
            stop = min(self._position + BLOCK, end)
            block = np.ascontiguousarray(np.clip(samples[self._position : stop], -1, 1).T)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts = rate, self._position
            self._container.mux(self._stream.encode(frame))
            self._position = stop

    def end(self) -> None:
        """Flush the encoder; nothing can be written after it."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def _output(part: Path, path: Path, extension: str) -> Iterator[Any]:
    try:
        options = {"fflags": "+bitexact"} | (
            {"movflags": "+faststart"} if extension in (".mp4", ".mov", ".m4a") else {}
        )
        with av.open(str(part), "w", format=MUXERS[extension], options=options) as container:
            yield container
    except av.FFmpegError as exc:
        if isinstance(exc, OSError):
            raise
        raise MediaError(f"{path}: the sound could not be encoded ({exc}).") from exc


def mux_audio(video: str | PathLike[str], clip: AudioClip, path: str | PathLike[str], codec: str = "aac_128") -> Path:
    """Copy a video without encoding it again, with `clip` as its only sound, cut to the length of the picture."""
    with open_media(video) as source, whole_file(path) as part:
        template = picture_stream(source, video)
        end_s = 0.0
        with _output(part, Path(path), Path(path).suffix.lower()) as target:
            target.metadata.update(source.metadata)
            copy = target.add_stream_from_template(template)
            track = AudioTrack(target, clip, codec)
            for packet in source.demux(template):
                if not packet.size:
                    continue
                if packet.pts is not None:
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.dts is not None:
                    track.write_until(float(packet.dts * packet.time_base))
                packet.stream = copy
                target.mux(packet)
            track.write_until(end_s)
            track.end()
    return Path(path)
