"""Where a model's files lie: under the checkpoint roots, by path or by name, or in the Hugging Face cache."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shared.core.contracts import ModelFile
from shared.core.model_folder import (
    COMMON_NAMES,
    INDEX,
    WEIGHTS,
    has_weight_file,
    missing_files,
    missing_shards,
)

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

__all__ = ["Availability", "Finder", "availability", "checkpoint_folder", "hub_snapshot", "locate", "missing_shards"]

Availability = Literal["available", "partial", "missing"]
# Below a root, files are looked for by name this deep.
SEARCH_DEPTH = 4
_CROWDED = ("node_modules", "site-packages", "__pycache__", "outputs")


def checkpoint_folder(model: ModelDef) -> str:
    """The folder of the weights under a checkpoint root: `folder` of the definition, else the repository's name."""
    repo = str(model.get("repo") or "")
    return str(model.get("folder") or repo.rsplit("/", 1)[-1] or model.model_type)


class Finder:
    """Looks for files under the roots; what lies where by name is read once and kept until `refresh`.

    A single file of weights is found under any root by its path, else by its bare name in any folder of a root, so
    that a folder of another program (ComfyUI, WanGP) can be a root.
    """

    def __init__(self, roots: Sequence[str | Path]) -> None:
        self.roots = tuple(Path(root) for root in roots)
        self._names: dict[str, Path] | None = None

    def refresh(self) -> None:
        """Look again at the next question."""
        self._names = None

    def locate(self, file: ModelFile) -> Path | None:
        """The file or folder: under the first root that has it, else in the Hugging Face cache; None: nowhere.

        Of a pipeline's folders the first whole one counts, else the first that has anything.
        """
        places = self._places(file)
        if file.role == "pipeline" or not posixpath.splitext(file.path)[1]:
            whole = (place for place in places if is_complete(place, file))
            return next(whole, next((place for place in places if place.is_dir() and any(place.iterdir())), None))
        return next(iter(places), None) or self._by_name(file)

    def state(self, file: ModelFile) -> Availability:
        """Whether a file or folder is there, whole or in part."""
        place = self.locate(file)
        if place is None:
            return "missing"
        return "available" if is_complete(place, file) else "partial"

    def _places(self, file: ModelFile) -> list[Path]:
        """The paths of a file that exist."""
        found = [path for root in self.roots if (path := root / file.path).exists()]
        snapshot = hub_snapshot(file.repo, file.revision) if file.repo else None
        if snapshot is not None:
            inner = file.name or "/".join(Path(file.path).parts[1:])
            path = snapshot if inner in (".", "") else snapshot / inner
            found += [path] if path.exists() else []
        return found

    def _by_name(self, file: ModelFile) -> Path | None:
        name = posixpath.basename(file.path)
        # A name that many repositories use says nothing without its folder.
        if not name.lower().endswith(WEIGHTS) or COMMON_NAMES.fullmatch(name):
            return None
        if self._names is None:
            self._names = {}
            for path in _weight_files(self.roots):
                self._names.setdefault(path.name.lower(), path)
        found = self._names.get(name.lower())
        return found if found is not None and found.is_file() else None


def locate(file: ModelFile, roots: Sequence[str | Path]) -> Path | None:
    """The file or folder on disk, as `Finder.locate`."""
    return Finder(roots).locate(file)


def is_complete(path: Path, file: ModelFile) -> bool:
    """Whether a file, or all that a folder must hold, is there."""
    if path.is_file():
        return file.size_bytes is None or path.stat().st_size == file.size_bytes
    if file.role == "pipeline" or (path / INDEX).is_file():
        return not missing_files(path, file.without)
    if not path.is_dir() or not any(path.iterdir()) or missing_shards(path):
        return False
    return has_weight_file(path) == (path / "config.json").is_file()


def availability(files: Iterable[ModelFile], roots: Sequence[str | Path] | Finder) -> Availability:
    """Whether all, some or none of a model's files are on disk."""
    finder = roots if isinstance(roots, Finder) else Finder(roots)
    states = [finder.state(file) for file in files]
    if states and all(state == "available" for state in states):
        return "available"
    return "missing" if all(state == "missing" for state in states) else "partial"


def hub_snapshot(repo: str, revision: str = "") -> Path | None:
    """The newest snapshot of a repository in the Hugging Face cache (HF_HUB_CACHE, HF_HOME)."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")) / f"models--{repo.replace('/', '--')}"
    reference = folder / "refs" / (revision or "main")
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    if commit and (folder / "snapshots" / commit).is_dir():
        return folder / "snapshots" / commit
    if revision:
        return None
    snapshots = sorted(folder.glob("snapshots/*"), key=lambda path: path.stat().st_mtime)
    return snapshots[-1] if snapshots else None


def _weight_files(roots: Iterable[Path]) -> Iterator[Path]:
    """Files of weights below the roots, nearest first; a root that holds other roots is not searched as a whole."""
    listed = [root.resolve() for root in roots]
    for root in listed:
        if any(root in other.parents for other in listed):
            continue
        level = [root]
        for _ in range(SEARCH_DEPTH + 1):
            below: list[Path] = []
            for folder in level:
                files, folders = _entries(folder)
                yield from files
                below += folders
            level = below


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Weight files and searchable folders right in a folder."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as found:
            for entry in sorted(found, key=lambda item: item.name):
                if entry.is_dir():
                    if not entry.name.startswith(".") and entry.name not in _CROWDED:
                        folders.append(Path(entry.path))
                elif entry.name.lower().endswith(WEIGHTS):
                    files.append(Path(entry.path))
    except OSError:
        return [], []
    return files, folders
