"""Locks that keep two programs from using one queue folder; the operating system frees them when a program dies."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from shared.core.errors import QueueError

LOCK_NAME = ".lock"
PID_NAME = "queue.sqlite3.pid"
WORKER_PATTERN = "queue.sqlite3.worker-*"


class FolderLock:
    """The right to use a queue folder, held until `release` or the end of the program.

    Raises QueueError naming the folder and the program (pid) that holds it.
    """

    def __init__(self, folder: Path, timeout_s: float = 0.0) -> None:
        self.folder = folder
        self._lock = FileLock(folder / LOCK_NAME, is_singleton=False, thread_local=False)
        try:
            self._lock.acquire(timeout=timeout_s)
        except Timeout as exc:
            raise QueueError(
                f"queue: {folder} is in use by another program ({_holder(folder)}). "
                "Stop that one, or start this one with another --config folder."
            ) from exc
        except OSError as exc:
            raise QueueError(f"queue: {folder} cannot be locked ({exc}). Check that it is writable.") from exc
        (folder / PID_NAME).write_text(str(os.getpid()), encoding="utf-8")

    def release(self) -> None:
        """Give the folder free."""
        if self._lock.is_locked:
            (self.folder / PID_NAME).unlink(missing_ok=True)
            self._lock.release()


def hold_worker_lock(database: Path, device: str) -> FileLock:
    """Mark this process as the one that writes outputs for `device`; the mark goes when the process ends."""
    name = "".join(c if c.isalnum() else "-" for c in device)
    lock = FileLock(database.with_name(WORKER_PATTERN.replace("*", name)), is_singleton=False, thread_local=False)
    try:
        lock.acquire(timeout=30)
    except Timeout as exc:
        raise QueueError(f"queue: another worker process still holds {device} of {database.parent}.") from exc
    return lock


def wait_for_workers(folder: Path, timeout_s: float = 15.0) -> None:
    """Wait until the worker processes of an earlier program are gone: they may be renaming their last file."""
    for path in folder.glob(WORKER_PATTERN):
        lock = FileLock(path, is_singleton=False, thread_local=False)
        try:
            with lock.acquire(timeout=timeout_s):
                pass
        except Timeout as exc:
            raise QueueError(f"queue: a worker process of an earlier program is still busy in {folder}.") from exc


def _holder(folder: Path) -> str:
    try:
        return f"pid {int((folder / PID_NAME).read_text(encoding='utf-8'))}"
    except (OSError, ValueError):
        return "pid unknown"
