"""The files of all time, newest first; lives in the queue's database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import MediaError
from shared.core.events import MediaType
from shared.engine.database import DATABASE_NAME, QueueDatabase
from shared.engine.ledger import output_values
from shared.media.images import load_image
from shared.media.opening import open_media
from shared.media.video import probe

_FACTS = ("width", "height", "frames", "fps", "duration_s")


@dataclass(frozen=True)
class HistoryEntry:
    """One file: `created` in seconds since 1970, sizes in pixels; None for what its media type has not."""

    id: int
    path: str
    media_type: MediaType
    created: float
    task_id: int | None = None
    client_id: str = ""
    model_type: str = ""
    prompt: str = ""
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None
    duration_s: float | None = None
    is_missing: bool = False


class HistoryStore:
    """Reads what the queue records of outputs; needs no lock on the folder. Thread-safe."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._database = QueueDatabase(folder / DATABASE_NAME)

    def add(self, path: str | Path, media_type: MediaType, settings: Mapping[str, Any] | None = None) -> HistoryEntry:
        """Take up a file that no task of the queue made."""
        with self._database.transaction() as connection:
            (entry_id,) = connection.execute(
                "INSERT INTO outputs (path, media_type, model_type, prompt, seed, settings, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (str(Path(path).absolute()), media_type, *output_values(settings or {}), time.time()),
            ).fetchone()
        entry = self.get(entry_id)
        if entry is None:
            raise MediaError(f"{path}: it was removed from the history at once.")
        return entry

    def list(self, limit: int = 50, offset: int = 0, *, media_type: MediaType | None = None) -> list[HistoryEntry]:
        """A page of the history, newest first."""
        where, values = ("AND media_type = ?", [media_type]) if media_type else ("", [])
        rows = self._database.rows(
            f"SELECT * FROM outputs WHERE state = 'committed' {where} ORDER BY created DESC, id DESC LIMIT ? OFFSET ?",
            [*values, limit, offset],
        )
        return [self._entry(row) for row in rows]

    def get(self, entry_id: int) -> HistoryEntry | None:
        """One entry."""
        rows = self._database.rows("SELECT * FROM outputs WHERE id = ? AND state = 'committed'", (entry_id,))
        return self._entry(rows[0]) if rows else None

    def find(self, path: str | Path) -> HistoryEntry | None:
        """The newest entry of a file."""
        rows = self._database.rows(
            "SELECT * FROM outputs WHERE path = ? AND state = 'committed' ORDER BY id DESC LIMIT 1", (str(path),)
        )
        return self._entry(rows[0]) if rows else None

    def count(self, media_type: MediaType | None = None) -> int:
        """How many entries there are."""
        where, values = ("AND media_type = ?", [media_type]) if media_type else ("", [])
        sql = f"SELECT count(*) AS number FROM outputs WHERE state = 'committed' {where}"
        return int(self._database.rows(sql, values)[0]["number"])

    def remove(self, entry_id: int) -> bool:
        """Forget an entry; its file is left alone. False when there was none."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM outputs WHERE id = ?", (entry_id,)).rowcount == 1

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _entry(self, row: sqlite3.Row) -> HistoryEntry:
        is_missing = not Path(row["path"]).is_file()
        facts: Mapping[str, Any] = {name: row[name] for name in _FACTS}
        if not is_missing and all(value is None for value in facts.values()):
            facts = _facts(row["path"], row["media_type"])
            self._keep_facts(row["id"], facts)
        return HistoryEntry(
            id=row["id"],
            path=row["path"],
            media_type=row["media_type"],
            created=row["created"],
            task_id=row["task_id"],
            client_id=row["client_id"],
            model_type=row["model_type"],
            prompt=row["prompt"],
            seed=row["seed"],
            settings=json.loads(row["settings"]),
            is_missing=is_missing,
            **facts,
        )

    def _keep_facts(self, entry_id: int, facts: Mapping[str, Any]) -> None:
        if facts:
            names = ", ".join(f"{name} = ?" for name in facts)
            with self._database.transaction() as connection:
                connection.execute(f"UPDATE outputs SET {names} WHERE id = ?", (*facts.values(), entry_id))


def _facts(path: str, media_type: MediaType) -> dict[str, Any]:
    """Size and length of a file, {} for a damaged one. Read once, when it is first listed."""
    try:
        match media_type:
            case "video":
                info = probe(path)
                return {
                    "width": info.width,
                    "height": info.height,
                    "frames": info.num_frames,
                    "fps": info.fps,
                    "duration_s": info.duration_s,
                }
            case "image":
                image: Image.Image = load_image(path)
                return {"width": image.width, "height": image.height, "frames": 1}
            case "audio":
                with open_media(path) as container:
                    return {"duration_s": (container.duration or 0) / 1_000_000}
    except MediaError:
        return {}
