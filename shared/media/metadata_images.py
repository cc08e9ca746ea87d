"""Settings inside PNG, JPEG and WebP files, put in without touching the pixels.

PNG: an iTXt chunk with the keyword `comment`. JPEG and WebP: the EXIF field UserComment, with the prefix ASCII, or
UNICODE and UTF-16 in little-endian order. Where another program's scheme is wanted as well, its text goes to where that
program looks (PNG: `parameters`; EXIF: UserComment), and in EXIF this program's moves to ImageDescription.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import MediaError
from shared.core.metadata_schemes import SOFTWARE
from shared.media.settings_text import DoesNotFit, settings_text
from shared.media.sniff import sniff

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
IMAGE_DESCRIPTION, SOFTWARE_FIELD, MAKER_NOTE = 0x010E, 0x0131, 0x927C
ASCII, UNICODE = b"ASCII\0\0\0", b"UNICODE\0"
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
MAX_JPEG_SEGMENT = 65533
READ_ERRORS = (OSError, ValueError, SyntaxError, IndexError, KeyError, TypeError, AttributeError, struct.error,
               EOFError, OverflowError, Image.DecompressionBombError)  # fmt: skip


@dataclass(frozen=True)
class SchemeText:
    """The settings as another program writes them: its scheme's name, and the text."""

    scheme: str
    text: str


def embed_in_image(data: bytes, settings: Mapping[str, Any], also: SchemeText | None = None) -> bytes:
    """The picture file `data` with the settings in it, in place of those it held; `also` those of another program.

    Raises DoesNotFit when a JPEG has no room for them (64 KB), MediaError for another kind of file.
    """
    text = settings_text(settings)
    match sniff(data[:64]).extension:
        case ".png":
            return _embed_in_png(data, text, also)
        case ".jpg":
            return _embed_in_jpeg(data, _exif_with(data, text, also))
        case ".webp":
            return _embed_in_webp(data, _exif_with(data, text, also))
    raise MediaError(f"Settings can be kept in PNG, JPEG and WebP pictures, not in {sniff(data[:64]).words}.")


def image_comments(path: str | Path) -> list[str]:
    """The texts that a picture file carries in the places for settings, this program's own first; none when it is
    damaged."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            exif = image.getexif()
            texts = dict(getattr(image, "text", {})) if image.format == "PNG" else {}
            named = [str(text) for name, text in texts.items() if name.lower() in ("comment", "description")]
            others = [str(text) for name, text in texts.items() if name.lower() == "parameters"]
            found = [*named, *others, exif.get(IMAGE_DESCRIPTION), _user_comment(exif), exif.get(USER_COMMENT)]
            return [text for text in found if isinstance(text, str) and text]
    except READ_ERRORS:
        return []


def _user_comment(exif: Image.Exif) -> str | None:
    value = exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
    if isinstance(value, str):
        return value.removeprefix("ASCII\0\0\0")
    if not isinstance(value, bytes):
        return None
    prefix, body = value[:8], value[8:]
    if prefix == UNICODE:
        body = body.removeprefix(b"\xff\xfe")
        order = "utf-16-be" if body.startswith((b"\xfe\xff", b"\0{", b"\0[")) else "utf-16-le"
        return body.removeprefix(b"\xfe\xff").decode(order, "replace")
    return (body if prefix in (ASCII, bytes(8)) else value).decode("utf-8", "replace").rstrip("\0")


def _exif_with(data: bytes, text: str, also: SchemeText | None) -> bytes:
    """The EXIF block of the file with its UserComment replaced, without the `Exif` marker."""
    exif = Image.Exif()
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "WEBP")) as image:
            exif = image.getexif()
            exif.get_ifd(EXIF_IFD)
    except READ_ERRORS:
        exif = Image.Exif()
    if also is not None:
        exif[IMAGE_DESCRIPTION] = json.dumps(json.loads(text))
        exif[SOFTWARE_FIELD], exif[MAKER_NOTE], exif[USER_COMMENT] = SOFTWARE, also.scheme, also.text
        text = also.text
    comment = ASCII + text.encode() if text.isascii() else UNICODE + text.encode("utf-16-le")
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, whole chunk) in file order."""
    position = len(PNG_HEAD)
    while position + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        yield name, data[position : position + 12 + length]
        position += 12 + length


def _embed_in_png(data: bytes, text: str, also: SchemeText | None) -> bytes:
    mine = {b"comment": text}
    if also is not None:
        mine |= {b"parameters": also.text, b"fooocus_scheme": also.scheme}
    chunks, is_in = [PNG_HEAD], False
    for name, chunk in _png_chunks(data):
        if name in (b"iTXt", b"tEXt", b"zTXt") and chunk[8:].split(b"\0", 1)[0].lower() in mine:
            continue
        if name == b"IDAT" and not is_in:
            chunks += [_text_chunk(keyword, value) for keyword, value in mine.items()]
            is_in = True
        chunks.append(chunk)
    return b"".join(chunks)


def _text_chunk(keyword: bytes, text: str) -> bytes:
    body = keyword + b"\0\0\0\0\0" + text.encode("utf-8", "replace")
    return struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))


def _embed_in_jpeg(data: bytes, exif: bytes) -> bytes:
    segment = b"Exif\0\0" + exif
    if len(segment) > MAX_JPEG_SEGMENT:
        raise DoesNotFit(f"The settings take {len(segment)} bytes; a JPEG picture has room for {MAX_JPEG_SEGMENT}.")
    parts = [data[:2]]
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and 0xE0 <= data[position + 1] <= 0xEF:
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        part = data[position : position + length]
        if not (part[1] == 0xE1 and part[4:10] == b"Exif\0\0"):
            parts.append(part)
        position += length
    at = 2 if len(parts) > 1 and parts[1][1] == 0xE0 else 1
    parts.insert(at, b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment)
    return b"".join(parts) + data[position:]


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) in file order."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[position : position + 8])
        yield name, data[position + 8 : position + 8 + length]
        position += 8 + length + (length & 1)


def _embed_in_webp(data: bytes, exif: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
        width, height, has_alpha = image.width, image.height, image.mode == "RGBA"
    chunks = [(name, body) for name, body in _webp_chunks(data) if name != b"EXIF"]
    if chunks[0][0] == b"VP8X":
        flags = chunks[0][1][0] | 0x08
        chunks[0] = (b"VP8X", bytes([flags]) + chunks[0][1][1:])
    else:
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", bytes([0x08 | (0x10 if has_alpha else 0), 0, 0, 0]) + size))
    chunks.append((b"EXIF", exif))
    body = b"".join(name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) & 1) for name, part in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
