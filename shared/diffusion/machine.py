"""How much memory there is, on the machine and on its graphics cards. Imports no torch."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """Bytes in all and bytes that can be had now."""

    total: int
    free: int


def main_memory() -> Memory:
    """The machine's main memory, or what this container may use of it."""
    whole = psutil.virtual_memory()
    limit, used = _cgroup_value("memory.max"), _cgroup_value("memory.current")
    if limit is None or used is None or limit >= whole.total:
        return Memory(whole.total, whole.available)
    used -= _cgroup_cache()
    return Memory(limit, max(0, min(whole.available, limit - used)))


@lru_cache(maxsize=8)
def card_bytes(number: int = 0) -> int | None:
    """All memory of a CUDA card as its driver tells it; None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits", f"--id={number}"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return int(told.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _cgroup_value(name: str) -> int | None:
    try:
        text = (_CGROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _cgroup_cache() -> int:
    """Pages of files, which the system gives back when they are needed."""
    try:
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
