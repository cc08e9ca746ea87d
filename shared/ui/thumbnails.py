"""Small pictures of results and tasks, made once and kept."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import WanGPError
from shared.media.images import load_image
from shared.media.sniff import is_video_file
from shared.media.video import frame_at

log = logging.getLogger(__name__)

WIDTH_PX, HEIGHT_PX = 384, 288
JPEG_QUALITY = 82


class Thumbnails:
    """JPEG thumbnails in one folder, named by path, size and date of the original."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, path: str | Path, media_type: str) -> bytes:
        """The thumbnail of a file as JPEG; empty for sounds and for what cannot be read."""
        kept = self.folder / (self._name(Path(path)) + ".jpg")
        if kept.is_file():
            return kept.read_bytes()
        if media_type == "audio":
            return b""
        jpeg = picture_thumbnail(str(path))
        if jpeg:
            self._keep(kept, jpeg)
        return jpeg

    def _keep(self, path: Path, jpeg: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{hashlib.sha256(jpeg).hexdigest()[:8]}.tmp")
            fresh.write_bytes(jpeg)
            fresh.replace(path)
        except OSError:
            log.warning("The thumbnail %s cannot be kept", path, exc_info=True)

    @staticmethod
    def _name(path: Path) -> str:
        facts = path.stat()
        return hashlib.sha256(f"{path}|{facts.st_size}|{facts.st_mtime_ns}".encode()).hexdigest()[:32]


def picture_thumbnail(source: Any) -> bytes:
    """A picture, or the first frame of a clip, as a small JPEG; empty for what cannot be read."""
    try:
        image = _picture(source)
    except (WanGPError, OSError, ValueError):
        log.info("No thumbnail of %s", source, exc_info=True)
        return b""
    image.thumbnail((WIDTH_PX, HEIGHT_PX))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _picture(source: Any) -> Any:
    if isinstance(source, (str, Path)) and is_video_file(strip_suffix(source)):
        return Image.fromarray(frame_at(source, 0))
    return load_image(source)
