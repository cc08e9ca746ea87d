"""A folder in diffusers' layout: which parts it has, which of its files are missing, what it takes on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

INDEX = "model_index.json"
# Before the name of a part that lies in a folder or repository of its own.
ELSEWHERE = "part:"
WEIGHTS = (".safetensors", ".sft", ".gguf", ".bin", ".pt", ".pth", ".ckpt")
# Names that many repositories use: such a file is known only together with the folder it comes from.
COMMON_NAMES = re.compile(
    r"(diffusion_pytorch_model|pytorch_model|model|adapter_model|consolidated|tf_model|flax_model)"
    r"([.-].*)?\.(safetensors|sft|gguf|bin|pt|pth|ckpt)|[a-z_]*config\.json|.*\.index\.json|tokenizer.*|.*\.txt",
    re.IGNORECASE,
)
# Classes of parts that are settings and word lists alone, guiders among them.
_WITHOUT_WEIGHTS = re.compile(r"(Scheduler|Tokenizer|Processor|FeatureExtractor|Backend|Guidance)(Fast|Pil)?$")


def read_index(folder: Path) -> dict[str, Any] | None:
    """What `model_index.json` says; None where there is none. Raises ValueError for a damaged one."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(index, dict):
        raise ValueError("it holds no JSON object")
    return index


def parts_of(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Library and class of each part that an index names."""
    found: dict[str, tuple[str, str]] = {}
    for name, kind in index.items():
        is_part = isinstance(kind, list) and len(kind) == 2 and all(isinstance(word, str) and word for word in kind)
        if is_part and not name.startswith("_"):
            found[name] = (kind[0], kind[1])
    return found


def has_weights(class_name: str) -> bool:
    """Whether a part of this class has weights."""
    return not _WITHOUT_WEIGHTS.search(class_name)


def missing_shards(folder: Path) -> list[str]:
    """Weight files that an index in `folder` names and that are not there; a half download shows here."""
    missing: list[str] = []
    for index in sorted(folder.glob("*.index.json")):
        try:
            weight_map = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {})
        except (OSError, ValueError, AttributeError):
            missing.append(index.name)
            continue
        missing += [name for name in sorted(set(weight_map.values())) if not (folder / name).is_file()]
    return missing


def missing_files(folder: Path, without: Iterable[str] = ()) -> list[str]:
    """What a pipeline's folder lacks, as paths relative to it; `without` as in ModelFile."""
    try:
        index = read_index(folder)
    except (OSError, ValueError):
        index = None
    if index is None:
        return [INDEX]
    replaced = set(without)
    missing: list[str] = []
    parts = parts_of(index)
    for name, (_, class_name) in parts.items():
        part = folder / name
        if f"{ELSEWHERE}{name}" in replaced:
            continue
        if not part.is_dir() or not any(part.iterdir()):
            missing.append(f"{name}/")
        elif "*" not in replaced and name not in replaced:
            lacking = missing_shards(part)
            if not lacking and has_weights(class_name) and not has_weight_file(part):
                lacking = ["its weights"]
            missing += [f"{name}/{shard}" for shard in lacking]
    for part in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in parts):
        if part.name not in replaced and "*" not in replaced:
            missing += [f"{part.name}/{shard}" for shard in missing_shards(part)]
    return missing


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is nothing."""
    if path.is_dir():
        return sum(found.stat().st_size for found in path.rglob("*") if found.is_file())
    return path.stat().st_size if path.is_file() else 0


def has_weight_file(folder: Path) -> bool:
    """Whether a folder has a file of weights that is not empty."""
    return any(path.suffix in WEIGHTS and path.stat().st_size for path in folder.iterdir() if path.is_file())
