"""The folder of a queue that one program keeps for itself."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from shared.core.errors import QueueError
from shared.engine.folder_lock import LOCK_NAME, FolderLock

PREFIX = "wangp-private-queue-"
# A program takes its lock moments after it has made its folder.
YOUNG_S = 60.0


def make_private_folder() -> Path:
    """A new folder among the temporary ones; those of programs that were killed are removed first."""
    remove_abandoned(Path(tempfile.gettempdir()))
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def remove_abandoned(parent: Path, now: float | None = None) -> list[Path]:
    """Remove the private folders under `parent` that no living program has locked; returns them."""
    removed = []
    for folder in parent.glob(f"{PREFIX}*"):
        if _is_abandoned(folder, time.time() if now is None else now):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _is_abandoned(folder: Path, now: float) -> bool:
    try:
        if folder.is_symlink() or now - (folder / LOCK_NAME).stat().st_mtime < YOUNG_S:
            return False
        FolderLock(folder).release()
    except (OSError, QueueError):
        return False
    return True
