"""Small pictures of results and tasks, made once and kept."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import WanGPError
from shared.core.paths import write_atomic
from shared.media.thumbnails import jpeg, thumbnail

log = logging.getLogger(__name__)

SIDE_PX = 384
JPEG_QUALITY = 82


class Thumbnails:
    """JPEG thumbnails in one folder, a file a line of the history; they outlast the result's own file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self, entry: Any) -> Path | None:
        """The thumbnail of a line, where it was made before."""
        path = self._path(entry)
        return path if path.is_file() else None

    def make(self, entry: Any) -> bytes:
        """Make and keep it; empty for sounds and for what cannot be read."""
        if entry.media_type == "audio":
            return b""
        made = picture_thumbnail(str(entry.path))
        if made:
            self._keep(self._path(entry), made)
        return made

    def forget(self, entry: Any) -> None:
        """The line is gone."""
        self._path(entry).unlink(missing_ok=True)

    def _path(self, entry: Any) -> Path:
        # The moment tells lines of the same number apart, should the database be made anew.
        return self.folder / f"{entry.id % 100:02d}" / f"{entry.id}-{int(entry.created * 1000):x}.jpg"

    def _keep(self, path: Path, made: bytes) -> None:
        try:
            write_atomic(path, made)
        except WanGPError:
            log.warning("The thumbnail %s cannot be kept", path, exc_info=True)


def picture_thumbnail(source: Any) -> bytes:
    """A picture, or the first frame of a clip, as a small JPEG; empty for what cannot be read."""
    try:
        return jpeg(thumbnail(source, SIDE_PX), JPEG_QUALITY)
    except (WanGPError, OSError, ValueError):
        log.info("No thumbnail of %s", source, exc_info=True)
        return b""


def png(pixels: Any) -> bytes:
    """A frame (H,W,3) as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
