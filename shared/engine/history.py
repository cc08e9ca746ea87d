"""The files of all time, newest first; lives in the queue's database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import MediaError
from shared.core.events import MediaType
from shared.engine.database import DATABASE_NAME, QueueDatabase
from shared.engine.estimates import Estimates
from shared.engine.history_query import EVERYTHING, HistoryQuery, folded
from shared.engine.ledger import output_values
from shared.engine.queue_store import TaskReport, task_report
from shared.engine.trash import Trash
from shared.media.images import load_image
from shared.media.opening import open_media
from shared.media.video import probe

_FACTS = ("width", "height", "frames", "fps", "duration_s")


@dataclass(frozen=True)
class HistoryEntry:
    """One file: `created` in seconds since 1970, sizes in pixels; None for what its media type has not.

    `path` is where its file is now: `trashed` (seconds since 1970) tells that this is in the trash. `is_missing`: the
    file was removed by somebody else.
    """

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
    is_favourite: bool = False
    trashed: float | None = None


class HistoryStore:
    """Reads what the queue records of outputs; needs no lock on the folder. Thread-safe.

    `trash` is where deleted results wait, `estimates` tell how long a task will take, by what is known of its like.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._database = QueueDatabase(folder / DATABASE_NAME)
        self._database.define("folded", folded)
        self.trash = Trash(self._database)
        self.estimates = Estimates(self._database)

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

    def page(self, query: HistoryQuery = EVERYTHING, limit: int = 60, offset: int = 0) -> list[HistoryEntry]:
        """A page of what a query finds, newest first. Opens no file: facts that nobody asked for yet are None."""
        where, values = query.sql()
        rows = self._database.rows(
            f"SELECT * FROM outputs {where} ORDER BY {query.order} LIMIT ? OFFSET ?", [*values, limit, offset]
        )
        return [_entry(row) for row in rows]

    def get(self, entry_id: int) -> HistoryEntry | None:
        """One entry, also from the trash."""
        rows = self._database.rows("SELECT * FROM outputs WHERE id = ? AND state = 'committed'", (entry_id,))
        return self._with_facts(_entry(rows[0])) if rows else None

    def find(self, path: str | Path) -> HistoryEntry | None:
        """The newest entry of a file."""
        rows = self._database.rows(
            "SELECT * FROM outputs WHERE path = ? AND state = 'committed' ORDER BY id DESC LIMIT 1", (str(path),)
        )
        return self._with_facts(_entry(rows[0])) if rows else None

    def count(self, query: HistoryQuery = EVERYTHING) -> int:
        """How many entries a query finds."""
        where, values = query.sql()
        return int(self._database.rows(f"SELECT count(*) AS number FROM outputs {where}", values)[0]["number"])

    def models(self) -> dict[str, int]:
        """How many results each model has made."""
        where, values = EVERYTHING.sql()
        rows = self._database.rows(f"SELECT model_type, count(*) AS number FROM outputs {where} GROUP BY 1", values)
        return {row["model_type"]: row["number"] for row in rows}

    def set_favourite(self, entry_ids: Iterable[int], is_favourite: bool) -> int:
        """Mark entries; how many there were."""
        with self._database.transaction() as connection:
            changed = connection.executemany(
                "UPDATE outputs SET is_favourite = ? WHERE id = ?", [(is_favourite, number) for number in entry_ids]
            )
            return changed.rowcount

    def remove(self, entry_id: int) -> bool:
        """Forget an entry; its file is left alone. False when there was none."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM outputs WHERE id = ?", (entry_id,)).rowcount == 1

    def tasks_of_service(self, service: str, limit: int = 50, offset: int = 0) -> list[TaskReport]:
        """A page of the ended tasks that a service queued (`plugin_data["service"]["name"]`), newest first."""
        rows = self._database.rows(
            "SELECT * FROM tasks WHERE status NOT IN ('waiting', 'running')"
            " AND json_extract(plugin_data, '$.service.name') = ? ORDER BY id DESC LIMIT ? OFFSET ?",
            (service, limit, offset),
        )
        return [task_report(self._database, row) for row in rows]

    def forget_task(self, client_id: str) -> bool:
        """Drop the records of an ended task and of its files, which are left alone; False when there is none."""
        with self._database.transaction() as connection:
            ended = "client_id = ? AND status NOT IN ('waiting', 'running')"
            theirs = f"task_id IN (SELECT id FROM tasks WHERE {ended})"
            connection.execute(f"DELETE FROM outputs WHERE {theirs}", [client_id])
            return connection.execute(f"DELETE FROM tasks WHERE {ended}", [client_id]).rowcount > 0

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _with_facts(self, entry: HistoryEntry) -> HistoryEntry:
        if entry.is_missing or any(getattr(entry, name) is not None for name in _FACTS):
            return entry
        facts = _facts(entry.path, entry.media_type)
        if not facts:
            return entry
        names = ", ".join(f"{name} = ?" for name in facts)
        with self._database.transaction() as connection:
            connection.execute(f"UPDATE outputs SET {names} WHERE id = ?", (*facts.values(), entry.id))
        return HistoryEntry(**{**vars(entry), **facts})

    def list(self, limit: int = 50, offset: int = 0, *, media_type: MediaType | None = None) -> list[HistoryEntry]:
        """A page of the history, newest first; what is not known of a file yet is read from it."""
        return [self._with_facts(entry) for entry in self.page(HistoryQuery(media_type=media_type), limit, offset)]


def _entry(row: sqlite3.Row) -> HistoryEntry:
    path = row["path"]
    if row["trashed"] is not None and row["trash_path"] and Path(row["trash_path"]).is_file():
        path = row["trash_path"]
    return HistoryEntry(
        id=row["id"],
        path=path,
        media_type=row["media_type"],
        created=row["created"],
        task_id=row["task_id"],
        client_id=row["client_id"],
        model_type=row["model_type"],
        prompt=row["prompt"],
        seed=row["seed"],
        settings=json.loads(row["settings"]),
        is_missing=not Path(path).is_file(),
        is_favourite=bool(row["is_favourite"]),
        trashed=row["trashed"],
        **{name: row[name] for name in _FACTS},
    )


def _facts(path: str, media_type: MediaType) -> dict[str, Any]:
    """Size and length of a file, {} for a damaged one. Read once, when it is first asked for."""
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
        pass
    return {}
