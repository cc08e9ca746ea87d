"""WanGP's entry: `python wgp.py` serves the page, or with --prompt, --process or --list-models works without it.

Imported as a module it offers `generate_video`, `generate_media` and `generate_preview`, and while a page is served
what plugins may ask for (docs/plugins.md); nothing heavy is loaded before one of them is used.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Plugins import `wgp` while this file runs as __main__: they must find this very module, not a second copy.
sys.modules.setdefault("wgp", sys.modules[__name__])

ROOT = Path(__file__).resolve().parent
RESTART = 42  # the exit code by which run.sh starts the program again
_GENERATION = ("generate_video", "generate_media", "generate_preview")


def __getattr__(name: str) -> Any:
    if name in _GENERATION:
        return getattr(importlib.import_module("shared.api"), name)
    if not name.startswith("_") and "shared.api" in sys.modules:
        exports = getattr(sys.modules["shared.api"].Runtime.current(), "exports", None)
        if exports is not None and name in exports:
            return exports.get(name)
    raise AttributeError(f"module 'wgp' has no attribute {name!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the flags ask for; returns the exit code."""
    from shared.cli import is_headless, read_flags, run_headless, tell_error
    from shared.core.errors import WanGPError

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        flags = read_flags(given)
        if flags.new_plugin or flags.check_plugin:
            return _author(flags)
        if is_headless(flags):
            return run_headless(flags, given, ROOT)
        return _serve(flags, given)
    except (WanGPError, RuntimeError) as error:
        tell_error(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _author(flags: Any) -> int:
    """Write a new plugin, or check one."""
    from shared.ui.plugins.authoring import check_plugin, new_plugin

    if flags.new_plugin:
        sys.stdout.write(f"{new_plugin(flags.config or ROOT, flags.new_plugin)}\n")
        return 0
    report = check_plugin(ROOT, flags.check_plugin)
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.is_sound else 1


def _serve(flags: Any, given: Sequence[str]) -> int:
    """Serve the page and the HTTP services until Ctrl-C."""
    from shared.api import Runtime
    from shared.http.server import open_services
    from shared.ui.app import serve

    runtime = Runtime.open(ROOT, flags.config or None, given, executor="process")
    try:
        services = open_services(runtime, runtime.args)
        try:
            wants_restart = serve(runtime, runtime.args, services.routes)
        finally:
            services.close()
        return RESTART if wants_restart else 0
    finally:
        runtime.close()


if __name__ == "__main__":
    sys.exit(main())
