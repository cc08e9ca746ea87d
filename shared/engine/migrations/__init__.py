"""Dated changes of the queue's database: one .sql file each, applied once, in the order of their names."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from shared.core.errors import QueueError

FOLDER = Path(__file__).resolve().parent


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database up to date. Raises QueueError for one that a newer program has changed."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied TEXT NOT NULL)")
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    scripts = {script.stem: script for script in sorted(FOLDER.glob("*.sql"))}
    if newer := applied - scripts.keys():
        raise QueueError(
            f"queue: the database was changed by a newer version of the program ({', '.join(sorted(newer))}). "
            "Use that version, or start with another --config folder."
        )
    for name, script in scripts.items():
        if name not in applied:
            text = script.read_text(encoding="utf-8")
            mark = f"INSERT OR IGNORE INTO migrations VALUES ('{name}', datetime('now'));"
            connection.executescript(f"BEGIN IMMEDIATE; {text} {mark} COMMIT;")
