"""Media that a stranger hands in (base64, data URI, web address, path) as checked local files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from shared.core.errors import MediaError
from shared.media.atomic import whole_file
from shared.media.fetching import Network, fetch
from shared.media.images import data_uri_bytes, is_data_uri, load_image
from shared.media.opening import open_media, picture_stream
from shared.media.sniff import FileType, sniff

ALL_KINDS = frozenset({"image", "video", "audio"})
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


@dataclass(frozen=True)
class Limits:
    """What is accepted: kinds of media, bytes, pixels of a picture or frame, seconds for a download.

    `allow_paths` lets a text name a file on this machine; `allow_private` lets an address lead into the private
    network.
    """

    kinds: frozenset[str] = frozenset({"image"})
    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000
    timeout_s: float = 20.0
    allow_paths: bool = False
    allow_private: bool = False
    network: Network = field(default_factory=Network)


def save_input(source: str | bytes, folder: str | Path, limits: Limits | None = None) -> Path:
    """The local file behind what was handed in, checked by content; a path that is allowed is returned as it is.

    Anything else is written to `folder` under a name made of its content, so that the same input is one file.
    Raises MediaError, fit for the sender, for what cannot be fetched or decoded, or is over a limit.
    """
    accepted = limits or Limits()
    if isinstance(source, str) and accepted.allow_paths and (path := _local_file(source)) is not None:
        return _checked_file(path, accepted)
    data = input_bytes(source, accepted)
    found = _checked_type(data, "the input", accepted)
    path = Path(folder) / f"{hashlib.sha256(data).hexdigest()[:40]}{found.extension}"
    if not path.is_file():
        with whole_file(path) as part:
            part.write_bytes(data)
            _check_content(part, found, "the input", accepted)
    return path


def input_bytes(source: str | bytes, limits: Limits) -> bytes:
    """The content of what was handed in, within `max_bytes`; not yet checked for what it is."""
    if isinstance(source, bytes):
        return _bounded(source, limits)
    text = source.strip()
    if text[:7].lower() == "http://" or text[:8].lower() == "https://":
        return fetch(
            text, max_bytes=limits.max_bytes, timeout_s=limits.timeout_s, allow_private=limits.allow_private,
            network=limits.network,
        )  # fmt: skip
    if len(text) > limits.max_bytes * 1.4 + 200:
        raise _too_large(limits)
    if is_data_uri(text):
        return _bounded(data_uri_bytes(text), limits)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]{1,20}:", text):
        raise MediaError(f"{text[:60]!r} is not accepted; give base64, a data URI or an http(s) address.")
    return _bounded(_base64_bytes(text), limits)


def _base64_bytes(text: str) -> bytes:
    compact = "".join(text.split())
    if len(compact) < 16 or not _BASE64.fullmatch(compact):
        raise MediaError(f"{text[:60]!r} is neither base64 nor an http(s) address.")
    plain = compact.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MediaError("The base64 text is damaged or cut short.") from exc


def _bounded(data: bytes, limits: Limits) -> bytes:
    if len(data) > limits.max_bytes:
        raise _too_large(limits)
    return data


def _too_large(limits: Limits) -> MediaError:
    return MediaError(f"The input is larger than {limits.max_bytes / 2**20:g} MB, which is the most that is accepted.")


def _local_file(source: str) -> Path | None:
    try:
        return Path(source) if len(source) < 4096 and Path(source).is_file() else None
    except (OSError, ValueError):
        return None


def _checked_file(path: Path, limits: Limits) -> Path:
    if path.stat().st_size > limits.max_bytes:
        raise _too_large(limits)
    with open(path, "rb") as file:
        found = _checked_type(file.read(4096), str(path), limits)
    _check_content(path, found, str(path), limits)
    return path


def _checked_type(data: bytes, name: str, limits: Limits) -> FileType:
    found = sniff(data[:4096])
    if found.kind not in limits.kinds:
        wanted = {"image": "a picture", "video": "a video", "audio": "a sound"}
        accepted = " or ".join(wanted[kind] for kind in wanted if kind in limits.kinds)
        raise MediaError(f"{name}: this is {found.words}; {accepted} is needed.")
    return found


def _check_content(path: Path, found: FileType, name: str, limits: Limits) -> None:
    """Decode a picture whole, a clip by its first frame; errors call the file `name`."""
    try:
        if found.kind == "image":
            load_image(path, max_pixels=limits.max_pixels)
        else:
            _check_clip(path, limits)
    except MediaError as exc:
        raise MediaError(str(exc).replace(str(path), name)) from exc


def _check_clip(path: Path, limits: Limits) -> None:
    """Open the file and decode a first frame, so that later work does not stumble over it."""
    with open_media(path) as container:
        if not container.streams.video and "audio" in limits.kinds and container.streams.audio:
            return
        stream = picture_stream(container, path)
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > limits.max_pixels:
            raise MediaError(
                f"{path}: {width}x{height} is over the {limits.max_pixels / 1e6:.0f} million pixels accepted."
            )
        if next(container.decode(stream), None) is None:
            raise MediaError(f"{path}: no frame can be decoded; the file is damaged.")
