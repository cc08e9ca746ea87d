"""The book of output files: what makes a killed program never make one result twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.engine.database import QueueDatabase


class OutputLedger:
    """Books each output of a task before it gets its final name (`reserve`) and after (`commit`).

    Works from any process on the queue's database file, which it opens at the first use. A reservation whose file
    exists counts as made: the program was killed between the rename and the commit.
    """

    def __init__(self, database: str | Path) -> None:
        self._path = Path(database)
        self._lock = threading.Lock()
        self._database: QueueDatabase | None = None

    def reserve(
        self,
        task_id: int,
        index: int,
        path: str | Path,
        temp_path: str | Path = "",
        *,
        media_type: str = "video",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Book the final name of an output. Call it just before the rename."""
        values = output_values(settings or {})
        with self._open().transaction() as connection:
            connection.execute(
                "INSERT INTO outputs (task_id, output_index, path, temp_path, state, media_type, client_id, model_type,"
                " prompt, seed, settings, created) SELECT ?, ?, ?, ?, 'reserved', ?,"
                " coalesce((SELECT client_id FROM tasks WHERE id = ?), ''), ?, ?, ?, ?, ?"
                " WHERE true ON CONFLICT (task_id, output_index) DO UPDATE SET path = excluded.path,"
                " temp_path = excluded.temp_path, state = 'reserved', media_type = excluded.media_type,"
                " model_type = excluded.model_type, prompt = excluded.prompt, seed = excluded.seed,"
                " settings = excluded.settings, created = excluded.created",
                (task_id, index, str(path), str(temp_path), media_type, task_id, *values, time.time()),
            )

    def commit(self, task_id: int, index: int) -> None:
        """Note that the output has its final name. Call it just after the rename."""
        with self._open().transaction() as connection:
            connection.execute(
                "UPDATE outputs SET state = 'committed', temp_path = '' WHERE task_id = ? AND output_index = ?",
                (task_id, index),
            )

    def made(self, task_id: int) -> dict[int, str]:
        """The outputs that exist already: path by index. Files that were deleted since are not counted."""
        rows = self._open().rows("SELECT output_index, path FROM outputs WHERE task_id = ? ORDER BY 1", (task_id,))
        return {row["output_index"]: row["path"] for row in rows if Path(row["path"]).is_file()}

    def committed(self, task_id: int) -> set[int]:
        """The indexes of `made`."""
        return set(self.made(task_id))

    def expect(self, task_id: int, count: int) -> None:
        """Note how many outputs the task makes in all, so that one killed after its last is not run again."""
        with self._open().transaction() as connection:
            connection.execute("UPDATE tasks SET expected_outputs = ? WHERE id = ?", (count, task_id))

    def close(self) -> None:
        """Close the file, if it was opened."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _open(self) -> QueueDatabase:
        with self._lock:
            if self._database is None:
                self._database = QueueDatabase(self._path)
            return self._database


def output_values(settings: Mapping[str, Any]) -> tuple[str, str, int | None, str]:
    """model_type, prompt, seed and JSON of an output's settings, as the history keeps them."""
    seed = settings.get("seed")
    return (
        str(settings.get("model_type") or ""),
        str(settings.get("prompt") or ""),
        seed if isinstance(seed, int) else None,
        json.dumps(dict(settings), default=str),
    )


def settle(database: QueueDatabase) -> None:
    """Decide every reservation that a killed program left: its file exists, or its temporary file goes."""
    rows = database.rows("SELECT id, path, temp_path FROM outputs WHERE state = 'reserved'")
    made = [(row["id"],) for row in rows if Path(row["path"]).is_file()]
    lost = [(row["id"],) for row in rows if not Path(row["path"]).is_file()]
    for row in rows:
        if row["temp_path"]:
            Path(row["temp_path"]).unlink(missing_ok=True)
    with database.transaction() as connection:
        connection.executemany("UPDATE outputs SET state = 'committed', temp_path = '' WHERE id = ?", made)
        connection.executemany("DELETE FROM outputs WHERE id = ?", lost)
