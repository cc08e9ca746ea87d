"""Virtual media: the path grammar of shared/core/virtual_path.py, and sources that live in memory instead of on disk.

A source in memory is reached as `<name>|vsource=<id>`. Items are kept as they were given (a tensor or array
[C,F,H,W] for a video, [C,H,W], [H,W,3] or a PIL picture for an image) and read as uint8 frames by `virtual_frames`.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import MediaError
from shared.core.virtual_path import (
    VirtualMediaSpec,
    build_virtual_media_path,
    clamp_virtual_frame_range,
    parse_virtual_media_path,
    replace_virtual_media_source,
    strip_virtual_media_suffix,
)

__all__ = [
    "VirtualMediaSpec",
    "build_virtual_media_path",
    "clamp_virtual_frame_range",
    "clear_virtual_media_source",
    "get_virtual_image",
    "get_virtual_media_entry",
    "get_virtual_media_vsource",
    "get_virtual_video",
    "media_source_exists",
    "parse_virtual_media_path",
    "replace_virtual_media_source",
    "store_virtual_image",
    "store_virtual_video",
    "strip_virtual_media_suffix",
    "virtual_frames",
]

_lock = threading.Lock()
_sources: dict[str, dict[str, dict[str, Any]]] = {}


def get_virtual_media_vsource(value: Any) -> str:
    """The id of the in-memory source that a path (or its parsed form) names, "" when it names none."""
    spec = value if isinstance(value, VirtualMediaSpec) else parse_virtual_media_path(value)
    return "" if spec is None else spec.extra("vsource")


def get_virtual_media_entry(value: Any, name: str | None = None) -> dict[str, Any] | None:
    """What is stored under (source id, name), or under a virtual path when `name` is None; None when nothing is."""
    if name is None:
        spec = value if isinstance(value, VirtualMediaSpec) else parse_virtual_media_path(value)
        if spec is None:
            return None
        value, name = get_virtual_media_vsource(spec), spec.source_path
    with _lock:
        return _sources.get(str(value).strip(), {}).get(name.strip())


def store_virtual_video(vsource: str, name: str, tensor: Any, fps: float, *, hdr: bool = False) -> None:
    """Keep a video [C,F,H,W] (uint8, or floats in -1..1) until its source is cleared; replaces one of the same name."""
    _store(vsource, name, {"kind": "video", "tensor": tensor, "fps": max(float(fps or 0), 1.0), "hdr": bool(hdr)})


def store_virtual_image(vsource: str, name: str, image: Any, *, hdr: bool = False) -> None:
    """Keep a picture (PIL, [H,W,3] or [C,H,W]) until its source is cleared."""
    _store(vsource, name, {"kind": "image", "image": image, "hdr": bool(hdr)})


def _store(vsource: str, name: str, entry: dict[str, Any]) -> None:
    with _lock:
        _sources.setdefault(str(vsource).strip(), {})[str(name).strip()] = entry


def get_virtual_video(value: Any, name: str | None = None) -> Any:
    """The stored video as it was given, or None."""
    entry = get_virtual_media_entry(value, name)
    return entry["tensor"] if entry is not None and entry["kind"] == "video" else None


def get_virtual_image(value: Any, name: str | None = None) -> Any:
    """The stored picture as it was given, or None."""
    entry = get_virtual_media_entry(value, name)
    return entry["image"] if entry is not None and entry["kind"] == "image" else None


def clear_virtual_media_source(vsource: str, name: str | None = None) -> None:
    """Forget a source, or one item of it."""
    with _lock:
        if name is None:
            _sources.pop(str(vsource).strip(), None)
        else:
            _sources.get(str(vsource).strip(), {}).pop(name.strip(), None)


def media_source_exists(value: Any) -> bool:
    """Whether a path, with or without suffix, leads to a file or to something held in memory."""
    if not isinstance(value, (str, Path)) or not str(value).strip():
        return False
    if get_virtual_media_vsource(value):
        return get_virtual_media_entry(value) is not None
    return Path(strip_virtual_media_suffix(value)).is_file()


def virtual_frames(value: Any) -> tuple[NDArray[np.uint8], float]:
    """All frames [F,H,W,3] and the fps of a source in memory (1 frame, fps 1 for a picture).

    Raises MediaError when the program holds nothing under that name.
    """
    entry = get_virtual_media_entry(value)
    if entry is None:
        raise MediaError(f"{value}: nothing is held in memory under this name. It is lost when the program ends.")
    if entry["kind"] == "image":
        return image_array(entry["image"])[None], 1.0
    video = as_uint8(entry["tensor"])
    return np.ascontiguousarray(np.moveaxis(video, 0, -1)), entry["fps"]


def image_array(image: Any) -> NDArray[np.uint8]:
    """A picture of any accepted form as [H,W,3] uint8."""
    if hasattr(image, "convert"):
        return np.asarray(image.convert("RGB"))
    array = as_uint8(image)
    if array.ndim == 3 and array.shape[-1] != 3 and array.shape[0] == 3:
        array = np.moveaxis(array, 0, -1)
    return np.ascontiguousarray(array)


def as_uint8(values: Any) -> NDArray[np.uint8]:
    """A tensor or array as uint8; floats are taken to be in -1..1."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return array.astype(np.uint8, copy=False)
    return np.clip(np.rint((array + 1.0) * 127.5), 0, 255).astype(np.uint8)
