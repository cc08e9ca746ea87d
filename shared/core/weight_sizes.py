"""How many bytes the parts of a model take, read from the headers of its files, without torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.core.model_folder import WEIGHTS, has_weights, parts_of
from shared.core.weights import Weights

# Bytes a parameter in memory, by kind of quantisation: the weights themselves and their scales.
QUANTISED_BYTES: Mapping[str, float] = {"int8": 1.02, "fp8": 1.02, "fp8_cast": 1.02, "int4": 0.57, "nf4": 0.57}
_STORED_BYTES: Mapping[str, float] = {
    "F64": 8, "F32": 4, "I32": 4, "U32": 4, "I64": 8, "F16": 2, "BF16": 2, "I16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
_LARGEST_HEADER = 200 * 2**20


@dataclass(frozen=True)
class PartSize:
    """A part's weights: `parameters` in all, `stored_bytes` on disk, `is_quantised` as they lie there (GGUF)."""

    parameters: float
    stored_bytes: int
    is_quantised: bool = False

    def bytes_as(self, itemsize: float, kind: str = "") -> float:
        """Bytes in memory with `itemsize` a parameter, or quantised to `kind`."""
        if self.is_quantised:
            return float(self.stored_bytes)
        return self.parameters * QUANTISED_BYTES.get(kind, itemsize)


def part_sizes(weights: Weights, index: Mapping[str, Any]) -> dict[str, PartSize]:
    """The size of each part that has weights, by name; of a checkpoint in one file: all under "checkpoint"."""
    found: dict[str, PartSize] = {}
    if weights.folder is not None:
        for name, (_, class_name) in parts_of(index).items():
            if has_weights(class_name) and name not in weights.parts and (weights.folder / name).is_dir():
                found[name] = folder_size(weights.folder / name, weights.variant)
    for name, path in weights.parts.items():
        extra = weights.modules if name == "transformer" else ()
        found[name] = _joined(file_size(file) for file in (path, *extra))
    return {name: size for name, size in found.items() if size.stored_bytes}


def folder_size(folder: Path, variant: str = "") -> PartSize:
    """The weights of one part's folder; of several copies (variants, formats) one counts."""
    files = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS)
    for suffix in WEIGHTS:
        kept = [path for path in files if path.suffix == suffix]
        if kept:
            marked = [path for path in kept if f".{variant}." in path.name or f".{variant}-" in path.name]
            plain = [path for path in kept if path.name.count(".") == 1]
            return _joined(file_size(path) for path in ((variant and marked) or plain or kept))
    return PartSize(0, 0)


def file_size(path: Path) -> PartSize:
    """The weights of one file. Of a file other than safetensors two bytes a parameter are taken."""
    stored = path.stat().st_size
    if path.suffix == ".gguf":
        return PartSize(stored / QUANTISED_BYTES["int8"], stored, is_quantised=True)
    try:
        header = read_header(path) if path.suffix in (".safetensors", ".sft") else {}
    except (OSError, ValueError):
        header = {}
    parameters, payload = 0, 0.0
    for dtype, shape in header.values():
        parameters += math.prod(shape)
        payload += math.prod(shape) * _STORED_BYTES.get(dtype, 2)
    return PartSize(parameters, int(payload)) if parameters else PartSize(stored / 2, stored)


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each tensor of a safetensors file, by name. Raises ValueError for a damaged one."""
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= _LARGEST_HEADER:
            raise ValueError(f"{path} is no safetensors file")
        header = json.loads(stream.read(length))
    return {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items() if name != "__metadata__"}


def _joined(sizes: Iterable[PartSize]) -> PartSize:
    parts = list(sizes)
    return PartSize(
        sum(part.parameters for part in parts),
        sum(part.stored_bytes for part in parts),
        bool(parts) and all(part.is_quantised for part in parts),
    )
