"""One connection to the queue's SQLite file, shared by the threads of a process."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from shared.core.errors import QueueError
from shared.engine.migrations import migrate

DATABASE_NAME = "queue.sqlite3"
BUSY_TIMEOUT_S = 20.0

log = logging.getLogger(__name__)


class Database:
    """A connection with its lock; every change is one transaction.

    WAL lets the worker process write beside this one. synchronous=FULL: an answered change survives a power cut too;
    it costs one fsync a change (about 1 ms), little next to a generation.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise QueueError(f"queue: {path} cannot be opened ({exc}). Check that the folder is writable.") from exc
        try:
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is executed inside is kept together or, on an error, not at all. Raises QueueError."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as exc:
                self._roll_back()
                raise QueueError(_sentence(self.path, exc)) from exc
            except BaseException:
                self._roll_back()
                raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query. Raises QueueError."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as exc:
                raise QueueError(_sentence(self.path, exc)) from exc

    def is_sound(self) -> bool:
        """Whether SQLite finds the file undamaged."""
        with self._lock:
            return self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"

    def close(self) -> None:
        """Close the connection; the last one of all folds the write-ahead log into the file."""
        with self._lock:
            self._connection.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def open_or_repair(path: Path) -> tuple[Database, list[str]]:
    """The database, and what had to be repaired as sentences for the user.

    A damaged file is kept aside as `<name>.broken-<time>`; what can still be read of it goes into a fresh one.
    """
    try:
        database = Database(path)
        if database.is_sound():
            return database, []
        database.close()
    except sqlite3.DatabaseError as exc:
        if isinstance(exc, sqlite3.OperationalError) and not _is_damage(exc):
            raise QueueError(_sentence(path, exc)) from exc
    aside = _keep_aside(path)
    database = Database(path)
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


def _sentence(path: Path, exc: sqlite3.Error) -> str:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"queue: the disk of {path} is full; nothing was changed. Free some space and try again."
    if code == sqlite3.SQLITE_READONLY:
        return f"queue: {path} cannot be written to. Check the permissions of the folder."
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"queue: {path} is held by another program. End it, or use another --config folder."
    return f"queue: {path} could not be used ({exc}); nothing was changed."
