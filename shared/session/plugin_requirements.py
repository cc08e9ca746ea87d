"""What a plugin wants installed, checked against the program's own pins before anything is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.core.errors import PluginError

REQUIREMENTS = "requirements.txt"
PIP_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Wanted:
    """What pip would install for a plugin: (name, version) of what is new or changed."""

    packages: tuple[tuple[str, str], ...] = ()

    def moved(self, pins: Mapping[str, str]) -> list[str]:
        """The program's pins that would no longer hold, as sentences."""
        return [
            f"{name} {pins[name]} would become {version}"
            for name, version in self.packages if name in pins and pins[name] != version
        ]  # fmt: skip


def pins_of(root: Path) -> dict[str, str]:
    """The program's packages with the version that each is pinned to."""
    path = root / REQUIREMENTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = (re.match(r"\s*([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*==\s*([^\s;#]+)", line) for line in lines)
    return {normal(match.group(1)): match.group(2) for match in found if match}


def normal(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_by(folder: Path) -> list[str]:
    """The arguments for pip that install what a plugin asks for; none where it asks for nothing."""
    requirements = folder / REQUIREMENTS
    arguments = ["-r", str(requirements)] if requirements.is_file() and _lines(requirements) else []
    return [*arguments, "-e", str(folder)] if (folder / "setup.py").is_file() else arguments


def _lines(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def dry_run(arguments: Sequence[str]) -> Wanted:
    """What pip would install; nothing is changed. Raises PluginError with pip's last line when it cannot say."""
    if not arguments:
        return Wanted()
    done = _pip(["install", "--dry-run", "--quiet", "--report", "-", *arguments])
    try:
        report = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError as error:
        raise PluginError(f"pip told nothing that can be read about the requirements ({error}).") from error
    packages = [part["metadata"] for part in report.get("install") or []]
    return Wanted(tuple((normal(str(one["name"])), str(one["version"])) for one in packages))


def check(arguments: Sequence[str], root: Path) -> Wanted:
    """What would be installed. Raises PluginError where that would move one of the program's pins."""
    wanted = dry_run(arguments)
    moved = wanted.moved(pins_of(root))
    if moved:
        raise PluginError(
            f"Its requirements do not go together with this program: {'; '.join(moved)}. Nothing was installed."
        )
    return wanted


def install(arguments: Sequence[str]) -> None:
    """Install what was checked. Raises PluginError with pip's last line."""
    if arguments:
        _pip(["install", "--quiet", *arguments])


def _pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PluginError(f"pip could not be run: {error}.") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise PluginError(f"pip refused the requirements: {lines[-1].strip()}")
    return done
