"""The files of a model compared with what its publisher has: sizes and checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from shared.core.checkpoints import Finder
from shared.core.contracts import ModelFile
from shared.core.errors import Cancelled
from shared.engine.download_file import Digest, RemoteFile
from shared.engine.download_plan import Origin, Planner

_CHUNK = 2**22


@dataclass(frozen=True)
class Checked:
    """One file on disk: `problem` is "" where it is as published, else "missing", "of another size" or "damaged".

    `is_known` is False where the publisher tells no checksum: then its size alone was compared.
    """

    path: Path
    problem: str = ""
    is_known: bool = True


def check_files(
    files: Iterable[ModelFile], finder: Finder, planner: Planner, is_cancelled: Callable[[], bool] = lambda: False
) -> Iterator[Checked]:
    """Each file of a model, once it is read. Asks the Hub what they should be. Raises DownloadError, Cancelled."""
    for file in files:
        place = finder.locate(file)
        if place is None:
            yield Checked(Path(file.path), "missing")
        elif file.repo or file.url:
            found = Origin(replace(file, path=str(place.absolute())), place.parent)
            for remote in planner.files(found):
                yield _checked(remote, is_cancelled)


def _checked(file: RemoteFile, is_cancelled: Callable[[], bool]) -> Checked:
    path, is_known = file.target, bool(file.sha256 or (file.git_sha1 and file.size is not None))
    if not path.is_file():
        return Checked(path, "missing", is_known)
    if file.size is not None and path.stat().st_size != file.size:
        return Checked(path, "of another size", is_known)
    if not is_known:
        return Checked(path, "", is_known)
    digest = Digest(file)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if is_cancelled():
                raise Cancelled()
            digest.update(chunk)
    return Checked(path, "" if digest.is_right() else "damaged", is_known)
