"""Files that are deleted some time after they were made."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 60.0
SHORTEST_PAUSE_S = 0.2


class Cleaner:
    """Deletes the files of some folders once they are older than `keep_s` seconds and not `is_needed`.

    It looks at the age of the files themselves, so those of an earlier run of the program go too.
    """

    def __init__(self, folders: Sequence[Path], keep_s: float, is_needed: Callable[[Path], bool]) -> None:
        self._folders, self._keep_s, self._is_needed = folders, keep_s, is_needed
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="wangp-http-cleaner", daemon=True).start()

    def clean(self) -> list[Path]:
        """Delete what is due; returns it."""
        limit = time.time() - self._keep_s
        due = [path for folder in self._folders for path in _files(folder) if _age_mark(path) < limit]
        gone = []
        for path in due:
            if not self._is_needed(path):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                    gone.append(path)
        return gone

    def close(self) -> None:
        """Delete nothing more."""
        self._ended.set()

    def _run(self) -> None:
        pause_s = min(max(self._keep_s / 4, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        while not self._ended.wait(pause_s):
            try:
                self.clean()
            except Exception:
                log.exception("Old files could not be deleted")


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.is_file()]
    return []


def _age_mark(path: Path) -> float:
    """When the file was last written; now for one that has just gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
