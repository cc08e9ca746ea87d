"""What plugins ask for about media files and flag letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import MediaError
from shared.media.video import VideoInfo, frame_at, probe
from shared.media.virtual import strip_virtual_media_suffix

VIDEO_ENDINGS = frozenset((".mp4", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv"))
IMAGE_ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jfif"))
AUDIO_ENDINGS = frozenset((".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus", ".wma"))

NAMES = (
    "get_video_info", "get_video_frame", "has_video_file_extension", "has_image_file_extension",
    "has_audio_file_extension", "add_to_sequence", "del_in_sequence",
)  # fmt: skip


def get_video_info(video_path: str) -> tuple[int, int, int, int]:
    """(frames a second, width, height, frames) of a clip. Raises MediaError for what is none."""
    info = probe(video_path)
    return round(info.fps), info.width, info.height, info.num_frames


def get_video_frame(
    file_name: str,
    frame_no: int,
    return_last_if_missing: bool = False,
    target_fps: float | None = None,
    return_PIL: bool = True,
) -> Any:
    """One frame of a clip by its number from 0, as a PIL image or a numpy array (H,W,3).

    With `target_fps` the number counts at that frame rate. Raises MediaError for a frame that the clip does not have,
    unless its last one is wanted then.
    """
    info = probe(file_name)
    number = _number_in_file(int(frame_no), info, target_fps)
    if not -info.num_frames <= number < info.num_frames:
        if not return_last_if_missing:
            raise MediaError(
                f"{Path(file_name).name} has {info.num_frames} frames; frame {frame_no} is not among them."
            )
        number = info.num_frames - 1
    frame = frame_at(file_name, number)
    return Image.fromarray(frame) if return_PIL else frame


def _number_in_file(number: int, info: VideoInfo, target_fps: float | None) -> int:
    return round(number * info.fps / float(target_fps)) if target_fps else number


def _has_ending(filename: Any, endings: frozenset[str]) -> bool:
    name = strip_virtual_media_suffix(str(filename or ""))
    return Path(str(name)).suffix.lower() in endings


def has_video_file_extension(filename: str) -> bool:
    """Whether the name is that of a clip."""
    return _has_ending(filename, VIDEO_ENDINGS)


def has_image_file_extension(filename: str) -> bool:
    """Whether the name is that of a picture."""
    return _has_ending(filename, IMAGE_ENDINGS)


def has_audio_file_extension(filename: str) -> bool:
    """Whether the name is that of a sound."""
    return _has_ending(filename, AUDIO_ENDINGS)


def add_to_sequence(seq: str | None, vals: str) -> str:
    """Flag letters with further ones, each once."""
    return "".join(dict.fromkeys((seq or "") + (vals or "")))


def del_in_sequence(seq: str | None, vals: str) -> str:
    """Flag letters without some."""
    return "".join(letter for letter in seq or "" if letter not in (vals or ""))
