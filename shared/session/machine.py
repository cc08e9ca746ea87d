"""What the program runs on, without torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from functools import cache
from typing import Any

from shared.core.version import VERSION
from shared.engine.memory_budget import whole_room

PACKAGES = ("torch", "diffusers", "transformers", "mmgp", "gradio")


def machine_facts(device: str) -> dict[str, Any]:
    """Device and its memory, main memory (bytes), system and versions; `card` is "" where there is none."""
    room, device = whole_room(device)
    return {
        "device": device,
        "card": _card_name() if room.device is not None else "",
        "card_bytes": int(room.device or 0),
        "memory_bytes": int(room.ram),
        "cores": os.cpu_count() or 0,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {"WanGP": VERSION, **_versions()},
    }


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def _card_name() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        told = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=10, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.splitlines()[0].strip() if told.strip() else ""
