"""Where a model's files lie: under the checkpoint roots, or in the Hugging Face cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shared.core.contracts import ModelFile

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

Availability = Literal["available", "partial", "missing"]


def checkpoint_folder(model: ModelDef) -> str:
    """The folder of the weights under a checkpoint root: `folder` of the definition, else the repository's name."""
    repo = str(model.get("repo") or "")
    return str(model.get("folder") or repo.rsplit("/", 1)[-1] or model.model_type)


def locate(file: ModelFile, roots: Sequence[str | Path]) -> Path | None:
    """The file or folder on disk: under the first root that has it, else in the Hugging Face cache; None: nowhere."""
    for root in roots:
        path = Path(root) / file.path
        if path.exists():
            return path
    snapshot = hub_snapshot(file.repo) if file.repo else None
    if snapshot is not None:
        path = snapshot.joinpath(*Path(file.path).parts[1:])
        if path.exists():
            return path
    return None


def hub_snapshot(repo: str) -> Path | None:
    """The newest snapshot of a repository in the Hugging Face cache (HF_HUB_CACHE, HF_HOME)."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")) / f"models--{repo.replace('/', '--')}"
    reference = folder / "refs" / "main"
    if reference.is_file():
        snapshot = folder / "snapshots" / reference.read_text(encoding="utf-8").strip()
        if snapshot.is_dir():
            return snapshot
    snapshots = sorted(folder.glob("snapshots/*"), key=lambda path: path.stat().st_mtime)
    return snapshots[-1] if snapshots else None


def missing_shards(folder: Path) -> list[str]:
    """Weight files that an index in `folder` names and that are not there; a half download shows here."""
    missing: list[str] = []
    for index in sorted(folder.glob("*.index.json")):
        try:
            weight_map = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {})
        except (OSError, ValueError):
            missing.append(index.name)
            continue
        missing += [name for name in sorted(set(weight_map.values())) if not (folder / name).is_file()]
    return missing


def availability(files: Iterable[ModelFile], roots: Sequence[str | Path]) -> Availability:
    """Whether all, some or none of a model's files are on disk."""
    states = [_is_complete(locate(file, roots)) for file in files]
    if states and all(states):
        return "available"
    return "partial" if any(states) else "missing"


def _is_complete(path: Path | None) -> bool:
    if path is None:
        return False
    return path.is_file() or (any(path.iterdir()) and not missing_shards(path))
