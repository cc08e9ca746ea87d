"""Fetches files: several at once, with progress, ended within a moment when the user cancels."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.core.errors import Cancelled, WanGPError
from shared.core.paths import DiskFull
from shared.core.units import size_text
from shared.engine.download_file import Patience, RemoteFile, Transfer
from shared.engine.download_line import Line

PARALLEL = 4
TELL_EVERY_S = 0.25
POLL_S = 0.1
SPEED_OVER_S = 8.0
# Threads of a cancelled download have this long to end; one that still looks a host name up ends by itself later.
END_WAIT_S = 0.5
# Room that is left on the disk, for the files that tasks make meanwhile.
SPARE_BYTES = 200 * 10**6


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is, in bytes and files; `total` and `left_s` are None while unknown, speed is bytes/s.

    `trouble` is why something is tried again, `is_waiting` says that another program fetches the same file.
    """

    done: int
    total: int | None
    speed: float
    left_s: float | None
    files_done: int
    files: int
    is_waiting: bool = False
    trouble: str = ""

    @property
    def text(self) -> str:
        """`1.20 GB of 28.4 GB, 45.3 MB/s, 10m 05s left`."""
        if not self.files:
            return "looking up its files"
        if self.is_waiting:
            return "another program downloads the same file"
        parts = [f"{size_text(self.done)} of {size_text(self.total)}" if self.total else size_text(self.done)]
        if self.speed:
            parts.append(f"{self.speed / 1e6:.1f} MB/s")
        if self.left_s is not None:
            parts.append(f"{_duration(self.left_s)} left")
        return ", ".join([*parts, f"trying again ({self.trouble})"] if self.trouble else parts)


LOOKING_UP = DownloadProgress(0, None, 0.0, None, 0, 0)


class Speedometer:
    """Bytes a second over the last moments."""

    def __init__(self, over_s: float = SPEED_OVER_S) -> None:
        self._over_s = over_s
        self._marks: deque[tuple[float, int]] = deque()

    def speed(self, received: int, now: float) -> float:
        """The speed when `received` bytes have come by `now`."""
        self._marks.append((now, received))
        while len(self._marks) > 2 and now - self._marks[0][0] > self._over_s:
            self._marks.popleft()
        first_time, first = self._marks[0]
        return (received - first) / (now - first_time) if now > first_time else 0.0


@dataclass
class _Batch:
    """The transfers of one call, and what has become of them."""

    transfers: Sequence[Transfer]
    waiting: queue.SimpleQueue[Transfer] = field(default_factory=queue.SimpleQueue)
    is_over: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    finished: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for transfer in self.transfers:
            self.waiting.put(transfer)

    def work(self) -> None:
        """Run transfers until none is left or one has failed; in a thread."""
        while not self.is_over.is_set():
            try:
                transfer = self.waiting.get_nowait()
            except queue.Empty:
                return
            try:
                transfer.run()
            except BaseException as exc:
                with self.lock:
                    self.failures.append(exc)
                self.is_over.set()
                return
            with self.lock:
                self.finished += 1
                if self.finished == len(self.transfers):
                    self.is_over.set()

    def stop(self) -> None:
        """End every transfer."""
        self.is_over.set()
        for transfer in self.transfers:
            transfer.stop()


@dataclass
class Downloader:
    """Fetches files over a line. Files that other files depend on ("last") are put in place after the others."""

    line: Line = field(default_factory=Line)
    parallel: int = PARALLEL
    patience: Patience = field(default_factory=Patience)

    def fetch(
        self,
        files: Iterable[RemoteFile],
        on_progress: Callable[[DownloadProgress], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        """Fetch the files, the largest first. What has arrived of the others is kept when one fails.

        Raises DownloadError, DiskFull, or Cancelled within a second of `is_cancelled()`; what `on_progress` raises
        ends the download too.
        """
        wanted = sorted(files, key=lambda file: -(file.size or 0))
        if not wanted:
            return
        check_room(wanted)
        batch = _Batch([Transfer(file, self.line, self.patience) for file in wanted])
        threads = [
            threading.Thread(target=batch.work, name="download", daemon=True)
            for _ in range(min(self.parallel, len(wanted)))
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(batch, on_progress or _ignore, is_cancelled or _never)
        finally:
            batch.stop()
            end = time.monotonic() + END_WAIT_S
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
        real = [failure for failure in batch.failures if not isinstance(failure, Cancelled)]
        if real:
            raise _as_ours(real[0])

    def _watch(self, batch: _Batch, tell: Callable[[DownloadProgress], None], is_cancelled: Callable[[], bool]) -> None:
        meter, told_at = Speedometer(), 0.0
        while True:
            is_over = batch.is_over.wait(POLL_S)
            if is_cancelled():
                raise Cancelled
            now = time.monotonic()
            if is_over or now - told_at >= TELL_EVERY_S:
                told_at = now
                tell(_progress(batch, meter, now))
            if is_over:
                return


def check_room(files: Sequence[RemoteFile]) -> None:
    """Raise DiskFull when a disk has too little room for what is still to come."""
    needed: dict[Path, int] = {}
    for file in files:
        here = file.part.stat().st_size if file.part.is_file() else 0
        needed[file.root] = needed.get(file.root, 0) + max(0, (file.size or 0) - here)
    for root, bytes_needed in needed.items():
        folder = next((path for path in (root, *root.parents) if path.exists()), Path.cwd())
        free = shutil.disk_usage(folder).free
        if bytes_needed and bytes_needed + SPARE_BYTES > free:
            raise DiskFull(
                f"The disk of {root} has {size_text(free)} free, and {size_text(bytes_needed)} are still to be "
                'downloaded. Free some space, or put another folder first in "checkpoints_paths" of wgp_config.json.'
            )


def _progress(batch: _Batch, meter: Speedometer, now: float) -> DownloadProgress:
    transfers = batch.transfers
    done = sum(transfer.done for transfer in transfers)
    sizes = [transfer.size for transfer in transfers]
    total = None if any(size is None for size in sizes) else sum(size or 0 for size in sizes)
    speed = max(0.0, meter.speed(sum(transfer.received for transfer in transfers), now))
    left_s = (total - done) / speed if total is not None and speed > 0 else None
    is_waiting = any(transfer.is_waiting for transfer in transfers) and not speed
    trouble = next((transfer.trouble for transfer in transfers if transfer.trouble), "")
    return DownloadProgress(done, total, speed, left_s, batch.finished, len(transfers), is_waiting, trouble)


def _as_ours(failure: BaseException) -> BaseException:
    """The failure itself: an error for the user, or a bug with its traceback."""
    if isinstance(failure, WanGPError):
        return type(failure)(str(failure)).with_traceback(failure.__traceback__)
    return failure


def _ignore(_: DownloadProgress) -> None:
    return


def _never() -> bool:
    return False


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"
