"""Files lent to the form, as Gradio shows only what lies in its own folder, and uploads kept for the queue."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from shared.core.paths import disk_errors, safe_name
from shared.core.settings import MEDIA_KEYS
from shared.core.virtual_path import SEPARATOR, parse_virtual_media_path


def lend(path: str | Path) -> str:
    """The path of the same file in Gradio's folder: a second name of it where that is possible, else a copy."""
    source = Path(path)
    with disk_errors(source):
        facts = source.stat()
        place = _place(f"{source.resolve()}|{facts.st_size}|{facts.st_mtime_ns}", source.name)
        if not place.is_file():
            _same_file(source, place)
    return str(place)


def lend_bytes(content: bytes, name: str) -> str:
    """The path of a file with this content in Gradio's folder."""
    place = _place(hashlib.sha256(content).hexdigest(), name)
    with disk_errors(place):
        if not place.is_file():
            place.write_bytes(content)
    return str(place)


def keep_uploads(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings whose uploaded media are files of `folder`: the system clears its temporary folder when it starts."""
    kept = dict(settings)
    for name in MEDIA_KEYS:
        value = kept.get(name)
        if isinstance(value, (list, tuple)):
            kept[name] = [_kept(one, folder) for one in value]
        elif value:
            kept[name] = _kept(value, folder)
    return kept


def _kept(value: Any, folder: Path) -> Any:
    virtual = parse_virtual_media_path(value) if isinstance(value, str) else None
    if virtual is not None:
        return f"{_kept(virtual.source_path, folder)}{SEPARATOR}{value.partition(SEPARATOR)[2]}"
    if not isinstance(value, str) or not Path(value).is_file():
        return value
    source = Path(value).resolve()
    if not source.is_relative_to(Path(get_upload_folder()).resolve()):
        return value
    facts = source.stat()
    mark = hashlib.sha256(f"{source}|{facts.st_size}|{facts.st_mtime_ns}".encode()).hexdigest()[:24]
    place = folder / f"{mark}_{safe_name(source.name, 120)}"
    with disk_errors(place):
        folder.mkdir(parents=True, exist_ok=True)
        if not place.is_file():
            _same_file(source, place)
    return str(place)


def _same_file(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def _place(key: str, name: str) -> Path:
    folder = Path(get_upload_folder()) / hashlib.sha256(key.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / safe_name(name)
