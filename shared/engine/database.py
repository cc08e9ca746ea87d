"""The queue's SQLite file, and what becomes of a damaged one."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from shared.core.database import Database, sentence
from shared.core.errors import QueueError

DATABASE_NAME = "queue.sqlite3"
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
SUBJECT = "queue"

log = logging.getLogger(__name__)


class QueueDatabase(Database):
    """The queue's SQLite file; output ledger and history are in it too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, MIGRATIONS, SUBJECT)


def open_or_repair(path: Path) -> tuple[QueueDatabase, list[str]]:
    """The database, and what had to be repaired as sentences for the user.

    A damaged file is kept aside as `<name>.broken-<time>`; what can still be read of it goes into a fresh one.
    """
    try:
        database = QueueDatabase(path)
        if database.is_sound():
            return database, []
        database.close()
    except sqlite3.DatabaseError as exc:
        if isinstance(exc, sqlite3.OperationalError) and not _is_damage(exc):
            raise QueueError(sentence(path, exc, SUBJECT)) from exc
    aside = _keep_aside(path)
    database = QueueDatabase(path)
    saved = _salvage(aside, database)
    notice = f"The queue's file was damaged. It is kept as {aside}; {saved} of its rows could be read and were kept."
    log.warning(notice)
    return database, [notice]


def _is_damage(exc: sqlite3.Error) -> bool:
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _keep_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03d}")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


def _salvage(damaged: Path, fresh: Database) -> int:
    """Copy every row that can still be read; returns their number."""
    count = 0
    for table in ("tasks", "outputs"):
        rows = [*_readable_rows(damaged, table, "ASC"), *_readable_rows(damaged, table, "DESC")]
        with fresh.transaction() as connection:
            for row in filter(_is_sound_row, rows):
                names, marks = ",".join(row.keys()), ",".join("?" * len(row.keys()))
                sql = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
                count += connection.execute(sql, tuple(row)).rowcount
    return count


def _readable_rows(damaged: Path, table: str, direction: str) -> list[sqlite3.Row]:
    """The rows from one end of a table up to the first that is damaged."""
    rows: list[sqlite3.Row] = []
    try:
        with closing(sqlite3.connect(damaged)) as source:
            source.row_factory = sqlite3.Row
            # Lets SQLite read a file that is shorter than its header says.
            source.execute("PRAGMA writable_schema = ON")
            for row in source.execute(f"SELECT * FROM {table} ORDER BY id {direction}"):
                rows.append(row)
    except sqlite3.DatabaseError as exc:
        log.info("reading %s of %s stopped: %s", table, damaged, exc)
    return rows


def _is_sound_row(row: sqlite3.Row) -> bool:
    try:
        for name in {"params", "plugin_data", "settings"} & set(row.keys()):
            json.loads(row[name])
    except (ValueError, TypeError):
        return False
    return True
