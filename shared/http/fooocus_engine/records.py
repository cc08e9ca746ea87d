"""Every request with its outcome, kept in `outputs/db.sqlite3`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.core.database import Database

DATABASE_NAME = "db.sqlite3"
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
COLUMNS = (
    "id", "task_id", "req_params", "in_queue_mills", "start_mills", "finish_mills", "task_status", "progress",
    "webhook_url", "result",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """A request. Times are milliseconds since 1970; what belongs to its end is None until it has ended."""

    task_id: str
    req_params: Mapping[str, Any]
    in_queue_mills: int
    webhook_url: str = ""
    id: int = -1
    start_mills: int | None = None
    finish_mills: int | None = None
    task_status: str | None = None
    progress: int | None = None
    result: Sequence[str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as clients read it."""
        return {name: getattr(self, name) for name in COLUMNS}


class RecordStore:
    """The records of a folder; written when a task is queued and when it has ended. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = Database(folder / DATABASE_NAME, MIGRATIONS, "records")

    def add(self, record: Record) -> Record:
        """Keep a new request; returns it with its number."""
        with self._database.transaction() as connection:
            (number,) = connection.execute(
                "INSERT INTO generate_record (task_id, req_params, webhook_url, in_queue_mills)"
                " VALUES (?, ?, ?, ?) RETURNING id",
                (record.task_id, json.dumps(record.req_params), record.webhook_url, record.in_queue_mills),
            ).fetchone()
        return replace(record, id=int(number))

    def finish(self, record: Record) -> None:
        """Keep how a request ended."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE generate_record SET start_mills = ?, finish_mills = ?, task_status = ?, progress = ?,"
                " result = ? WHERE task_id = ?",
                (
                    record.start_mills, record.finish_mills, record.task_status, record.progress,
                    json.dumps(list(record.result or ())), record.task_id,
                ),
            )  # fmt: skip

    def get(self, task_id: str) -> Record | None:
        """The newest record of a task."""
        rows = self._rows("task_id = ? ORDER BY id DESC LIMIT 1", task_id)
        return rows[0] if rows else None

    def unfinished(self) -> list[Record]:
        """The records that have no end, oldest first."""
        return self._rows("finish_mills IS NULL ORDER BY id")

    def newest(self, page: int, page_size: int) -> list[Record]:
        """A page of the ended ones, from page 0, newest first."""
        return self._rows(
            "finish_mills IS NOT NULL ORDER BY id DESC LIMIT ? OFFSET ?", page_size, min(page * page_size, 2**62)
        )

    def between(self, start_mills: int, end_mills: int) -> list[Record]:
        """The ended ones that were queued in a range, its ends included, oldest first."""
        return self._rows(
            "finish_mills IS NOT NULL AND in_queue_mills BETWEEN ? AND ? ORDER BY id", start_mills, end_mills
        )

    def remove(self, records: Sequence[Record]) -> int:
        """Forget ended records; their files are left alone. Returns how many there were."""
        with self._database.transaction() as connection:
            return sum(
                connection.execute("DELETE FROM generate_record WHERE id = ?", (record.id,)).rowcount
                for record in records
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _rows(self, where: str, *values: Any) -> list[Record]:
        return [_record(row) for row in self._database.rows(f"SELECT * FROM generate_record WHERE {where}", values)]


def _record(row: sqlite3.Row) -> Record:
    result = _read(row["result"])
    return Record(
        task_id=row["task_id"],
        req_params=_read(row["req_params"]) or {},
        in_queue_mills=row["in_queue_mills"] or 0,
        webhook_url=row["webhook_url"] or "",
        id=row["id"],
        start_mills=row["start_mills"],
        finish_mills=row["finish_mills"],
        task_status=row["task_status"],
        progress=None if row["progress"] is None else int(row["progress"]),
        result=result if isinstance(result, list) else None,
    )


def _read(text: str | None) -> Any:
    """What a JSON column holds; None for an empty or damaged one, so that one bad row hides no others."""
    try:
        return json.loads(text or "null")
    except ValueError:
        return None
