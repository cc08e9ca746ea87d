"""Small pictures of results and tasks, made once and kept."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from shared.core.errors import WanGPError
from shared.media.thumbnails import jpeg, thumbnail

log = logging.getLogger(__name__)

SIDE_PX = 384
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
        return jpeg(thumbnail(source, SIDE_PX), JPEG_QUALITY)
    except (WanGPError, OSError, ValueError):
        log.info("No thumbnail of %s", source, exc_info=True)
        return b""
