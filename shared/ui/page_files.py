"""Files that the page may show in its fields: Gradio takes those of the temporary folder, wherever results are kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

FOLDER = "wangp-page"


def page_folder() -> Path:
    """The folder for pictures that the page makes."""
    folder = Path(tempfile.gettempdir()) / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


def page_copy(path: str | Path) -> str:
    """The file in the temporary folder under its own name: as a link where the disk allows, else a copy."""
    path = Path(path)
    facts = path.stat()
    key = hashlib.sha256(f"{path}|{facts.st_size}|{facts.st_mtime_ns}".encode()).hexdigest()[:16]
    target = page_folder() / key / path.name
    if not target.is_file():
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copy2(path, target)
    return str(target)
