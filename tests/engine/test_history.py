"""The history: what the queue's outputs leave behind."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.core.events import Finished, Output
from shared.engine.history import HistoryStore
from shared.engine.queue import TaskQueue
from shared.media.video_write import write_video
from tests.engine.conftest import task


@pytest.fixture
def history(queue: TaskQueue) -> HistoryStore:
    return HistoryStore(queue.folder)


def publish(queue: TaskQueue, path: Path, media_type: str = "image", **settings: object) -> int:
    (added,) = queue.put([task("client")])
    queue.publish(Output(added.id, "client", str(path), media_type, dict(settings)))
    queue.publish(Finished(added.id, "client", "done"))
    return added.id


def test_an_output_is_in_the_history_with_what_made_it(queue: TaskQueue, history: HistoryStore, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(np.zeros((9, 32, 48, 3), np.uint8), path, 8)
    before = time.time()
    task_id = publish(queue, path, "video", prompt="a ball", seed=3, model_type="starter", flow_shift=5.0)
    (entry,) = history.list()
    assert (entry.task_id, entry.client_id, entry.prompt, entry.seed) == (task_id, "client", "a ball", 3)
    assert (entry.model_type, entry.settings["flow_shift"], entry.media_type) == ("starter", 5.0, "video")
    assert (entry.width, entry.height, entry.frames, entry.fps) == (48, 32, 9, 8.0)
    assert entry.duration_s == pytest.approx(9 / 8, abs=0.01)
    assert before <= entry.created <= time.time()
    assert history.get(entry.id) == history.find(path) == entry


def test_the_newest_come_first_in_pages(queue: TaskQueue, history: HistoryStore, tmp_path: Path) -> None:
    for number in range(7):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 4)).save(path)
        publish(queue, path, seed=number)
    assert [entry.seed for entry in history.list(limit=3)] == [6, 5, 4]
    assert [entry.seed for entry in history.list(limit=3, offset=6)] == [0]
    assert history.list(limit=1)[0].width == 8
    assert history.count() == 7
    assert history.count("video") == 0
    assert history.list(media_type="audio") == []


def test_a_missing_file_is_flagged_and_a_damaged_one_listed(
    queue: TaskQueue, history: HistoryStore, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no clip")
    publish(queue, tmp_path / "gone.png")
    publish(queue, damaged, "video")
    second, first = history.list()
    assert (first.is_missing, first.width) == (True, None)
    assert (second.is_missing, second.width) == (False, None)


def test_removing_an_entry_leaves_the_file_and_the_others(
    queue: TaskQueue, history: HistoryStore, tmp_path: Path
) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.new("RGB", (8, 4)).save(path)
        publish(queue, path)
    newest = history.list()[0]
    assert history.remove(newest.id)
    assert not history.remove(newest.id)
    assert [entry.path for entry in history.list()] == [str(paths[0])]
    assert paths[1].is_file()


def test_files_that_no_task_made_can_be_taken_up(history: HistoryStore, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 4)).save(tmp_path / name)
    first = history.add(tmp_path / "a.png", "image", {"prompt": "x", "seed": 2})
    second = history.add(tmp_path / "b.png", "image")
    assert (first.task_id, first.prompt, first.seed) == (None, "x", 2)
    assert history.list() == [second, first]


def test_the_history_lasts(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    publish(queue, tmp_path / "gone.png", seed=9)
    queue.close()
    assert [entry.seed for entry in HistoryStore(tmp_path).list()] == [9]
