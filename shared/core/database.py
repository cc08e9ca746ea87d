"""A SQLite file with its lock: every change is one transaction, dated scripts bring its tables up to date."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shared.core.errors import QueueError

BUSY_TIMEOUT_S = 20.0


class Database:
    """One connection, shared by the threads of a process. Errors are QueueErrors that begin with the `subject`.

    `migrations` is the folder of the dated .sql scripts. WAL lets another process write beside this one.
    synchronous=FULL: an answered change survives a power cut too; it costs one fsync a change (about 1 ms), little
    next to a generation.
    """

    def __init__(self, path: Path, migrations: Path, subject: str) -> None:
        self.path, self._subject = path, subject
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise QueueError(f"{subject}: {path} cannot be opened ({exc}). Check that the folder is writable.") from exc
        try:
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            migrate(self._connection, migrations, subject)
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
                raise QueueError(sentence(self.path, exc, self._subject)) from exc
            except BaseException:
                self._roll_back()
                raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query. Raises QueueError."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as exc:
                raise QueueError(sentence(self.path, exc, self._subject)) from exc

    def define(self, name: str, function: Callable[[str], Any]) -> None:
        """Let queries call a function of one text that always gives the same."""
        with self._lock:
            self._connection.create_function(name, 1, function, deterministic=True)

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


def migrate(connection: sqlite3.Connection, folder: Path, subject: str) -> None:
    """Apply each script of a folder once, in the order of their names.

    Raises QueueError for a database that a newer program has changed.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied TEXT NOT NULL)")
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    scripts = {script.stem: script for script in sorted(folder.glob("*.sql"))}
    if newer := applied - scripts.keys():
        raise QueueError(
            f"{subject}: the database was changed by a newer version of the program ({', '.join(sorted(newer))}). "
            "Use that version, or start with another --config folder."
        )
    for name, script in scripts.items():
        if name not in applied:
            text = script.read_text(encoding="utf-8")
            mark = f"INSERT OR IGNORE INTO migrations VALUES ('{name}', datetime('now'));"
            connection.executescript(f"BEGIN IMMEDIATE; {text} {mark} COMMIT;")


def sentence(path: Path, exc: sqlite3.Error, subject: str) -> str:
    """What SQLite says about a file, fit for a user."""
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"{subject}: the disk of {path} is full; nothing was changed. Free some space and try again."
    if code == sqlite3.SQLITE_READONLY:
        return f"{subject}: {path} cannot be written to. Check the permissions of the folder."
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{subject}: {path} is held by another program. End it, or use another --config folder."
    return f"{subject}: {path} could not be used ({exc}); nothing was changed."
