"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.core.errors import MediaError

_DISK_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
}
_REASONS = {
    **_DISK_FULL,
    errno.EACCES: "writing there is not permitted",
    errno.EPERM: "writing there is not permitted",
    errno.EROFS: "that disk is read-only",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long for this file system",
}


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary name in the same folder (made when absent), moved to `path` when the block ends well.

    When it does not, the temporary file is removed and `path` stays as it was. A full disk, a folder that cannot be
    written and the like become MediaError.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as exc:
        raise write_error(path, exc) from exc
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: str | Path, data: bytes) -> Path:
    """Write `data` as `path`, whole or not at all."""
    with whole_file(path) as part:
        part.write_bytes(data)
    return Path(path)


def write_error(path: str | Path, exc: OSError) -> MediaError:
    """The sentence for a file that could not be written."""
    reason = _REASONS.get(exc.errno or 0, exc.strerror or str(exc))
    advice = " Free some space or choose another folder." if exc.errno in _DISK_FULL else ""
    return MediaError(f"{path}: the file could not be saved, {reason}.{advice}")
