"""A start that did not finish is noticed by the next one."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

FILE_NAME = "startup.lock"


class SafeStart:
    """Keeps a file in the configuration's folder from the begin of a start to its end.

    `unfinished` is None after a sound start, else the plugin that was being loaded when the last start ended ("" when
    it was none): a crash, a kill, or a plugin that hung.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._loading = self._written = ""
        self.unfinished = self._read()

    def begin(self) -> None:
        """The start begins."""
        self._write("")

    def loading(self, plugin_id: str) -> None:
        """This plugin's code runs now; "" for none, though the file goes on naming the last one."""
        self._loading = plugin_id
        if plugin_id not in ("", self._written):
            self._write(plugin_id)

    def finished(self) -> None:
        """The start is done: whatever happens later is not its doing."""
        self._path.unlink(missing_ok=True)

    def ended(self) -> None:
        """The program ends in order; a plugin whose code was still running keeps the blame."""
        if not self._loading:
            self._path.unlink(missing_ok=True)

    def _read(self) -> str | None:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return ""
        return str(told.get("loading") or "") if isinstance(told, dict) else ""

    def _write(self, plugin_id: str) -> None:
        self._written = plugin_id
        # Not synced to the disk: it must outlive this process, not the machine.
        with suppress(OSError):
            self._path.write_text(json.dumps({"loading": plugin_id}), encoding="utf-8")
