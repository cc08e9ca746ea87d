"""Opening a clip or a sound, with a clear sentence for whatever is wrong with the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import av

from shared.core.errors import MediaError
from shared.media.sniff import missing_bytes, sniff_file

ATTACHED_PICTURE = 1024


@contextmanager
def open_media(path: str | PathLike[str]) -> Iterator[Any]:
    """The opened PyAV container; closed at the end of the block.

    Raises MediaError, naming the file and what it really is, when it is missing, empty, cut short, damaged or no
    media at all; FFmpeg's errors inside the block become MediaError too.
    """
    check_is_media(path)
    try:
        with av.open(fspath(path), metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as exc:
        raise MediaError(f"{path}: the file is damaged, its content cannot be decoded ({exc.strerror}).") from exc


def check_is_media(path: str | PathLike[str]) -> None:
    """Raise MediaError when the file cannot be a clip or a sound."""
    file = Path(path)
    try:
        found = sniff_file(file)
        missing = missing_bytes(file)
    except FileNotFoundError as exc:
        raise MediaError(f"{path}: there is no such file.") from exc
    except IsADirectoryError as exc:
        raise MediaError(f"{path}: this is a folder, not a media file.") from exc
    except OSError as exc:
        raise MediaError(f"{path}: the file cannot be read, {exc.strerror or exc}.") from exc
    if found.kind in ("empty", "text", "archive") or (found.kind == "image" and found.extension != ".gif"):
        raise MediaError(f"{path}: this is {found.words}, not a video or a sound.")
    if missing:
        raise MediaError(f"{path}: the file is cut short, {missing} bytes at its end are missing. Copy it again.")


def picture_stream(container: Any, path: str | PathLike[str]) -> Any:
    """The video stream of an opened file. Raises MediaError when there is none (cover art does not count)."""
    streams = [stream for stream in container.streams.video if not stream.disposition.value & ATTACHED_PICTURE]
    if not streams:
        what = "only sound" if container.streams.audio else "nothing that can be shown"
        raise MediaError(f"{path}: this file holds no video, {what}.")
    return streams[0]
