"""Killed at any moment, locked, damaged, full: what the queue makes of it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from shared.core.errors import QueueError
from shared.core.events import Finished
from shared.engine.database import DATABASE_NAME
from shared.engine.ledger import OutputLedger
from shared.engine.queue import TaskQueue
from shared.media.video import read_frames
from tests.engine.conftest import task

ROOT = Path(__file__).resolve().parents[2]


def start_program(folder: Path, kind: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.program", str(folder), kind],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(program: subprocess.Popen[str], wanted: str) -> None:
    assert program.stdout is not None
    while (line := program.stdout.readline()) != f"{wanted}\n":
        assert line, program.stderr.read() if program.stderr else wanted


def kill(program: subprocess.Popen[str]) -> None:
    program.kill()
    program.communicate()


def fill(folder: Path, tasks: int, **params: object) -> list[int]:
    queue = TaskQueue(folder)
    added = queue.put([task(str(number), **params) for number in range(tasks)])
    queue.close()
    return [entry.id for entry in added]


def outcomes(folder: Path) -> Counter[str]:
    with sqlite3.connect(folder / DATABASE_NAME) as database:
        return Counter(status for (status,) in database.execute("SELECT status FROM tasks"))


def interruptions(folder: Path) -> list[int]:
    TaskQueue(folder).close()
    with sqlite3.connect(folder / DATABASE_NAME) as database:
        return [count for (count,) in database.execute("SELECT interruptions FROM tasks")]


def results(folder: Path) -> Counter[str]:
    """How many result files there are of each (task, index)."""
    return Counter(path.read_text() for path in (folder / "outputs").glob("*.txt"))


def test_killed_at_random_moments_every_task_is_finished_once(tmp_path: Path) -> None:
    ids = fill(tmp_path, 8, steps=4, step_s=0.01, count=2, linger_s=0.02)
    rng = random.Random(20261122)
    for turn in range(7):
        program = start_program(tmp_path, "process")
        wait_for_line(program, "working" if turn % 3 else "open")
        time.sleep(rng.uniform(0.0, 0.25))
        kill(program)
    assert sum(interruptions(tmp_path)) >= 3, "the kills hit no task"
    program = start_program(tmp_path, "process")
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert outcomes(tmp_path) == {"done": 8}
    assert results(tmp_path) == {f"{task_id} {index}": 1 for task_id in ids for index in range(2)}
    assert not list((tmp_path / "outputs").glob("*.tmp"))


@pytest.mark.long
def test_the_embedded_model_killed_ten_times_makes_every_clip_once(tmp_path: Path) -> None:
    settings = {"model_type": "starter", "num_inference_steps": 12, "seed": 1, "video_length": 17}
    ids = fill(tmp_path, 10, **settings)
    rng = random.Random(2)
    for _ in range(10):
        program = start_program(tmp_path, "starter")
        wait_for_line(program, rng.choice(["open", "working", "working"]))
        time.sleep(rng.uniform(0.0, 3.0))
        kill(program)
    program = start_program(tmp_path, "starter")
    _, errors = program.communicate(timeout=1200)
    assert program.returncode == 0, errors
    assert outcomes(tmp_path) == {"done": 10}
    clips = sorted((tmp_path / "outputs").iterdir())
    assert len(clips) == len(ids)
    assert all(len(read_frames(clip)[0]) == 17 for clip in clips)


def test_killed_between_rename_and_commit_the_output_counts_as_made(tmp_path: Path) -> None:
    (task_id,) = fill(tmp_path, 1)
    ledger = OutputLedger(tmp_path / DATABASE_NAME)
    kept, lost, part = tmp_path / "kept.txt", tmp_path / "lost.txt", tmp_path / "part.tmp"
    part.write_text("half")
    ledger.reserve(task_id, 0, kept, tmp_path / "gone.tmp", settings={"seed": 4})
    ledger.reserve(task_id, 1, lost, part)
    ledger.close()
    kept.write_text("whole")
    queue = TaskQueue(tmp_path)
    assert [(output.index, output.path, output.settings) for output in queue.outputs(task_id)] == [
        (0, str(kept), {"seed": 4})
    ]
    assert OutputLedger(tmp_path / DATABASE_NAME).made(task_id) == {0: str(kept)}
    assert not part.exists()
    queue.close()


def test_a_task_killed_after_its_last_output_is_not_run_again(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    queue.put([task("a")])
    entry = queue.take(timeout_s=0, is_isolated=True)
    assert entry is not None
    ledger = OutputLedger(queue.database_path)
    ledger.expect(entry.id, 1)
    ledger.reserve(entry.id, 0, tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("whole")
    ledger.commit(entry.id, 0)
    forget(queue)
    queue = TaskQueue(tmp_path)
    assert queue.tasks() == []
    report = queue.probe("a")
    assert report is not None
    assert report.task.status == "done"
    queue.close()


def forget(queue: TaskQueue) -> None:
    """Leave the folder as a killed program leaves it: the lock is gone, nothing was put back."""
    queue._store.close()
    queue._folder_lock.release()


def test_a_task_that_kills_the_program_twice_is_set_aside(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    queue.put([task("a", die="kill"), task("b")])
    queue.close()
    for _ in range(2):
        program = start_program(tmp_path, "local")
        program.communicate(timeout=60)
        assert program.returncode == -signal.SIGKILL
    program = start_program(tmp_path, "local")
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert outcomes(tmp_path) == {"failed": 1, "done": 1}
    queue = TaskQueue(tmp_path)
    (failed,) = queue.tasks()
    assert failed.client_id == "a"
    assert "ended 2 times while this task ran" in str(failed.error)
    queue.close()


def test_the_task_set_aside_is_told_at_opening(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    queue.put([task("a")])
    for _ in range(2):
        assert queue.take(timeout_s=0) is not None
        forget(queue)
        queue = TaskQueue(tmp_path)
    assert len(queue.notices) == 1
    assert "set aside" in queue.notices[0]
    queue.close()


def test_ends_of_the_program_are_not_held_against_a_task_in_another_process(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    queue.put([task("a")])
    for _ in range(10):
        assert queue.take(timeout_s=0, is_isolated=True) is not None
        forget(queue)
        queue = TaskQueue(tmp_path)
    assert [entry.status for entry in queue.tasks()] == ["waiting"]
    for _ in range(2):
        assert queue.take(timeout_s=0, is_isolated=True) is not None
        forget(queue)
        queue = TaskQueue(tmp_path)
    assert [entry.status for entry in queue.tasks()] == ["failed"]
    queue.close()


def test_a_second_program_on_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    with pytest.raises(QueueError) as caught:
        TaskQueue(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert f"pid {os.getpid()}" in str(caught.value)
    queue.close()
    TaskQueue(tmp_path).close()


def test_the_lock_of_a_killed_program_is_free(tmp_path: Path) -> None:
    fill(tmp_path, 1, steps=1000, step_s=0.05)
    program = start_program(tmp_path, "process")
    wait_for_line(program, "open")
    with pytest.raises(QueueError, match=f"pid {program.pid}"):
        TaskQueue(tmp_path)
    kill(program)
    TaskQueue(tmp_path).close()


@pytest.mark.parametrize("damage", ["cut", "garbage", "middle"])
def test_a_damaged_file_is_kept_aside_and_a_fresh_one_made(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, 300, text="x" * 500)
    path = tmp_path / DATABASE_NAME
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "garbage":
            path.write_bytes(b"this is no database" * 500)
        case "middle":
            path.write_bytes(content[:40960] + b"\xff" * 40960 + content[81920:])
    queue = TaskQueue(tmp_path)
    (notice,) = queue.notices
    assert "damaged" in notice
    (aside,) = [entry for entry in tmp_path.glob(f"{DATABASE_NAME}.broken-*") if entry.name[-3:] not in ("wal", "shm")]
    assert str(aside) in notice
    if damage != "garbage":
        assert queue.tasks()
    queue.put([task("new")])
    assert queue.tasks()[-1].client_id == "new"
    queue.close()


def test_a_file_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with sqlite3.connect(tmp_path / DATABASE_NAME) as database:
        database.execute("INSERT INTO migrations VALUES ('2099_01_01_future', 'then')")
    with pytest.raises(QueueError, match="newer version"):
        TaskQueue(tmp_path)
    assert not list(tmp_path.glob("*.broken-*"))


def test_a_full_disk_refuses_the_task_and_keeps_the_others(queue: TaskQueue) -> None:
    queue.put([task("a")])
    connection = queue._store.database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(QueueError, match="full"):
        queue.put([task("b"), task("c", text="x" * 100_000)])
    assert [entry.client_id for entry in queue.tasks()] == ["a"]
    entry = queue.take(timeout_s=0)
    assert entry is not None
    queue.publish(Finished(entry.id, "a", "failed", "y" * 200_000))
    assert [entry.status for entry in queue.tasks()] == ["failed"]
    connection.execute("PRAGMA max_page_count = 1000000")
    assert queue.put([task("b")])[0].client_id == "b"


def test_a_picture_that_the_disk_does_not_hold_refuses_its_task(queue: TaskQueue) -> None:
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(QueueError, match="picture could not be kept"):
            queue.put([task("a", image_start=noise)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert queue.tasks() == []
    assert list((queue.folder / "queue_media").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match="file"):
        TaskQueue(tmp_path / "file" / "queue")
