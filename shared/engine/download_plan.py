"""From the files that a model needs to the files that are still to be fetched: sizes and checksums from the Hub."""

from __future__ import annotations

import json
import os
import posixpath
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from shared.core.checkpoints import Finder, is_complete
from shared.core.contracts import ModelFile
from shared.core.errors import Cancelled, DownloadError
from shared.core.model_folder import INDEX, WEIGHTS
from shared.core.paths import confined_join
from shared.engine.download_choice import choose, choose_part
from shared.engine.download_file import Patience, RemoteFile
from shared.engine.download_line import Line, LineTrouble

T = TypeVar("T")
WAIT_POLL_S = 0.1


@dataclass(frozen=True)
class Origin:
    """A file that a model needs, whose place on disk is not whole, with the root that it belongs under."""

    file: ModelFile
    root: Path
    is_foreign: bool = False

    @property
    def target(self) -> Path:
        """Where it goes."""
        path = Path(self.file.path)
        return path if path.is_absolute() else confined_join(self.root, self.file.path)


@dataclass
class Planner:
    """Asks the Hub about repositories, each once, and says what is to be fetched."""

    line: Line
    patience: Patience = field(default_factory=Patience)
    is_cancelled: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._listings: dict[tuple[str, str], Any] = {}

    def missing(self, origins: Iterable[Origin]) -> list[RemoteFile]:
        """The files that are not on disk, or there with weights of the wrong size. Raises DownloadError, Cancelled."""
        found: dict[Path, RemoteFile] = {}
        for origin in origins:
            for file in self.files(origin):
                if not is_here(file.target, file.size):
                    found.setdefault(file.target, file)
        return list(found.values())

    def files(self, origin: Origin) -> list[RemoteFile]:
        """Every file of an origin, whether on disk or not."""
        file = origin.file
        if file.url:
            return [
                RemoteFile(
                    file.url, origin.target, origin.root, file.size_bytes, file.sha256, is_foreign=origin.is_foreign
                )
            ]
        if not file.repo:
            return []
        listing = self._listing(file.repo, file.revision)
        siblings = {sibling.rfilename: sibling for sibling in listing.siblings or ()}
        names = self._names(file, listing.sha, list(siblings))
        inner = _inner_folder(file, siblings)
        return [
            self._remote(file, siblings[name], listing.sha, confined_join(origin.target, name[len(inner) :]), origin)
            if inner is not None
            else self._remote(file, siblings[name], listing.sha, origin.target, origin)
            for name in names
        ]

    def _names(self, file: ModelFile, commit: str, names: list[str]) -> list[str]:
        """The names in the repository of what is needed."""
        if file.name in names:
            return [file.name]
        folder = "" if file.name in (".", "") else f"{file.name}/"
        inside = [name for name in names if name.startswith(folder)]
        if not inside:
            raise DownloadError(f"{file.repo}: the repository has no {file.name}. Correct the definition.")
        if file.role != "pipeline":
            return choose_part([name for name in inside if "/" not in name[len(folder) :]], "", file.variant)
        if INDEX not in inside:
            raise DownloadError(
                f"{file.repo}: it is not in diffusers' layout (it has no {INDEX}). Name a repository that is, or "
                'single files by "URLs".'
            )
        index = self._index(file.repo, commit)
        return [name for name in choose(inside, index, file.without, file.variant) if name in names]

    def _index(self, repo: str, commit: str) -> dict[str, Any]:
        url = self.line.hub_url(repo, INDEX, commit)
        try:
            index = json.loads(self.patiently(lambda: self.line.read(url, repo), repo))
        except ValueError as exc:
            raise DownloadError(f"{repo}: its {INDEX} is damaged ({exc}).") from exc
        if not isinstance(index, dict):
            raise DownloadError(f"{repo}: its {INDEX} is damaged (it holds no object).")
        return index

    def _listing(self, repo: str, revision: str) -> Any:
        if (repo, revision) not in self._listings:
            self.line.check_online(repo)
            self._listings[repo, revision] = self.patiently(lambda: self.line.repository(repo, revision), repo)
        return self._listings[repo, revision]

    def _remote(self, file: ModelFile, sibling: Any, commit: str, target: Path, origin: Origin) -> RemoteFile:
        large = sibling.lfs
        return RemoteFile(
            url=self.line.hub_url(file.repo, sibling.rfilename, commit),
            target=target,
            root=origin.root,
            size=large.size if large else sibling.size,
            sha256=large.sha256 if large else file.sha256,
            git_sha1="" if large else sibling.blob_id or "",
            repo=file.repo,
        )

    def patiently(self, ask: Callable[[], T], what: str) -> T:
        """The answer to a question, asked again while the trouble may pass. Raises DownloadError, Cancelled."""
        wait_s = self.patience.first_wait_s
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return self._watched(ask)
            except LineTrouble as trouble:
                if attempt >= min(self.patience.attempts, trouble.attempts):
                    raise DownloadError(
                        f"{what}: {self.line.hub} cannot be reached ({trouble}). Check the line to the internet and "
                        "start again; files that are on disk work without it."
                    ) from trouble
                self._wait(max(min(wait_s, self.patience.longest_wait_s), trouble.wait_s))
                wait_s *= 2
        raise DownloadError(f"{what}: {self.line.hub} cannot be reached.")

    def _watched(self, ask: Callable[[], T]) -> T:
        """Ask in a thread: a server that does not answer cannot hold up the user's abort."""
        answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((ask(), None))
            except BaseException as exc:
                answers.put((None, exc))

        threading.Thread(target=run, name="ask-hub", daemon=True).start()
        while True:
            if self.is_cancelled():
                raise Cancelled
            try:
                answer, failure = answers.get(timeout=WAIT_POLL_S)
            except queue.Empty:
                continue
            if failure is not None:
                raise failure
            return cast("T", answer)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.is_cancelled():
                raise Cancelled
            time.sleep(min(WAIT_POLL_S, seconds))


def wanting(files: Iterable[ModelFile], finder: Finder) -> list[Origin]:
    """The files that are not whole on disk, with the root where each is to be.

    What lies half under a root that can be written is completed there; all else goes to the first root.
    """
    return [
        Origin(file, _root_for(file, finder.roots))
        for file in files
        if (place := finder.locate(file)) is None or not is_complete(place, file)
    ]


def _root_for(file: ModelFile, roots: Sequence[Path]) -> Path:
    if Path(file.path).is_absolute():
        return Path(file.path).parent
    begun = (root for root in roots if (root / file.path).exists() and os.access(root / file.path, os.W_OK))
    return next(begun, roots[0])


def _inner_folder(file: ModelFile, siblings: dict[str, Any]) -> str | None:
    """The folder of the repository that becomes the model's folder; None for a single file."""
    if file.name in siblings:
        return None
    return "" if file.name in (".", "") else posixpath.join(file.name, "")


def is_here(path: Path, size: int | None) -> bool:
    """Whether a file needs no fetching: it is there, and weights have the right size."""
    if not path.is_file():
        return False
    return path.suffix not in WEIGHTS or size is None or path.stat().st_size == size
