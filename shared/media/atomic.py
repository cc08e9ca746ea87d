"""Files that appear whole or not at all, for writers that need a name and not a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.core.paths import disk_errors, temporary_path


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
