"""Deleted results: their files wait in a folder `trash` beside their old place until they are restored or destroyed."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from shared.core.database import Database
from shared.core.paths import disk_errors, unique_path
from shared.media.metadata import sidecar_path

log = logging.getLogger(__name__)

FOLDER_NAME = "trash"


class Trash:
    """The trash of one history. The folder is on the disk of the file, so that nothing is copied."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, entry_ids: Iterable[int]) -> int:
        """Take results out of the gallery; how many. Raises WanGPError for a file that cannot be moved."""
        count = 0
        for row in self._rows(entry_ids, "trashed IS NULL"):
            source = Path(row["path"])
            target = source.parent / FOLDER_NAME / f"{row['id']}_{source.name}"
            # Noted first: a program that is killed between the two leaves a file that `restore` and `empty` still find.
            self._note(row["id"], time.time(), str(target))
            try:
                _move(source, target)
            except BaseException:
                self._note(row["id"], None, "")
                raise
            count += 1
        return count

    def restore(self, entry_ids: Iterable[int]) -> int:
        """Bring results back, under a new name where theirs is taken meanwhile; how many."""
        count = 0
        for row in self._rows(entry_ids, "trashed IS NOT NULL"):
            kept, wanted = Path(row["trash_path"]), Path(row["path"])
            if kept.is_file():
                wanted = unique_path(wanted)
                _move(kept, wanted)
            with self._database.transaction() as connection:
                connection.execute(
                    "UPDATE outputs SET trashed = NULL, trash_path = '', path = ? WHERE id = ?",
                    (str(wanted), row["id"]),
                )
            count += 1
        return count

    def empty(self, entry_ids: Iterable[int] | None = None) -> int:
        """Destroy results that are in the trash, all where none are named; how many."""
        rows = self._rows(entry_ids, "trashed IS NOT NULL")
        for row in rows:
            for path in (Path(row["trash_path"]), *_not_moved(row)):
                with disk_errors(path):
                    path.unlink(missing_ok=True)
                    sidecar_path(path).unlink(missing_ok=True)
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM outputs WHERE id = ?", (row["id"],))
        for folder in {Path(row["trash_path"]).parent for row in rows}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return len(rows)

    def ids(self) -> list[int]:
        """What is in it."""
        return [row["id"] for row in self._rows(None, "trashed IS NOT NULL")]

    def size_bytes(self) -> int:
        """What its files take on the disk."""
        return sum(path.stat().st_size for row in self._rows(None, "trashed IS NOT NULL")
                   if (path := Path(row["trash_path"])).is_file())  # fmt: skip

    def _rows(self, entry_ids: Iterable[int] | None, condition: str) -> list[sqlite3.Row]:
        columns = "SELECT id, path, trashed, trash_path FROM outputs WHERE state = 'committed'"
        if entry_ids is None:
            return self._database.rows(f"{columns} AND {condition}")
        found = (self._database.rows(f"{columns} AND {condition} AND id = ?", (number,)) for number in entry_ids)
        return [row for rows in found for row in rows]

    def _note(self, entry_id: int, trashed: float | None, trash_path: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE outputs SET trashed = ?, trash_path = ? WHERE id = ?", (trashed, trash_path, entry_id)
            )


def _not_moved(row: sqlite3.Row) -> list[Path]:
    """The file at its old place, where the program was killed before it was moved; no other result may be there."""
    path = Path(row["path"])
    is_moved = Path(row["trash_path"]).is_file() or not path.is_file()
    return [] if is_moved or path.stat().st_mtime > row["trashed"] else [path]


def _move(source: Path, target: Path) -> None:
    """Move a file and the settings beside it; what is not there is no error."""
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for path, place in ((source, target), (sidecar_path(source), sidecar_path(target))):
            if path.is_file():
                os.replace(path, place)
