"""What a file really is, told from its content and never from its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Kind = Literal["image", "video", "audio", "archive", "text", "empty", "unknown"]

HEAD_BYTES = 4096


@dataclass(frozen=True)
class FileType:
    """`kind` for decisions, `extension` (with its dot) for a file name, `words` for a sentence ("a PNG picture")."""

    kind: Kind
    extension: str
    words: str


_SIGNATURES: tuple[tuple[int, bytes, FileType], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", FileType("image", ".png", "a PNG picture")),
    (0, b"\xff\xd8\xff", FileType("image", ".jpg", "a JPEG picture")),
    (0, b"GIF8", FileType("image", ".gif", "a GIF picture")),
    (0, b"II*\x00", FileType("image", ".tif", "a TIFF picture")),
    (0, b"MM\x00*", FileType("image", ".tif", "a TIFF picture")),
    (0, b"BM", FileType("image", ".bmp", "a BMP picture")),
    (8, b"WEBP", FileType("image", ".webp", "a WebP picture")),
    (8, b"WAVE", FileType("audio", ".wav", "a WAV sound")),
    (8, b"AVI ", FileType("video", ".avi", "an AVI video")),
    (0, b"\x1aE\xdf\xa3", FileType("video", ".mkv", "a Matroska or WebM video")),
    (0, b"\x00\x00\x01\xba", FileType("video", ".mpg", "an MPEG video")),
    (0, b"FLV\x01", FileType("video", ".flv", "a Flash video")),
    (0, b"0&\xb2u\x8ef\xcf\x11", FileType("video", ".wmv", "a Windows Media file")),
    (0, b"ID3", FileType("audio", ".mp3", "an MP3 sound")),
    (0, b"\xff\xfb", FileType("audio", ".mp3", "an MP3 sound")),
    (0, b"\xff\xf3", FileType("audio", ".mp3", "an MP3 sound")),
    (0, b"\xff\xf1", FileType("audio", ".aac", "an AAC sound")),
    (0, b"fLaC", FileType("audio", ".flac", "a FLAC sound")),
    (0, b"OggS", FileType("audio", ".ogg", "an Ogg sound")),
    (0, b"PK\x03\x04", FileType("archive", ".zip", "a ZIP archive")),
    (0, b"PK\x05\x06", FileType("archive", ".zip", "an empty ZIP archive")),
    (0, b"%PDF", FileType("unknown", ".pdf", "a PDF document")),
    (0, b"\x7fELF", FileType("unknown", ".bin", "a program")),
    (0, b"MZ", FileType("unknown", ".exe", "a Windows program")),
)
_RIFF_KINDS = (b"WEBP", b"WAVE", b"AVI ")
_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
_MP4_BOXES = (*_MP4_FIRST_BOXES, b"moof", b"mfra", b"sidx", b"meta", b"uuid", b"udta", b"pnot", b"emsg", b"ssix")
_BRANDS = {
    b"avif": FileType("image", ".avif", "an AVIF picture"),
    b"avis": FileType("image", ".avif", "an AVIF picture"),
    b"heic": FileType("image", ".heic", "a HEIC picture"),
    b"heix": FileType("image", ".heic", "a HEIC picture"),
    b"mif1": FileType("image", ".heic", "a HEIF picture"),
    b"qt  ": FileType("video", ".mov", "a QuickTime video"),
    b"M4A ": FileType("audio", ".m4a", "an MPEG-4 sound"),
}


def sniff(data: bytes) -> FileType:
    """The type of a file from its first HEAD_BYTES bytes."""
    if not data:
        return FileType("empty", "", "an empty file")
    if data[4:8] in _MP4_FIRST_BOXES:
        return _BRANDS.get(data[8:12], FileType("video", ".mp4", "an MP4 video"))
    for offset, magic, found in _SIGNATURES:
        if magic in _RIFF_KINDS and data[:4] not in (b"RIFF", b"RF64"):
            continue
        if data[offset : offset + len(magic)] == magic:
            return found
    return _text_type(data)


def sniff_file(path: str | Path) -> FileType:
    """The same, for a file on disk."""
    with open(path, "rb") as file:
        return sniff(file.read(HEAD_BYTES))


def is_video_file(path: str | Path) -> bool:
    """Whether the path leads to a file that is a video by its content."""
    return Path(path).is_file() and sniff_file(path).kind == "video"


def _text_type(data: bytes) -> FileType:
    unknown = FileType("unknown", ".bin", "data of an unknown kind")
    if b"\x00" in data:
        return unknown
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        if exc.start < len(data) - 4:
            return unknown
        text = data[: exc.start].decode("utf-8")
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")):
        return FileType("text", ".html", "a web page")
    if start.startswith("<svg") or "<svg" in start[:300]:
        return FileType("text", ".svg", "an SVG drawing")
    if start.startswith(("{", "[")):
        return FileType("text", ".json", "a JSON text")
    return FileType("text", ".txt", "a text file")


def missing_bytes(path: str | Path) -> int:
    """How many bytes a cut-off mp4, mov or mkv lacks, by the sizes written in it; 0 for a whole or any other file."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        found = sniff(file.read(HEAD_BYTES))
        if found.extension in (".mp4", ".mov", ".m4a"):
            return _missing_of_boxes(file, size)
        if found.extension == ".mkv":
            return _missing_of_segment(file, size)
    return 0


def _missing_of_boxes(file: BinaryIO, size: int) -> int:
    """Walk the top-level boxes: each begins with its length (4 bytes, or 1 and then 8) and its name.

    A length of 0 reaches to the end of the file; what some writers append after the last box is no box.
    """
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, header = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(head[8:16], "big"), 16
        if length < header or head[4:8] not in _MP4_BOXES:
            return 0
        position += length
    return max(position - size, 0)


def _missing_of_segment(file: BinaryIO, size: int) -> int:
    """Matroska: the EBML head, then one Segment whose length is known unless it was written as a live stream."""
    position = 0
    for _ in range(2):
        file.seek(position)
        head = file.read(12)
        if len(head) < 5:
            return 0
        width = 9 - head[4].bit_length()
        value = int.from_bytes(head[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
        if value == (1 << 7 * width) - 1:
            return 0
        position += 4 + width + value
    return max(position - size, 0)
