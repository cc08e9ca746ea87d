"""Large arrays that cross the process border as files, in memory where the system has a file system for that."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

INLINE_BYTES = 1 << 20
_PREFIX = "wangp-media-"


@dataclass(frozen=True)
class ArrayFile:
    """An array that lies in a file; reading it removes the file."""

    path: str


def make_media_folder() -> str:
    """A new private folder for the arrays of one worker process; those of dead programs are removed."""
    for base in _bases():
        for old in base.glob(f"{_PREFIX}*"):
            if not _is_alive(old.name.removeprefix(_PREFIX).partition("-")[0]):
                shutil.rmtree(old, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_bases()[0])


def pack(value: Any, folder: str) -> Any:
    """`value` with tensors made arrays, and large arrays made files."""
    if isinstance(value, Mapping):
        return {key: pack(item, folder) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item, folder) for item in value]
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        value = (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy()
    if isinstance(value, np.ndarray) and value.nbytes > INLINE_BYTES:
        return _write(value, folder)
    return value


def unpack(value: Any) -> Any:
    """What `pack` was given, with arrays in the place of tensors; they are backed by the (then nameless) file."""
    if isinstance(value, ArrayFile):
        array = np.load(value.path, mmap_mode="c" if os.name == "posix" else None)
        Path(value.path).unlink()
        return array
    if isinstance(value, dict):
        return {key: unpack(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unpack(item) for item in value]
    return value


def _write(array: np.ndarray, folder: str) -> ArrayFile:
    name = f"{secrets.token_hex(8)}.npy"
    try:
        return _save(array, Path(folder) / name)
    except OSError:
        # A container's memory file system is often only 64 MB: the disk has more.
        return _save(array, Path(tempfile.gettempdir()) / f"{_PREFIX}{name}")


def _save(array: np.ndarray, path: Path) -> ArrayFile:
    try:
        with open(path, "xb") as file:
            os.chmod(path, 0o600)
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return ArrayFile(str(path))


def _bases() -> list[Path]:
    memory = Path("/dev/shm")
    disk = Path(tempfile.gettempdir())
    return [memory, disk] if memory.is_dir() and os.access(memory, os.W_OK) else [disk]


def _is_alive(pid: str) -> bool:
    if not pid.isdigit() or os.name != "posix":
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
