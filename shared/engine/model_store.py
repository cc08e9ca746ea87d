"""The models on disk: which are whole, what the others still need, fetched and deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.core.checkpoints import Availability, Finder
from shared.core.contracts import LoadOptions, ModelFile
from shared.core.errors import DownloadError, WanGPError
from shared.core.model_files import every_file
from shared.core.model_folder import INDEX, parts_of, read_index, size_of
from shared.core.paths import write_atomic
from shared.engine.download_file import WORK_FOLDER, Patience, RemoteFile
from shared.engine.download_line import Line
from shared.engine.download_plan import Origin, Planner, is_here, wanting
from shared.engine.downloads import LOOKING_UP, Downloader, DownloadProgress
from shared.engine.loras import missing_loras
from shared.engine.model_check import Checked, check_files
from shared.engine.model_disk import copies_of

if TYPE_CHECKING:
    from shared.core.config import Config
    from shared.core.model_def import ModelDef
from shared.engine.registry import Registry

Tell = Callable[[DownloadProgress], None]
Ask = Callable[[], bool]


@dataclass(frozen=True)
class ModelState:
    """A model on disk; `to_download_bytes` is None until the Hub has been asked."""

    availability: Availability
    on_disk_bytes: int
    to_download_bytes: int | None


@dataclass(frozen=True)
class Deleted:
    """What was deleted, and what was kept with the reason."""

    paths: tuple[Path, ...] = ()
    freed_bytes: int = 0
    kept: tuple[str, ...] = ()


@dataclass
class ModelStore:
    """Fetches and deletes the files of the registry's models."""

    registry: Registry
    config: Config
    patience: Patience = field(default_factory=Patience)

    @property
    def line(self) -> Line:
        """The line as the configuration wants it."""
        return Line(
            token=str(self.config.get("hf_token") or ""),
            endpoint=str(self.config.get("hf_endpoint") or ""),
            offline=bool(self.config.get("offline")),
            allow_private=bool(self.config.get("allow_private_urls")),
        )

    def state(self, model: ModelDef) -> ModelState:
        """Whether the model is there, and its sizes as far as they are known without asking anyone."""
        finder = self.registry.finder()
        files = self.registry.files(model)
        found = {place for file in files if (place := finder.locate(file)) is not None}
        availability = self.registry.availability(model)
        to_download = 0 if availability == "available" else self._recorded(model, files)
        return ModelState(availability, sum(size_of(place) for place in found), to_download)

    def ask(self, model: ModelDef, is_cancelled: Ask | None = None) -> list[RemoteFile]:
        """The files that are still to be fetched; asks the Hub. Raises DownloadError."""
        return self._missing(model, self._origins(model, None, {}), is_cancelled)

    def fetch(
        self,
        model: ModelDef,
        options: LoadOptions | None = None,
        settings: Mapping[str, Any] | None = None,
        on_progress: Tell | None = None,
        is_cancelled: Ask | None = None,
    ) -> bool:
        """Fetch what the model and the LoRAs of `settings` lack; whether anything was fetched.

        Raises DownloadError, DiskFull, SettingsError for a LoRA that cannot be had, or Cancelled within a second of
        `is_cancelled()`.
        """
        origins = self._origins(model, options, settings or {})
        if not origins:
            return False
        self.line.check_online(model.name)
        if on_progress is not None:
            on_progress(LOOKING_UP)
        missing = self._missing(model, origins, is_cancelled)
        downloader = Downloader(self.line, patience=self.patience)
        # The index comes last, so that a folder that has one is whole.
        last = [file for file in missing if file.target.name == INDEX]
        downloader.fetch([file for file in missing if file not in last], on_progress, is_cancelled)
        downloader.fetch(last, None, is_cancelled)
        self.registry.finder().refresh()
        return bool(missing)

    def fetch_files(
        self, name: str, files: Iterable[ModelFile], on_progress: Tell | None = None, is_cancelled: Ask | None = None
    ) -> bool:
        """Fetch what is missing of files that belong to no model of the registry; raises as `fetch`."""
        origins = wanting(files, Finder(self.registry.roots()))
        if not origins:
            return False
        self.line.check_online(name)
        planner = Planner(self.line, self.patience, is_cancelled or (lambda: False))
        Downloader(self.line, patience=self.patience).fetch(planner.missing(origins), on_progress, is_cancelled)
        self.registry.finder().refresh()
        return True

    def check(self, model: ModelDef, is_cancelled: Ask | None = None) -> Iterator[Checked]:
        """The files of a model beside what their publisher has. Raises DownloadError, Cancelled."""
        self.line.check_online(model.name)
        planner = Planner(self.line, self.patience, is_cancelled or (lambda: False))
        return check_files(self.registry.files(model), self.registry.finder(), planner, planner.is_cancelled)

    def delete(self, model: ModelDef) -> Deleted:
        """Delete the model's files that no other usable model needs.

        Raises DownloadError when it could not be fetched again, or nothing of it is there.
        """
        files = [file for file in every_file(model) if file.repo or file.url]
        if not files:
            raise DownloadError(
                f"{model.name}: nobody knows where to fetch it again, so it is not deleted. Remove its folder by hand."
            )
        shared = self._needed_by_others(model)
        removed: list[Path] = []
        kept: list[str] = []
        freed = 0
        for place in self._places(files):
            if names := shared.get(place):
                kept.append(f"{place}: {', '.join(names)} need{'s' if len(names) == 1 else ''} it")
            elif (root := self._root_of(place)) is None:
                kept.append(f"{place}: it is not in a folder of this program's models")
            else:
                freed += self._remove_copies(place) + _remove(place, root)
                removed.append(place)
        freed += (halves := self._forget(model))
        if not removed and not kept and not halves:
            raise DownloadError(f"{model.name}: nothing of it is on disk.")
        self.registry.finder().refresh()
        return Deleted(tuple(removed), freed, tuple(kept))

    def _origins(self, model: ModelDef, options: LoadOptions | None, settings: Mapping[str, Any]) -> list[Origin]:
        """What is not whole on disk."""
        finder = Finder(self.registry.roots())
        files = self.registry.files(model) if options is None else self.registry.handler(model).files(model, options)
        return [*wanting([file for file in files if file.role != "lora"], finder), *self._loras(model, settings)]

    def _loras(self, model: ModelDef, settings: Mapping[str, Any]) -> list[Origin]:
        folder = self.registry.lora_folder(model)
        return [Origin(file, folder.path, is_foreign=True) for file in missing_loras(model, settings, folder)]

    def _missing(self, model: ModelDef, origins: Sequence[Origin], is_cancelled: Ask | None) -> list[RemoteFile]:
        for origin in origins:
            if not (origin.file.repo or origin.file.url):
                raise DownloadError(
                    f"{model.name}: {origin.target} is not there, and its definition names no place to fetch it from. "
                    f"Looked in {', '.join(self.registry.roots())}."
                )
        planner = Planner(self.line, self.patience, is_cancelled or (lambda: False))
        missing = planner.missing(origins)
        self._record(model, missing)
        return missing

    def _record_path(self, model: ModelDef) -> Path:
        return Path(self.registry.roots()[0]) / WORK_FOLDER / "plans" / f"{model.model_type}.json"

    def _record(self, model: ModelDef, missing: Sequence[RemoteFile]) -> None:
        """Keep what was learned about sizes, for the page and for deleting a half download."""
        known = [{"path": str(file.target), "size": file.size, "part": str(file.part)} for file in missing]
        record = {"of": _fingerprint(self.registry.files(model)), "files": known}
        with suppress(WanGPError):
            write_atomic(self._record_path(model), json.dumps(record).encode())

    def _read_record(self, model: ModelDef) -> list[dict[str, Any]] | None:
        try:
            record = json.loads(self._record_path(model).read_text(encoding="utf-8"))
            return list(record["files"]) if record["of"] == _fingerprint(self.registry.files(model)) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _recorded(self, model: ModelDef, files: Sequence[ModelFile]) -> int | None:
        record = self._read_record(model)
        return None if record is None or not files else _still_to_come(record)

    def recorded(self) -> set[str]:
        """The models whose sizes the Hub was asked for, by id."""
        folder = Path(self.registry.roots()[0]) / WORK_FOLDER / "plans"
        return {path.stem for path in folder.glob("*.json")}

    def left_to_fetch(self, model: ModelDef) -> tuple[int | None, int]:
        """Bytes still to come of a model that is not whole (None: the Hub was not asked), and those of half files."""
        record = self._read_record(model)
        if record is None:
            return None, 0
        return _still_to_come(record), sum(size_of(Path(file["part"])) for file in record)

    def _forget(self, model: ModelDef) -> int:
        """Delete what an ended download has left. The bytes freed."""
        freed = 0
        for file in self._read_record(model) or ():
            part, root = Path(file["part"]), self._root_of(Path(file["part"]))
            if root is not None and part.parent.name == WORK_FOLDER:
                freed += size_of(part)
                part.unlink(missing_ok=True)
        self._record_path(model).unlink(missing_ok=True)
        return freed

    def _remove_copies(self, place: Path) -> int:
        """Delete the quantised copies of a checkpoint. The bytes freed."""
        copies = copies_of(place, self.registry)
        freed = sum(size_of(copy) for copy in copies)
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)
        return freed

    def _places(self, files: Iterable[ModelFile]) -> list[Path]:
        """Where the files lie, each once."""
        finder = Finder(self.registry.roots())
        found = (finder.locate(file) for file in files if not Path(file.path).is_absolute())
        return list(dict.fromkeys(place for place in found if place is not None))

    def _needed_by_others(self, model: ModelDef) -> dict[Path, list[str]]:
        """By place the names of the other models that are whole on disk and use it."""
        finder = self.registry.finder()
        needed: dict[Path, list[str]] = {}
        for other in self.registry.models().values():
            if other.model_type == model.model_type or self.registry.availability(other) != "available":
                continue
            for file in self.registry.files(other):
                place = finder.locate(file)
                if place is not None:
                    needed.setdefault(place, []).append(other.name)
        return needed

    def _root_of(self, place: Path) -> Path | None:
        """The root that a place lies in; None: in none, or it is (or holds) a root."""
        roots = [Path(root).resolve() for root in self.registry.roots()]
        own = place.parent.resolve() / place.name if place.name not in ("", ".", "..") else place.resolve()
        if any(own == root or own in root.parents for root in roots):
            return None
        return next((root for root in roots if root in own.parents), None)


