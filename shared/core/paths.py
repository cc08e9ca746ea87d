"""Files written whole or not at all, and names that cannot lead astray."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.core.errors import WanGPError

_RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(WanGPError):
    """There is no room left where a file should be written."""


def write_atomic(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file so that readers see the old content or the new one, even after a power cut.

    Raises DiskFull, or WanGPError when the folder cannot be written.
    """

    def fill(stream: BinaryIO) -> None:
        stream.write(content)

    return replace_atomic(path, fill)


def replace_atomic(path: str | os.PathLike[str], fill: Callable[[BinaryIO], None]) -> Path:
    """Like `write_atomic`, for content that `fill` writes piece by piece into a stream."""
    target = Path(path)
    temporary = temporary_path(target)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                fill(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
    return target


def temporary_path(target: Path) -> Path:
    """A fresh name beside `target` (same disk, so that a rename is atomic), with the same ending before `.tmp`."""
    return target.with_name(f".{target.name[:180]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what the system says about writing `path` into errors fit for a user."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise DiskFull(f"The disk is full: {path} could not be written. Free some space and try again.") from exc
        reason = exc.strerror or str(exc)
        raise WanGPError(f"{path} could not be written: {reason}.") from exc


def safe_name(text: str, limit_bytes: int = 200) -> str:
    """A file name made of `text`: no separators, no control characters, no reserved names, at most `limit_bytes`."""
    name = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', "_", text)
    name = re.sub(r"\s+", " ", name).strip(" .")
    name = name.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore").rstrip(" .")
    if name.split(".", 1)[0].casefold() in _RESERVED:
        name = "_" + name
    return name or "unnamed"


def unique_path(path: str | os.PathLike[str]) -> Path:
    """`path`, or the same with `_2`, `_3` ... before its ending, whichever does not exist yet."""
    wanted = Path(path)
    candidate, number = wanted, 1
    while candidate.exists():
        number += 1
        candidate = wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}")
    return candidate


def confined_join(folder: str | os.PathLike[str], name: str) -> Path:
    """The path of `name` inside `folder`. Raises WanGPError for names that lead outside (.., absolute, drives)."""
    root = Path(folder).resolve()
    inner = name.replace("\\", "/")
    is_absolute = inner.startswith("/") or re.match(r"[A-Za-z]:", inner) is not None
    parts = [part for part in inner.split("/") if part not in ("", ".")]
    if is_absolute or ".." in parts or "\x00" in inner or not parts:
        raise WanGPError(f'The name "{name}" leads outside its folder and is refused.')
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root):
        raise WanGPError(f'The name "{name}" leads outside its folder and is refused.')
    return path


def _sync_folder(folder: Path) -> None:
    """Make a rename last; folders cannot be opened for that on Windows."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
