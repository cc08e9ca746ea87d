"""Results over HTTP: where services have them written, what their addresses are, and how they are handed out."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from shared.core.errors import MediaError, WanGPError
from shared.core.paths import confined_join, safe_name
from shared.media.images import encode_image

IMAGE_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
}  # fmt: skip
VIDEO_TYPES = {".mp4": "video/mp4", ".mkv": "video/x-matroska"}
CODECS = {"image/png": "png", "image/jpeg": "jpeg_95", "image/webp": "webp_90"}
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def codec_of(extension: str) -> str | None:
    """The image codec for a file format that a client names (`png`, `jpg`, `jpeg`, `webp`); None for another."""
    return CODECS.get(IMAGE_TYPES.get("." + extension.strip().lower().lstrip("."), ""))


def name_template(wish: str, fallback: str) -> str:
    """An `output_filename` that numbers its files from 0: the client's name made safe, or `fallback`."""
    name = safe_name(re.sub(r"[{}]", "_", wish.strip()), 120) if wish.strip() else fallback
    return f"{name}-{{number}}"


def image_type(accept: str) -> str | None:
    """The picture format that an Accept header asks for and nothing else; None where it leaves the choice."""
    wished = accept.split(",")[0].split(";")[0].strip().lower()
    wished = "image/jpeg" if wished == "image/jpg" else wished
    return wished if wished in CODECS else None


class Shelf:
    """The folder of a service's results, one folder a day, and their addresses `/<name>/<day>/<file>`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def today(self) -> str:
        """The folder for what is asked for now."""
        return str(self.folder / time.strftime("%Y-%m-%d"))

    def url(self, path: str, base_url: str) -> str | None:
        """The address of a result; None where the file is gone or lies elsewhere."""
        file = Path(path)
        if not file.is_relative_to(self.folder) or not file.is_file():
            return None
        return f"{base_url}/{self.name}/" + "/".join(quote(part) for part in file.relative_to(self.folder).parts)

    def find(self, *names: str) -> Path | None:
        """The file of an address; None where there is none, or the names lead outside."""
        if any(separator in name for name in names for separator in "/\\"):
            return None
        try:
            path = confined_join(self.folder, "/".join(names))
            known = path.suffix.lower() in {**IMAGE_TYPES, **VIDEO_TYPES}
            return path if known and path.is_file() else None
        except (WanGPError, OSError, ValueError):
            return None

    async def reply(self, *names: str, accept: str = "") -> Response:
        """The file, a picture in the format that `accept` asks for; 404 with an empty body where there is none."""
        path = self.find(*names)
        if path is None:
            return Response(status_code=404)
        own, wished = {**IMAGE_TYPES, **VIDEO_TYPES}[path.suffix.lower()], image_type(accept)
        if wished is None or wished == own or own not in CODECS:
            return FileResponse(path, media_type=own, headers=FOREVER)
        try:
            return Response(await picture(path, wished), media_type=wished, headers=FOREVER)
        except MediaError:
            return Response(status_code=404)

    def remove(self, path: str) -> None:
        """Delete a result that lies here."""
        file = Path(path)
        if file.is_relative_to(self.folder):
            file.unlink(missing_ok=True)


async def picture(path: str | Path | bytes, media_type: str) -> bytes:
    """A picture's bytes in a format; raises MediaError for a file that is gone or damaged."""
    return await run_in_threadpool(_encoded, path, media_type)


def _encoded(path: str | Path | bytes, media_type: str) -> bytes:
    if not isinstance(path, bytes) and IMAGE_TYPES.get(Path(path).suffix.lower()) == media_type:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise MediaError(f"{path}: the file is gone.") from error
    return encode_image(path, CODECS[media_type])
