"""Files that appear whole or not at all, for writers that need a name and not a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.core.paths import disk_errors, temporary_path

_TEMPORARY = re.compile(r"\..+\.(\d+)-[0-9a-f]+\.tmp")


def remove_leftovers(*folders: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporary files of programs that were killed while they wrote; those of living ones stay."""
    removed = []
    for folder in {Path(folder) for folder in folders}:
        for part in folder.glob(".*.tmp"):
            match = _TEMPORARY.fullmatch(part.name)
            if match is not None and not _is_alive(int(match[1])):
                part.unlink(missing_ok=True)
                removed.append(part)
    return removed


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name in the same folder (made when absent), moved to `path` when the block ends well.

    When it does not, the temporary file is removed and `path` stays as it was. Raises DiskFull for a full disk and
    WanGPError for a folder that cannot be written.
    """
    target = Path(path)
    temporary = temporary_path(target)
    with disk_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
