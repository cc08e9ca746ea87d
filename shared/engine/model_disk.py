"""What the models take on the disk, each file counted once however many models use it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.core.checkpoints import Availability
from shared.core.model_files import every_file
from shared.core.model_folder import size_of

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.engine.registry import Registry


@dataclass(frozen=True)
class ModelOnDisk:
    """Bytes of one model: all that it uses, and of that what no other whole model uses (what deleting would free)."""

    model_type: str
    availability: Availability
    on_disk_bytes: int
    own_bytes: int
    is_fetchable: bool


@dataclass(frozen=True)
class DiskUse:
    """The models by id; `total_bytes` counts each file once, `free_bytes` is left on the disk of the models."""

    models: Mapping[str, ModelOnDisk]
    total_bytes: int
    free_bytes: int


def disk_use(registry: Registry) -> DiskUse:
    """Look through every model's files; asks nobody outside."""
    models = list(registry.models().values())
    availability = {model.model_type: registry.availability(model) for model in models}
    places = {model.model_type: _places(registry, model) for model in models}
    sizes = {place: bytes_of(place, registry) for found in places.values() for place in found}
    users: dict[Path, set[str]] = {}
    for model_type, found in places.items():
        if availability[model_type] == "available":
            for place in found:
                users.setdefault(place, set()).add(model_type)
    described = {
        model.model_type: ModelOnDisk(
            model.model_type,
            availability[model.model_type],
            _sum(places[model.model_type], sizes),
            _sum({p for p in places[model.model_type] if not users.get(p, set()) - {model.model_type}}, sizes),
            any(file.repo or file.url for file in every_file(model)),
        )
        for model in models
    }
    root = Path(registry.roots()[0])
    there = next((folder for folder in (root, *root.parents) if folder.exists()), Path.cwd())
    return DiskUse(described, _sum(sizes.keys(), sizes), shutil.disk_usage(there).free)


def copies_of(place: Path, registry: Registry) -> list[Path]:
    """The quantised copies of a checkpoint; their names end in a checksum of its path."""
    mark = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:8]
    return list((Path(registry.roots()[0]) / "quantized").glob(f"*-{mark}.*"))


def bytes_of(place: Path, registry: Registry) -> int:
    """A checkpoint with its copies."""
    return size_of(place) + sum(size_of(copy) for copy in copies_of(place, registry))


def _places(registry: Registry, model: ModelDef) -> set[Path]:
    finder = registry.finder()
    files = [*registry.files(model), *every_file(model)]
    return {place for file in files if (place := finder.locate(file)) is not None}


def _sum(places: Iterable[Path], sizes: Mapping[Path, int]) -> int:
    """Bytes of places; one inside another is part of it."""
    found = set(places)
    return sum(sizes[place] for place in found if not found.intersection(place.parents))
