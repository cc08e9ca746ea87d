"""One file on its way: kept in part, continued where it stopped, checked, and put in place whole."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx2
from filelock import FileLock, Timeout

from shared.core.errors import Cancelled, DownloadError
from shared.core.paths import disk_errors
from shared.engine.download_line import Line, LineTrouble, cut_off
from shared.media.fetching import shown

WORK_FOLDER = ".downloads"
# More is not asked for in one answer: what serves the Hub gives no single one beyond 50 GB.
LARGEST_ANSWER = 32 * 2**30
READ_BLOCK = 2**20
LOCK_POLL_S = 0.2


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: where from, where to, and what it must be.

    `sha256` or `git_sha1` (of a small file in git) are checked where known. `repo`: it belongs to that repository of
    the Hub and the user's token goes along. `is_foreign`: a settings file named the address. `root` is the checkpoint
    root that keeps the unfinished part.
    """

    url: str
    target: Path
    root: Path
    size: int | None = None
    sha256: str = ""
    git_sha1: str = ""
    repo: str = ""
    is_foreign: bool = False

    @property
    def key(self) -> str:
        """What an unfinished part is kept under; other content has another key."""
        identity = f"{self.target}|{self.sha256 or self.git_sha1 or self.url}"
        return hashlib.sha256(identity.encode()).hexdigest()[:20]

    @property
    def part(self) -> Path:
        """The unfinished part."""
        return self.root / WORK_FOLDER / f"{self.key}.part"


@dataclass(frozen=True)
class Patience:
    """How often a cut line is tried again without a byte received, and the wait before (doubled each time)."""

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0


