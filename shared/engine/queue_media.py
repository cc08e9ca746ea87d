"""Settings as they can be kept on disk: pictures held in memory become files, everything else JSON."""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import QueueError, SettingsError, WanGPError
from shared.core.paths import write_atomic

FOLDER_NAME = "queue_media"
KEEP_UNUSED_S = 24 * 3600.0


def storable(params: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A copy of `params` that JSON can hold; PIL pictures and uint8 arrays (H,W,3) are written to `folder` as PNG.

    Raises SettingsError naming the setting that cannot be kept, QueueError when the disk is full.
    """
    return {str(key): _plain(value, str(key), folder) for key, value in params.items()}


def remove_unused(folder: Path, used: Iterable[Mapping[str, Any]]) -> None:
    """Delete the pictures of tasks that are gone, a day after they were last used."""
    if not folder.is_dir():
        return
    names = {Path(text).name for params in used for text in _texts(params)}
    oldest = time.time() - KEEP_UNUSED_S
    for path in folder.iterdir():
        if path.is_file() and path.name not in names and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def _plain(value: Any, key: str, folder: Path) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _refuse(value, key, "a finite number")
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item, f"{key}.{name}", folder) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, key, folder) for item in value]
    if isinstance(value, Image.Image):
        return _keep(value, folder)
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if getattr(value, "ndim", None) == 0:
        return _plain(value.item(), key, folder)
    if hasattr(value, "__array_interface__"):
        return _keep_array(value, key, folder)
    return _refuse(value, key, "text, numbers, lists, dicts, paths and pictures")


def _keep_array(value: Any, key: str, folder: Path) -> Any:
    if value.ndim == 1:
        return _plain(value.tolist(), key, folder)
    if str(value.dtype) != "uint8" or value.ndim not in (2, 3) or value.shape[2:] not in ((), (3,), (4,)):
        return _refuse(value, key, "a picture as a uint8 array (height, width, 3), or the path of a file")
    return _keep(Image.fromarray(value), folder)


def _keep(image: Image.Image, folder: Path) -> str:
    if image.mode not in ("RGB", "RGBA", "L"):
        image = image.convert("RGBA" if "transparency" in image.info or "A" in image.mode else "RGB")
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    path = folder / f"{hashlib.sha256(data.getbuffer()).hexdigest()[:24]}.png"
    try:
        if path.is_file():
            path.touch()
        else:
            write_atomic(path, data.getvalue())
    except (OSError, WanGPError) as exc:
        raise QueueError(f"queue: the task's picture could not be kept. {exc}") from exc
    return str(path)


def _refuse(value: Any, key: str, accepted: str) -> Any:
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    given = repr(value) if isinstance(value, float) else f"a {type(value).__name__}{shape}"
    raise SettingsError(f"{key}: {given} cannot be kept in the queue. Accepted: {accepted}.")


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value.partition("|")[0]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