def _still_to_come(record: Sequence[Mapping[str, Any]]) -> int | None:
    """Bytes that a recorded download lacks; None where a size is not known."""
    left = [(file["size"], file) for file in record if not is_here(Path(file["path"]), file["size"])]
    if any(size is None for size, _ in left):
        return None
    return sum(max(0, size - size_of(Path(file["part"]))) for size, file in left)


def _fingerprint(files: Iterable[ModelFile]) -> str:
    return repr([(file.path, file.repo, file.revision, file.url, file.without, file.variant) for file in files])


def _remove(place: Path, root: Path) -> int:
    """Delete a file, or of a folder what belongs to its model; what else lies there stays. The bytes freed."""
    if place.is_symlink() or place.is_file():
        size = 0 if place.is_symlink() else size_of(place)
        place.unlink()
        _prune(place.parent, root)
        return size
    freed = 0
    for entry in _contents(place):
        freed += size_of(entry)
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    _prune(place, root)
    return freed


def _contents(folder: Path) -> list[Path]:
    """What in a folder belongs to a checkpoint: its index and the parts; of a single part all its files."""
    try:
        index = read_index(folder)
    except (OSError, ValueError):
        index = {}
    if index is not None:
        names = [*parts_of(index), ".cache", INDEX]
        return [folder / name for name in names if (folder / name).exists()]
    is_part = (folder / "config.json").is_file()
    return [entry for entry in folder.iterdir() if is_part or (entry.is_dir() and (entry / "config.json").is_file())]


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that have become empty, up to the root."""
    while folder.resolve() != root and root in folder.resolve().parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
