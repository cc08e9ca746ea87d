"""Settings and source images inside mp4, mov, mkv, wav and mp3 files.

mp4, mov, m4a: the iTunes atom `©cmt`; images in the free-form atoms EMBEDDED_IMAGES and IMAGE_METADATA of
com.apple.iTunes. mkv: the tag COMMENT; images as attachments `<tag>__<name>.<extension>`. wav: a RIFF chunk `json`.
mp3: the ID3 frame TXXX with the description `WanGP`.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import mutagen
from mutagen.id3 import ID3, TXXX, ID3NoHeaderError
from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm

from shared.core.errors import MediaError
from shared.media.atomic import whole_file
from shared.media.settings_text import MAX_TEXT
from shared.media.sniff import sniff

COMMENT_ATOM = "\xa9cmt"
IMAGES_ATOM = "----:com.apple.iTunes:EMBEDDED_IMAGES"
INDEX_ATOM = "----:com.apple.iTunes:IMAGE_METADATA"
COMMENT_KEYS = ("comment", "description")
MAX_IMAGES = 256
ATTACHED_PICTURE = 1024
MIME_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}


@dataclass(frozen=True)
class SourceImage:
    """A picture that a clip was made from: its file name and the bytes of its file."""

    filename: str
    data: bytes

    @property
    def extension(self) -> str:
        """By content, with the dot."""
        return sniff(self.data[:64]).extension or ".bin"


@contextmanager
def _tags(path: Path) -> Iterator[None]:
    """What mutagen raises, as OSError for the disk and MediaError for the file."""
    try:
        yield
    except mutagen.MutagenError as exc:
        for cause in (exc.__cause__, exc.__context__, *exc.args):
            if isinstance(cause, OSError):
                raise cause from exc
        raise MediaError(f"{path.name}: the settings cannot be kept in this file, it is damaged ({exc}).") from exc


def write_mp4(path: Path, text: str, images: Mapping[str, Sequence[SourceImage]]) -> None:
    """Change the file in place."""
    with _tags(path):
        file: Any = MP4(path)
        if file.tags is None:
            file.add_tags()
        tags = file.tags
        tags[COMMENT_ATOM] = [text]
        if images:
            index: dict[str, list[dict[str, Any]]] = {}
            held: list[MP4FreeForm] = []
            for tag, pictures in images.items():
                for picture in pictures:
                    entry = {"index": len(held), "filename": picture.filename, "extension": picture.extension}
                    index.setdefault(tag, []).append(entry)
                    kind = AtomDataType.PNG if picture.extension == ".png" else AtomDataType.JPEG
                    held.append(MP4FreeForm(picture.data, dataformat=kind))
            tags[IMAGES_ATOM] = held
            tags[INDEX_ATOM] = [MP4FreeForm(json.dumps(index).encode(), dataformat=AtomDataType.UTF8)]
        file.save()


def read_mp4_images(path: Path) -> dict[str, list[SourceImage]]:
    """The source images of an mp4 or mov; empty when it has none or they are damaged."""
    found: dict[str, list[SourceImage]] = {}
    with suppress(mutagen.MutagenError, ValueError, TypeError, RecursionError, AttributeError, KeyError, IndexError):
        tags: Any = MP4(path).tags or {}
        held = [bytes(item) for item in tags.get(IMAGES_ATOM, [])][:MAX_IMAGES]
        index = json.loads(bytes(tags.get(INDEX_ATOM, [b"{}"])[0]))
        for tag, entries in index.items():
            pictures = [
                SourceImage(_base_name(entry.get("filename")), held[entry["index"]])
                for entry in entries
                if isinstance(entry.get("index"), int) and 0 <= entry["index"] < len(held)
            ]
            if pictures:
                found[str(tag)] = pictures
    return found


def _base_name(name: Any) -> str:
    """The last part of a name; a file must not be able to name another folder."""
    return str(name or "image").replace("\\", "/").split("/")[-1][:200] or "image"


def write_mkv(path: Path, text: str, images: Mapping[str, Sequence[SourceImage]]) -> None:
    """Copy the packets into a new file with the tag, and put it in place of the old one."""
    with whole_file(path) as part, av.open(str(path), metadata_errors="replace") as source:
        options = {"fflags": "+bitexact"}
        with av.open(str(part), "w", format="matroska", options=options) as target:
            for key, value in source.metadata.items():
                if key.lower() not in ("comment", "encoder"):
                    target.metadata[key] = value
            target.metadata["COMMENT"] = text
            kept = [stream for stream in source.streams if _is_track(stream)]
            copies = {stream.index: target.add_stream_from_template(stream) for stream in kept}
            _attach(target, images or read_mkv_images(path))
            for packet in source.demux(kept):
                if packet.size:
                    packet.stream = copies[packet.stream_index]
                    target.mux(packet)


def _is_track(stream: Any) -> bool:
    return stream.type in ("video", "audio", "subtitle") and not stream.disposition.value & ATTACHED_PICTURE


def _attach(target: Any, images: Mapping[str, Sequence[SourceImage]]) -> None:
    for tag, pictures in images.items():
        for picture in pictures:
            stem = Path(_base_name(picture.filename)).stem
            name = f"{tag}__{stem}{picture.extension}"
            target.add_attachment(name, MIME_TYPES.get(picture.extension, "application/octet-stream"), picture.data)


def read_mkv_images(path: Path) -> dict[str, list[SourceImage]]:
    """The attachments of an mkv that are source images."""
    found: dict[str, list[SourceImage]] = {}
    with suppress(av.FFmpegError, OSError), av.open(str(path), metadata_errors="replace") as container:
        for stream in container.streams:
            tag, separator, name = _base_name(stream.metadata.get("filename")).partition("__")
            if separator and tag and len(found) < MAX_IMAGES and (data := _attached(container, stream)):
                found.setdefault(tag, []).append(SourceImage(name, data))
    return found


def _attached(container: Any, stream: Any) -> bytes:
    """FFmpeg shows an attached picture as a video stream of one packet, any other file as an attachment."""
    if stream.type == "attachment":
        return bytes(stream.data or b"")
    if stream.type == "video" and stream.disposition.value & ATTACHED_PICTURE:
        for packet in container.demux(stream):
            return bytes(packet)
    return b""


def container_comment(path: Path) -> list[str]:
    """The texts in the comment and description tags of a clip or a sound, those of a comment first."""
    with suppress(av.FFmpegError, OSError), av.open(str(path), metadata_errors="replace") as container:
        texts = {key.lower(): value for key, value in container.metadata.items()}
        return [texts[key] for key in COMMENT_KEYS if key in texts]
    return []


def write_wav(path: Path, text: str) -> None:
    """Change the file in place: the old `json` chunk is dropped, the new one put at the end."""
    data = path.read_bytes()
    chunks = [(name, data[start : start + length]) for name, start, length in _riff_chunks_of(data)]
    chunks = [chunk for chunk in chunks if chunk[0] != b"json"] + [(b"json", text.encode())]
    body = b"".join(name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) & 1) for name, part in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)


def _riff_chunks_of(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[position : position + 8])
        yield name, position + 8, min(length, len(data) - position - 8)
        position += 8 + length + (length & 1)


def read_wav(path: Path) -> str | None:
    """The text of the `json` chunk."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return _wav_text(file, size)


def _wav_text(file: BinaryIO, size: int) -> str | None:
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"json":
            return file.read(min(length, MAX_TEXT)).decode("utf-8", "replace")
        position += 8 + length + (length & 1)
    return None


def write_mp3(path: Path, text: str) -> None:
    """Change the file in place."""
    with _tags(path):
        try:
            tags = ID3(path)
        except ID3NoHeaderError:
            tags = ID3()
        tags.delall("TXXX:WanGP")
        tags.add(TXXX(encoding=3, desc="WanGP", text=[text]))
        tags.save(path)


def read_mp3(path: Path) -> str | None:
    """The text of the frame TXXX `WanGP`."""
    with suppress(mutagen.MutagenError, ValueError):
        for frame in ID3(path).getall("TXXX"):
            if frame.desc.lower() == "wangp" and frame.text:
                return str(frame.text[0])
    return None
