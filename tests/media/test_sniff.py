"""What a file really is."""

from __future__ import annotations

import pytest

from shared.media.sniff import sniff
from tests.media.conftest import encode_raw, numbered_frames


@pytest.mark.parametrize(
    ("data", "kind", "extension"),
    [
        (b"", "empty", ""),
        (b"\x89PNG\r\n\x1a\n", "image", ".png"),
        (b"\xff\xd8\xff\xe0", "image", ".jpg"),
        (b"RIFF\1\0\0\0WEBPVP8 ", "image", ".webp"),
        (b"RIFF\1\0\0\0WAVEfmt ", "audio", ".wav"),
        (b"XXXX\1\0\0\0WAVEfmt ", "unknown", ".bin"),
        (b"\0\0\0 ftypisom\0\0\0\0", "video", ".mp4"),
        (b"\0\0\0 ftypqt  \0\0\0\0", "video", ".mov"),
        (b"\0\0\0 ftypM4A \0\0\0\0", "audio", ".m4a"),
        (b"\0\0\0 ftypavif\0\0\0\0", "image", ".avif"),
        (b"\0\0\0 ftypheic\0\0\0\0", "image", ".heic"),
        (b"ID3\4", "audio", ".mp3"),
        (b"PK\3\4", "archive", ".zip"),
        (b'{"a": 1}', "text", ".json"),
        ("\ufeff[1]".encode(), "text", ".json"),
        (("é" * 2047).encode() + b"\xc3", "text", ".txt"),
        (b"\x80\x81\x82" * 50, "unknown", ".bin"),
        (b"<?xml version='1.0'?><svg>", "text", ".svg"),
    ],
)
def test_the_content_tells_the_type(data, kind, extension):
    found = sniff(data)
    assert (found.kind, found.extension) == (kind, extension) and found.words


def test_real_containers_are_known(tmp_path):
    for name, encoder in (("a.mp4", "libx264"), ("a.mov", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")):
        path = encode_raw(tmp_path / name, numbered_frames(2), encoder)
        assert sniff(path.read_bytes()[:4096]).extension == path.suffix
