"""The queue's tables: every method is one transaction, on disk when it returns."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.core.events import Finished, Output, Stage
from shared.core.task import Task
from shared.engine.database import Database, open_or_repair
from shared.engine.ledger import output_values, settle
from shared.engine.queue_media import storable

MAX_CRASHES = 2
# An end of the whole program (a kill, a power cut) says little about the task that ran in another process.
MAX_INTERRUPTIONS = 12
MAX_FAILED_SHOWN = 50
KEEP_ENDED_S = 30 * 24 * 3600.0

_SET_ASIDE = (
    "The program ended {count} times while this task ran (a crash or too little memory), so it is set aside. "
    "Try a smaller resolution or fewer frames, then queue it again."
)


@dataclass(frozen=True)
class StoredTask:
    """A task with its place in the queue."""

    task: Task
    position: float
    has_priority: bool = False


def new_entry(task: Task, index: int, media_folder: Path) -> StoredTask:
    """A task as it enters the queue, its place not yet known; `index` counts those that come with it.

    Raises SettingsError for what cannot be kept, QueueError when the disk is full.
    """
    params = dict(task.params)
    has_priority = bool(params.pop("priority", False))
    kept = task.with_changes(
        params=storable(params, media_folder),
        plugin_data=storable(task.plugin_data, media_folder),
        client_id=task.client_id or f"task_{time.time_ns()}_{index}",
        status="failed" if task.error else "waiting",
        attempts=0,
        created=time.time(),
    )
    return StoredTask(kept, 0.0, has_priority)


@dataclass(frozen=True)
class TaskReport:
    """What became of a task: its state, where it failed, the files it made, when it started and ended (since 1970)."""

    task: Task
    stage: Stage | None
    outputs: tuple[StoredOutput, ...]
    started: float | None = None
    finished: float | None = None


@dataclass(frozen=True)
class StoredOutput:
    """A file that a task made."""

    index: int
    path: str
    media_type: str
    settings: dict[str, Any]


class QueueStore:
    """The database of one queue folder. `notices` tells what opening it repaired, as sentences for the user."""

    def __init__(self, path: Path) -> None:
        self.database, self.notices = open_or_repair(path)
        try:
            settle(self.database)
            self._forget_old()
            self.notices += self._recover()
        except BaseException:
            self.database.close()
            raise

    def insert(self, entries: Sequence[StoredTask]) -> list[int]:
        """Keep new tasks, all or none; returns their ids."""
        with self.database.transaction() as connection:
            return [
                int(
                    connection.execute(
                        "INSERT INTO tasks (client_id, status, error, stage, position, priority, params, plugin_data,"
                        " created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                        (
                            entry.task.client_id,
                            entry.task.status,
                            entry.task.error,
                            "validation" if entry.task.error else None,
                            entry.position,
                            entry.has_priority,
                            json.dumps(entry.task.params),
                            json.dumps(entry.task.plugin_data),
                            entry.task.created,
                        ),
                    ).fetchone()[0]
                )
                for entry in entries
            ]

    def load(self) -> list[StoredTask]:
        """The running and waiting tasks in order, then the failed ones that nobody has removed."""
        active = self.database.rows(
            "SELECT * FROM tasks WHERE status IN ('waiting', 'running') ORDER BY status = 'waiting', position, id"
        )
        failed = self.database.rows(
            "SELECT * FROM tasks WHERE status = 'failed' AND dismissed = 0 ORDER BY id DESC LIMIT ?",
            (MAX_FAILED_SHOWN,),
        )
        return [StoredTask(_task(row), row["position"], bool(row["priority"])) for row in [*active, *reversed(failed)]]

    def claim(self, task_id: int, device: str, *, is_isolated: bool) -> bool:
        """Waiting -> running; False when it is not waiting any more."""
        with self.database.transaction() as connection:
            done = connection.execute(
                "UPDATE tasks SET status = 'running', attempts = attempts + 1, device = ?, isolated = ?, started = ?"
                " WHERE id = ? AND status = 'waiting'",
                (device, is_isolated, time.time(), task_id),
            )
            return done.rowcount == 1

    def finish(self, event: Finished) -> None:
        """Keep how a task ended."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET status = ?, error = ?, stage = ?, finished = ? WHERE id = ?",
                (event.outcome, event.error, event.stage, time.time(), event.task_id),
            )

    def put_back(self, task_id: int) -> None:
        """Running -> waiting."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE tasks SET status = 'waiting' WHERE id = ?", (task_id,))

    def note_crash(self, task_id: int) -> int:
        """Count a death of the process that ran the task; returns their number so far."""
        with self.database.transaction() as connection:
            sql = "UPDATE tasks SET crashes = crashes + 1 WHERE id = ? RETURNING crashes"
            row = connection.execute(sql, (task_id,)).fetchone()
            return int(row["crashes"]) if row else 0

    def renew(self, task_id: int, position: float) -> None:
        """A failed task waits again, as if it were new."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET status = 'waiting', position = ?, attempts = 0, crashes = 0, interruptions = 0,"
                " error = NULL, stage = NULL, finished = NULL WHERE id = ?",
                (position, task_id),
            )

    def dismiss(self, task_id: int) -> None:
        """A failed task is not shown any more."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE tasks SET dismissed = 1 WHERE id = ?", (task_id,))

    def set_positions(self, positions: Mapping[int, float]) -> None:
        """Change the order."""
        with self.database.transaction() as connection:
            connection.executemany(
                "UPDATE tasks SET position = ? WHERE id = ?", [(value, key) for key, value in positions.items()]
            )

    def set_params(self, task_id: int, params: Mapping[str, Any]) -> None:
        """Replace a task's settings."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE tasks SET params = ? WHERE id = ?", (json.dumps(params), task_id))

    def add_output(self, event: Output) -> None:
        """Keep a finished file; the same task and index again replaces the first."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO outputs (task_id, output_index, path, media_type, client_id, model_type, prompt, seed,"
                " settings, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (task_id, output_index) DO UPDATE SET path = excluded.path, temp_path = '',"
                " state = 'committed', media_type = excluded.media_type, client_id = excluded.client_id,"
                " model_type = excluded.model_type, prompt = excluded.prompt, seed = excluded.seed,"
                " settings = excluded.settings",
                (
                    event.task_id,
                    event.index,
                    event.path,
                    event.media_type,
                    event.client_id,
                    *output_values(event.settings),
                    time.time(),
                ),
            )

    def report(self, *, task_id: int | None = None, client_id: str | None = None) -> TaskReport | None:
        """What became of the task with this id, or of the newest with this client_id."""
        sql, value = ("id = ?", task_id) if task_id is not None else ("client_id = ?", client_id)
        rows = self.database.rows(f"SELECT * FROM tasks WHERE {sql} ORDER BY id DESC LIMIT 1", (value,))
        if not rows:
            return None
        return task_report(self.database, rows[0])

    def outputs(self, task_id: int) -> list[StoredOutput]:
        """The files that a task has made so far."""
        return stored_outputs(self.database, task_id)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _forget_old(self) -> None:
        """Drop tasks that ended long ago; their outputs stay in the history."""
        with self.database.transaction() as connection:
            connection.execute(
                "DELETE FROM tasks WHERE finished < ? AND (status IN ('done', 'cancelled') OR dismissed = 1)",
                (time.time() - KEEP_ENDED_S,),
            )

    def _recover(self) -> list[str]:
        """Decide every task that ran when the program ended; sentences for those that do not wait again."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET crashes = crashes + (isolated = 0), interruptions = interruptions + isolated"
                " WHERE status = 'running'"
            )
            complete = connection.execute(
                "UPDATE tasks SET status = 'done', finished = ? WHERE status = 'running' AND expected_outputs <="
                " (SELECT count(*) FROM outputs WHERE task_id = tasks.id AND state = 'committed') RETURNING id",
                (time.time(),),
            ).fetchall()
            bad = connection.execute(
                "SELECT id, crashes, interruptions FROM tasks WHERE status = 'running'"
                " AND (crashes >= ? OR interruptions >= ?)",
                (MAX_CRASHES, MAX_INTERRUPTIONS),
            ).fetchall()
            self._set_aside(connection, bad)
            connection.execute("UPDATE tasks SET status = 'waiting' WHERE status = 'running'")
        return [
            *(f"Task {row['id']} was complete when the program ended." for row in complete),
            *(f"Task {row['id']}: {_SET_ASIDE.format(count=_ends(row))}" for row in bad),
        ]

    @staticmethod
    def _set_aside(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> None:
        connection.executemany(
            "UPDATE tasks SET status = 'failed', stage = 'runtime', error = ?, finished = ? WHERE id = ?",
            [(_SET_ASIDE.format(count=_ends(row)), time.time(), row["id"]) for row in rows],
        )


def task_report(database: Database, row: sqlite3.Row) -> TaskReport:
    """What a row of the table of tasks says, with the files of the task."""
    outputs = tuple(stored_outputs(database, row["id"]))
    return TaskReport(_task(row), row["stage"], outputs, row["started"], row["finished"])


def stored_outputs(database: Database, task_id: int) -> list[StoredOutput]:
    """The finished files of a task, in order."""
    rows = database.rows(
        "SELECT * FROM outputs WHERE task_id = ? AND state = 'committed' ORDER BY output_index", (task_id,)
    )
    return [
        StoredOutput(row["output_index"], row["path"], row["media_type"], json.loads(row["settings"])) for row in rows
    ]


def _ends(row: sqlite3.Row) -> int:
    return int(row["crashes"] + row["interruptions"])


def _task(row: sqlite3.Row) -> Task:
    return Task(
        params=json.loads(row["params"]),
        id=row["id"],
        client_id=row["client_id"],
        plugin_data=json.loads(row["plugin_data"]),
        status=row["status"],
        attempts=row["attempts"],
        error=row["error"],
        created=row["created"],
    )
