"""Files of this program lent to the form: Gradio shows only what lies in its own folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from gradio.utils import get_upload_folder

from shared.core.paths import disk_errors, safe_name


def lend(path: str | Path) -> str:
    """The path of the same file in Gradio's folder: a second name of it where that is possible, else a copy."""
    source = Path(path)
    with disk_errors(source):
        facts = source.stat()
        place = _place(f"{source.resolve()}|{facts.st_size}|{facts.st_mtime_ns}", source.name)
        if not place.is_file():
            try:
                os.link(source, place)
            except OSError:
                shutil.copy2(source, place)
    return str(place)


def lend_bytes(content: bytes, name: str) -> str:
    """The path of a file with this content in Gradio's folder."""
    place = _place(hashlib.sha256(content).hexdigest(), name)
    with disk_errors(place):
        if not place.is_file():
            place.write_bytes(content)
    return str(place)


def _place(key: str, name: str) -> Path:
    folder = Path(get_upload_folder()) / hashlib.sha256(key.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / safe_name(name)
