"""Reads what a safetensors file says of itself: names, types and shapes of its tensors. No tensor is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MOST_HEADER_BYTES = 100 * 2**20


def read_header(path: Path) -> dict[str, Any]:
    """The header: an entry a tensor, and `__metadata__`. Raises ValueError for a file that is none or cut short."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, _MOST_HEADER_BYTES):
            raise ValueError("it is no safetensors file")
        try:
            header = json.loads(stream.read(length))
        except ValueError as exc:
            raise ValueError("it is no safetensors file") from exc
    if not isinstance(header, dict):
        raise ValueError("it is no safetensors file")
    ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    if size < 8 + length + max(ends, default=0):
        raise ValueError("it is cut short")
    return header


def header_problem(path: Path) -> str | None:
    """What is wrong with a file, to follow its name in a sentence; None where nothing is."""
    try:
        header = read_header(path)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as exc:
        return f"cannot be used: {exc}. Fetch it again."
    tensors = [key for key in header if key != "__metadata__"]
    return None if tensors else "cannot be used: it holds nothing."
