"""What the models take on the disk, each file counted once however many models use it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.core.checkpoints import Availability, is_complete
from shared.core.contracts import ModelFile
from shared.core.model_files import every_file
from shared.core.model_folder import size_of

if TYPE_CHECKING:
    from shared.engine.model_store import ModelStore
    from shared.engine.registry import Registry


@dataclass(frozen=True)
class ModelOnDisk:
    """Bytes of one model: all that it uses, and of that what no other whole model uses (what deleting would free).

    `to_download_bytes` is None until the Hub has been asked; `half_bytes` are left of a download that was ended.
    """

    availability: Availability
    on_disk_bytes: int
    own_bytes: int
    to_download_bytes: int | None
    half_bytes: int
    is_fetchable: bool


@dataclass(frozen=True)
class DiskUse:
    """The models by id; `total_bytes` counts each file once, `free_bytes` is left on the disk of the models."""

    models: Mapping[str, ModelOnDisk]
    total_bytes: int
    free_bytes: int


def disk_use(store: ModelStore) -> DiskUse:
    """Look through every model's files; asks nobody outside."""
    registry, finder = store.registry, store.registry.finder()
    recorded = store.recorded()
    places: dict[str, set[Path]] = {}
    availability: dict[str, Availability] = {}
    fetchable: set[str] = set()
    for model in registry.models().values():
        needed, every = registry.files(model), every_file(model)
        found = {file: finder.locate(file) for file in {*needed, *every}}
        places[model.model_type] = {place for place in found.values() if place is not None}
        availability[model.model_type] = _availability([(file, found[file]) for file in needed])
        if any(file.repo or file.url for file in every):
            fetchable.add(model.model_type)
    sizes = {place: bytes_of(place, registry) for place in set().union(*places.values())}
    users: dict[Path, set[str]] = {}
    for name, found_places in places.items():
        for place in found_places if availability[name] == "available" else ():
            users.setdefault(place, set()).add(name)

    def describe(name: str) -> ModelOnDisk:
        own = {place for place in places[name] if not users.get(place, set()) - {name}}
        is_whole = availability[name] == "available"
        asked = name in recorded and not is_whole
        to_download, half = store.left_to_fetch(registry.get(name)) if asked else (0 if is_whole else None, 0)
        return ModelOnDisk(
            availability[name], _sum(places[name], sizes), _sum(own, sizes), to_download, half, name in fetchable
        )

    root = Path(registry.roots()[0])
    there = next((folder for folder in (root, *root.parents) if folder.exists()), Path.cwd())
    return DiskUse({name: describe(name) for name in places}, _sum(sizes, sizes), shutil.disk_usage(there).free)


def _availability(found: Sequence[tuple[ModelFile, Path | None]]) -> Availability:
    if all(place is None for _, place in found):
        return "missing"
    is_whole = all(place is not None and is_complete(place, file) for file, place in found)
    return "available" if is_whole else "partial"


def copies_of(place: Path, registry: Registry) -> list[Path]:
    """The quantised copies of a checkpoint; their names end in a checksum of its path."""
    mark = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:8]
    return list((Path(registry.roots()[0]) / "quantized").glob(f"*-{mark}.*"))


def bytes_of(place: Path, registry: Registry) -> int:
    """A checkpoint with its copies."""
    return size_of(place) + sum(size_of(copy) for copy in copies_of(place, registry))


def _sum(places: Iterable[Path], sizes: Mapping[Path, int]) -> int:
    """Bytes of places; one inside another is part of it."""
    found = set(places)
    return sum(sizes[place] for place in found if not found.intersection(place.parents))
