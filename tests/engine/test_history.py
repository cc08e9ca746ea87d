"""The history: what the queue's outputs leave behind."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.core.events import Finished, Output
from shared.engine.history import HistoryStore
from shared.engine.history_query import HistoryQuery
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
    assert history.count(HistoryQuery(media_type="video")) == 0
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


def filled(history: HistoryStore, folder: Path) -> dict[str, int]:
    """Entries by name: two clips and a picture by two models."""
    made = {}
    for name, kind, model, prompt in (
        ("fox.mp4", "video", "wan", "A red FOX in the snow, 100% cold"),
        ("tree.mp4", "video", "starter", "an old Ölbaum"),
        ("cup.png", "image", "starter", "a cup of tea"),
    ):
        (folder / name).write_bytes(name.encode())
        settings = {"prompt": prompt, "model_type": model}
        made[name] = history.add(folder / name, kind, settings).id  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("asked, found", [
    ({"words": "fox"}, ["fox.mp4"]),
    ({"words": "snow red"}, ["fox.mp4"]),
    ({"words": "ölbaum"}, ["tree.mp4"]),
    ({"words": "100%"}, ["fox.mp4"]),
    ({"words": "1__%"}, []),
    ({"model_type": "starter"}, ["cup.png", "tree.mp4"]),
    ({"model_type": "starter", "media_type": "image"}, ["cup.png"]),
    ({"until": 1.0}, []),
    ({"since": 1.0}, ["cup.png", "tree.mp4", "fox.mp4"]),
    ({"is_favourite": True}, ["tree.mp4"]),
])  # fmt: skip
def test_the_history_is_searched_and_filtered(
    history: HistoryStore, tmp_path: Path, asked: dict[str, object], found: list[str]
) -> None:
    made = filled(history, tmp_path)
    assert history.set_favourite([made["tree.mp4"], 999], True) == 1
    query = HistoryQuery(**asked)  # type: ignore[arg-type]
    assert [Path(entry.path).name for entry in history.page(query)] == found
    assert history.count(query) == len(found)


def test_models_are_counted(history: HistoryStore, tmp_path: Path) -> None:
    filled(history, tmp_path)
    assert history.models() == {"wan": 1, "starter": 2}


def test_a_result_goes_to_the_trash_and_comes_back(history: HistoryStore, tmp_path: Path) -> None:
    made = filled(history, tmp_path)
    (tmp_path / "fox.json").write_text("{}", encoding="utf-8")
    assert history.trash.put([made["fox.mp4"]]) == 1
    assert not (tmp_path / "fox.mp4").exists() and not (tmp_path / "fox.json").exists()
    assert history.count() == 2
    (entry,) = history.page(HistoryQuery(is_trashed=True))
    assert Path(entry.path).read_bytes() == b"fox.mp4"
    assert history.trash.size_bytes() == 7
    (tmp_path / "fox.mp4").write_bytes(b"another")
    assert history.trash.restore([entry.id]) == 1
    back = history.get(entry.id)
    assert back is not None and (back.path, back.trashed) == (str(tmp_path / "fox_2.mp4"), None)
    assert (tmp_path / "fox_2.json").is_file()
    assert history.count() == 3


def test_an_emptied_trash_destroys_what_is_in_it_and_nothing_else(history: HistoryStore, tmp_path: Path) -> None:
    made = filled(history, tmp_path)
    history.trash.put([made["fox.mp4"], made["cup.png"]])
    assert history.trash.empty([made["cup.png"], made["tree.mp4"]]) == 1
    assert history.trash.empty() == 1
    assert not (tmp_path / "trash").exists()
    assert [Path(entry.path).name for entry in history.page()] == ["tree.mp4"]
    assert (tmp_path / "tree.mp4").is_file()


def test_a_kill_between_note_and_move_loses_no_file(history: HistoryStore, tmp_path: Path) -> None:
    made = filled(history, tmp_path)
    history.trash.put([made["fox.mp4"]])
    (tmp_path / "trash" / f"{made['fox.mp4']}_fox.mp4").rename(tmp_path / "fox.mp4")
    (entry,) = history.page(HistoryQuery(is_trashed=True))
    assert (entry.path, entry.is_missing) == (str(tmp_path / "fox.mp4"), False)
    history.trash.restore([entry.id])
    assert [Path(one.path).name for one in history.page()] == ["cup.png", "tree.mp4", "fox.mp4"]


def test_a_task_is_estimated_by_the_most_alike(history: HistoryStore, tmp_path: Path) -> None:
    own = {"model_type": "wan", "resolution": "64x64", "video_length": 9, "num_inference_steps": 10, "prompt": "x"}
    assert history.estimates.seconds(own) is None
    history.add(tmp_path / "far.mp4", "video", {**own, "resolution": "640x640", "generation_time": 900.0})
    history.estimates.forget("wan")
    assert history.estimates.seconds(own) == pytest.approx(9.0)
    for seconds in (4.0, 5.0, 30.0):
        history.add(tmp_path / "near.mp4", "video", {**own, "generation_time": seconds})
    history.estimates.forget("wan")
    assert history.estimates.seconds(own) == pytest.approx(5.0)
    assert history.estimates.seconds({**own, "num_inference_steps": 20}) == pytest.approx(10.0)
    assert history.estimates.seconds({**own, "prompt": "x\ny", "multi_prompts_gen_type": "G"}) == pytest.approx(10.0)
    assert history.estimates.seconds({**own, "repeat_generation": 3}) == pytest.approx(15.0)
    assert history.estimates.seconds({**own, "model_type": "other"}) is None
    assert history.estimates.seconds({"mode": "edit_postprocessing"}) is None
