"""The settings that made a file, kept in the file itself or beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import av

from shared.core.errors import MediaError
from shared.core.metadata_schemes import settings_from_scheme
from shared.core.paths import write_atomic
from shared.media.atomic import whole_file
from shared.media.metadata_images import embed_in_image, image_comments
from shared.media.metadata_media import (
    SourceImage,
    container_comment,
    read_mkv_images,
    read_mp3,
    read_mp4_images,
    read_wav,
    write_mkv,
    write_mp3,
    write_mp4,
    write_wav,
)
from shared.media.settings_text import MAX_TEXT, DoesNotFit, parse_settings, settings_text
from shared.media.sniff import sniff_file

__all__ = [
    "SourceImage",
    "embed_in_place",
    "is_from_wangp",
    "read_settings",
    "read_source_images",
    "sidecar_path",
    "write_settings",
]

MetadataType = Literal["metadata", "json", "none"]
Images = Mapping[str, Sequence[SourceImage]]


def read_settings(path: str | PathLike[str]) -> dict[str, Any] | None:
    """The settings that a picture, clip, sound or settings file carries, else those of a .json file beside it.

    Those of Fooocus and A1111 are brought to this program's names. None when there are none, also when what is there is
    damaged. Raises MediaError for a missing file.
    """
    file = Path(path)
    if not file.is_file():
        raise MediaError(f"{path}: there is no such file.")
    texts = [text for text in _texts(file) if text]
    for text in texts:
        if (foreign := settings_from_scheme(text)) is not None:
            return own if (own := _first_own(texts)) is not None else foreign
    if (own := _first_own(texts)) is not None:
        return own
    beside = sidecar_path(file)
    if beside != file and beside.is_file() and beside.stat().st_size <= MAX_TEXT:
        return parse_settings(beside.read_bytes())
    return None


def _first_own(texts: Sequence[str]) -> dict[str, Any] | None:
    """The settings of the first text that holds this program's, or any that are in no other's scheme."""
    for text in texts:
        found = parse_settings(text)
        if found is not None and settings_from_scheme(text) is None:
            return found
    return None


def _texts(file: Path) -> list[str | None]:
    found = sniff_file(file)
    match found.kind, found.extension:
        case "image", _:
            return list(image_comments(file))
        case "text", _:
            return [file.read_text("utf-8", "replace")] if file.stat().st_size <= MAX_TEXT else []
        case "audio", ".wav":
            return [read_wav(file)]
        case "audio", ".mp3":
            return [read_mp3(file), *container_comment(file)]
        case "audio" | "video", _:
            return list(container_comment(file))
    return []


def is_from_wangp(settings: Mapping[str, Any]) -> bool:
    """Whether the settings say themselves that WanGP (or this program) wrote them."""
    return "WanGP" in str(settings.get("type", ""))


def sidecar_path(path: str | PathLike[str]) -> Path:
    """The settings file beside a media file: the same name with the extension .json."""
    return Path(path).with_suffix(".json")


def write_settings(
    path: str | PathLike[str],
    settings: Mapping[str, Any],
    mode: MetadataType = "metadata",
    images: Images | None = None,
) -> Path | None:
    """Keep settings with a finished file, as the `metadata_type` of the configuration says.

    "metadata": inside it, with the source images where the container takes them (mp4, mov, mkv); beside it when it
    has no room for them. "json": beside it. "none": nowhere. Returns the file that holds them. The media file is
    replaced whole or stays as it was.
    """
    file = Path(path)
    if mode == "none":
        return None
    if mode == "json":
        return _write_beside(file, settings)
    if mode != "metadata":
        raise MediaError(f"metadata_type: {mode!r} is not known. Accepted: metadata, json, none.")
    if not file.is_file():
        raise MediaError(f"{path}: there is no such file.")
    try:
        with whole_file(file) as part:
            shutil.copyfile(file, part)
            embed_in_place(part, settings, images)
    except DoesNotFit:
        return _write_beside(file, settings)
    return file


def _write_beside(file: Path, settings: Mapping[str, Any]) -> Path:
    text = json.dumps(dict(settings), ensure_ascii=False, indent=4, default=str)
    return write_atomic(sidecar_path(file), text.encode("utf-8", "replace"))


def embed_in_place(path: Path, settings: Mapping[str, Any], images: Images | None = None) -> None:
    """The same for a file that is still under its temporary name.

    Raises DoesNotFit when the format has no room, MediaError for a format that keeps no settings.
    """
    text, found = settings_text(settings), sniff_file(path)
    try:
        match found.extension:
            case ".png" | ".jpg" | ".webp":
                path.write_bytes(embed_in_image(path.read_bytes(), settings))
            case ".mp4" | ".mov" | ".m4a":
                write_mp4(path, text, images or {})
            case ".mkv":
                write_mkv(path, text, images or {})
            case ".wav":
                write_wav(path, text)
            case ".mp3":
                write_mp3(path, text)
            case _:
                raise DoesNotFit(f"{path.name}: {found.words} keeps no settings.")
    except av.FFmpegError as exc:
        if isinstance(exc, OSError):
            raise
        raise MediaError(f"{path.name}: the settings cannot be kept in this file ({exc}).") from exc


def read_source_images(path: str | PathLike[str]) -> dict[str, list[SourceImage]]:
    """The pictures that a clip was made from, by the setting they belong to (`image_start`, `image_refs` ...)."""
    file = Path(path)
    match sniff_file(file).extension:
        case ".mp4" | ".mov":
            return read_mp4_images(file)
        case ".mkv":
            return read_mkv_images(file)
    return {}