class Digest:
    """The checksum of a file that grows."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        is_git = not self._file.sha256 and self._file.git_sha1 and self._file.size is not None
        self._hash = hashlib.sha1(usedforsecurity=False) if is_git else hashlib.sha256()
        if is_git:
            self._hash.update(f"blob {self._file.size}\0".encode())

    def update(self, content: bytes) -> None:
        """Take in what follows."""
        self._hash.update(content)

    def is_right(self) -> bool:
        """Whether it is what the file must have; right where nothing is known of it."""
        wanted = self._file.sha256 or (self._file.git_sha1 if self._file.size is not None else "")
        return not wanted or self._hash.hexdigest() == wanted


@dataclass
class Transfer:
    """The download of one file; `run` in a thread, `stop` from another. `done` and `size` are in bytes.

    `trouble` is why it is tried again, `is_waiting` says that another program fetches the same file.
    """

    file: RemoteFile
    line: Line
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self.done, self.size = 0, self.file.size
        self.received = 0
        self.is_waiting = False
        self.trouble = ""
        self._stopped = threading.Event()
        self._response: httpx2.Response | None = None

    def stop(self) -> None:
        """End it: what has arrived is kept."""
        self._stopped.set()
        response = self._response
        if response is not None:
            cut_off(response)

    def run(self) -> None:
        """Fetch the file. Raises DownloadError, DiskFull, Cancelled after `stop`."""
        with disk_errors(self.file.target):
            self.file.part.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                if not self._is_in_place():
                    self._fetch()

    def _is_in_place(self) -> bool:
        """Whether another program has fetched it meanwhile."""
        target = self.file.target
        if not target.is_file() or (self.file.size is not None and target.stat().st_size != self.file.size):
            return False
        self.done = self.size = target.stat().st_size
        return True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = FileLock(self.file.part.with_suffix(".lock"), is_singleton=False, thread_local=False)
        while True:
            self._check_stopped()
            try:
                lock.acquire(timeout=LOCK_POLL_S)
                break
            except Timeout:
                self.is_waiting = True
        self.is_waiting = False
        try:
            yield
        finally:
            lock.release()

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Cancelled

    def _fetch(self) -> None:
        digest = Digest(self.file)
        with self.file.part.open("ab") as stream:
            self._take_over(stream, digest)
            self._receive_all(stream, digest)
            if not digest.is_right():
                self._restart(stream, digest)
                self._receive_all(stream, digest)
            if not digest.is_right():
                self._restart(stream, digest)
                raise DownloadError(
                    f"{self.name}: it arrived damaged twice (its checksum is wrong). The line or the server spoils it; "
                    "try again later, or another mirror (HF_ENDPOINT)."
                )
            stream.flush()
            os.fsync(stream.fileno())
        self.file.target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.file.part, self.file.target)
        self._tag.unlink(missing_ok=True)

    def _receive_all(self, stream: BinaryIO, digest: Digest) -> None:
        """Receive to the end, over as many cuts of the line as it takes while bytes come through."""
        failures = 0
        while self.size is None or self.done < self.size:
            before = self.received
            try:
                if self._receive(stream, digest):
                    return
                trouble = LineTrouble("the line was cut")
            except LineTrouble as exc:
                trouble = exc
            self._check_stopped()
            failures = 1 if self.received > before else failures + 1
            if self.size is None or self.done < self.size:
                self._wait_after(trouble, failures)

    def _take_over(self, stream: BinaryIO, digest: Digest) -> None:
        """Go on from an earlier attempt: its bytes count, and belong to the checksum."""
        kept = self.file.part.stat().st_size
        if self.size is not None and kept > self.size:
            self._restart(stream, digest)
            return
        with self.file.part.open("rb") as part:
            while self.done < kept and (block := part.read(READ_BLOCK)):
                self._check_stopped()
                digest.update(block)
                self.done += len(block)

    def _restart(self, stream: BinaryIO, digest: Digest) -> None:
        stream.truncate(0)
        stream.seek(0)
        digest.restart()
        self.done = 0

    def _receive(self, stream: BinaryIO, digest: Digest) -> bool:
        """Read one answer to its end; True when the file is whole though its size was not known before."""
        self._check_stopped()
        is_size_known = self.size is not None
        with self.line.open(
            self.file.url, self._headers(), repo=self.file.repo, strict=self.file.is_foreign
        ) as response:
            self._response = response
            try:
                if not self._can_follow(response):
                    self._restart(stream, digest)
                    if response.status_code != 200:
                        return False
                self._note_size(response)
                self._store(response, stream, digest)
            finally:
                self._response = None
                stream.flush()
        return not is_size_known and (self.size is None or self.done == self.size)

    def _store(self, response: httpx2.Response, stream: BinaryIO, digest: Digest) -> None:
        for chunk in response.iter_bytes():
            stream.write(chunk)
            digest.update(chunk)
            self.done += len(chunk)
            self.received += len(chunk)
            self.trouble = ""
            self._check_stopped()
            if self.size is not None and self.done > self.size:
                self._restart(stream, digest)
                raise LineTrouble("the server sent more than the file has")

    def _headers(self) -> dict[str, str]:
        if not self.done:
            end = LARGEST_ANSWER - 1
            return {"Range": f"bytes=0-{end}"} if self.size is not None and self.size > LARGEST_ANSWER else {}
        last = "" if self.size is None else min(self.done + LARGEST_ANSWER, self.size) - 1
        headers = {"Range": f"bytes={self.done}-{last}"}
        if not (self.file.sha256 or self.file.git_sha1):
            headers |= {"If-Range": tag} if (tag := self._read_tag()) else {}
        return headers

    def _can_follow(self, response: httpx2.Response) -> bool:
        """Whether the answer goes on where the part ends."""
        if response.status_code == 200:
            return self.done == 0
        span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if response.status_code == 416:
            return self.size is None and total == str(self.done)
        is_same = self.size is None or total in ("*", str(self.size))
        return response.status_code == 206 and is_same and span.partition("-")[0] == str(self.done)

    def _note_size(self, response: httpx2.Response) -> None:
        """Learn the size, and what tells this version of the file from the next."""
        if not (self.file.sha256 or self.file.git_sha1):
            tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            self._tag.write_text(json.dumps(tag if not tag.startswith("W/") else ""), encoding="utf-8")
        if self.size is None:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            length = total or response.headers.get("Content-Length", "")
            self.size = int(length) if length.isdigit() else None

    @property
    def _tag(self) -> Path:
        return self.file.part.with_suffix(".tag")

    def _read_tag(self) -> str:
        try:
            return str(json.loads(self._tag.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return ""

    def _wait_after(self, trouble: LineTrouble, failures: int) -> None:
        if failures >= self.patience.attempts:
            raise DownloadError(
                f"{self.name}: {trouble}, {failures} times in a row. What has arrived is kept; start again to continue."
            ) from trouble
        self.trouble = str(trouble)
        wait_s = min(self.patience.first_wait_s * 2 ** (failures - 1), self.patience.longest_wait_s)
        self._stopped.wait(max(wait_s, trouble.wait_s))
        self._check_stopped()

    @property
    def name(self) -> str:
        """The file as messages call it."""
        return f"{self.file.repo}: {self.file.target.name}" if self.file.repo else shown(self.file.url)
