"""The queue: order, durability, readers."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import QueueError, SettingsError
from shared.core.events import Finished, Output, Preview, Progress, QueueChanged, Started
from shared.core.state import GenState, headless_state
from shared.core.task import Task
from shared.engine.queue import TaskQueue
from tests.engine.conftest import task


def ids(queue: TaskQueue) -> list[str]:
    return [entry.client_id for entry in queue.tasks()]


def finish(queue: TaskQueue, entry: Task, outcome: str = "done", error: str | None = None) -> None:
    queue.publish(Finished(entry.id, entry.client_id, outcome, error))


def test_tasks_are_taken_in_the_order_they_came(queue: TaskQueue) -> None:
    queue.put([task("a"), task("b")])
    queue.put([task("c")])
    taken = [queue.take(timeout_s=0) for _ in range(4)]
    assert [entry and entry.client_id for entry in taken] == ["a", "b", "c", None]


def test_a_task_is_on_disk_before_put_returns(queue: TaskQueue) -> None:
    (put,) = queue.put([task("a", seed=5)])
    with sqlite3.connect(queue.database_path) as other:
        row = other.execute("SELECT id, client_id, status, params FROM tasks").fetchone()
    assert row[:3] == (put.id, "a", "waiting")
    assert '"seed": 5' in row[3]


def test_waiting_tasks_survive_a_restart_in_their_order(tmp_path: Path) -> None:
    first = TaskQueue(tmp_path)
    added = first.put([task("a"), task("b"), task("c")])
    first.move(added[2].id, 0)
    first.close()
    second = TaskQueue(tmp_path)
    assert ids(second) == ["c", "a", "b"]
    assert second.tasks()[1].params["prompt"] == "prompt of a"
    second.close()


def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    first = TaskQueue(tmp_path)
    (last,) = first.put([task("a")])
    first.cancel(last.id)
    first.close()
    second = TaskQueue(tmp_path)
    assert second.put([task("b")])[0].id > last.id
    second.close()


def test_first_and_priority_tasks_go_ahead_of_the_waiting_ones_only(queue: TaskQueue) -> None:
    queue.put([task("running")])
    queue.take(timeout_s=0)
    queue.put([task("a"), task("b")])
    queue.put([task("p1", priority=True)])
    queue.put([task("p2", priority=True), task("c")])
    queue.put([task("now")], first=True)
    assert ids(queue) == ["running", "now", "p1", "p2", "a", "b", "c"]
    assert "priority" not in queue.tasks()[2].params


def test_many_priority_tasks_keep_their_order(queue: TaskQueue) -> None:
    queue.put([task("last")])
    for number in range(80):
        queue.put([task(f"p{number}", priority=True)])
    assert ids(queue) == [*(f"p{number}" for number in range(80)), "last"]


def test_moving_a_task_many_times_keeps_the_order(queue: TaskQueue) -> None:
    added = queue.put([task(name) for name in "abcd"])
    expected = list("abcd")
    for turn in range(120):
        name = "bc"[turn % 2]
        queue.move(added["abcd".index(name)].id, 1)
        expected.remove(name)
        expected.insert(1, name)
    assert ids(queue) == expected
    assert not queue.move(999, 0)


def test_a_changed_task_is_taken_as_changed(queue: TaskQueue) -> None:
    (added,) = queue.put([task("a")])
    queue.update(added.id, {"prompt": "new"})
    taken = queue.take(timeout_s=0)
    assert taken is not None
    assert taken.params == {"prompt": "new"}
    with pytest.raises(QueueError, match="no longer waiting"):
        queue.update(added.id, {})


def test_two_takers_never_get_the_same_task(queue: TaskQueue) -> None:
    queue.put([task(str(number)) for number in range(60)])
    taken: list[str] = []

    def take_all() -> None:
        while (entry := queue.take(timeout_s=0.2)) is not None:
            taken.append(entry.client_id)

    threads = [threading.Thread(target=take_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken, key=int) == [str(number) for number in range(60)]


def test_a_taker_wakes_when_a_task_comes(queue: TaskQueue) -> None:
    got: list[float] = []

    def wait() -> None:
        assert queue.take(timeout_s=10) is not None
        got.append(time.perf_counter())

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    start = time.perf_counter()
    queue.put([task("a")])
    thread.join()
    assert got[0] - start < 0.5


def test_a_paused_queue_hands_out_nothing_and_pauses_what_runs(queue: TaskQueue) -> None:
    queue.put([task("a"), task("b")])
    running = queue.take(timeout_s=0)
    assert running is not None
    queue.pause()
    assert queue.is_paused
    assert queue.control(running.id).get("pause") is True
    assert queue.take(timeout_s=0.05) is None
    queue.resume()
    assert queue.control(running.id).get("pause") is False
    assert queue.take(timeout_s=0) is not None


def test_cancelling_a_waiting_task_removes_it_and_tells_its_job(queue: TaskQueue) -> None:
    queue.put([task("a"), task("b")])
    subscription = queue.subscribe({"b"})
    assert queue.cancel(client_id="b")
    ends = [event for event in iter(lambda: subscription.get(0), None) if isinstance(event, Finished)]
    assert [(end.outcome, end.error) for end in ends] == [("cancelled", "Generation was cancelled")]
    assert ids(queue) == ["a"]
    assert not queue.cancel(client_id="b")
    assert not queue.cancel(12345)


def test_cancelling_by_id_leaves_the_running_task_alone(queue: TaskQueue) -> None:
    queue.put([task("a"), task("b")])
    running = queue.take(timeout_s=0)
    assert running is not None
    assert queue.cancel(client_id="b")
    assert not queue.control(running.id).get("abort")
    assert queue.cancel(running.id)
    assert queue.control(running.id).get("abort")


def test_cancel_all_reaches_waiting_and_running_tasks(queue: TaskQueue) -> None:
    queue.put([task("a"), task("b"), task("c")])
    running = queue.take(timeout_s=0)
    assert running is not None
    assert queue.cancel_all() == 3
    assert queue.control(running.id).get("abort")
    assert ids(queue) == ["a"]


def test_a_failed_task_stays_visible_until_removed_or_retried(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    queue.put([task("a"), task("b"), task("c")])
    for name in "ab":
        entry = queue.take(timeout_s=0)
        assert entry is not None
        finish(queue, entry, "failed", f"{name} broke")
    assert [(e.client_id, e.status, e.error) for e in queue.tasks()][1:] == [
        ("a", "failed", "a broke"),
        ("b", "failed", "b broke"),
    ]
    queue.close()
    queue = TaskQueue(tmp_path)
    a, b = queue.tasks()[1:]
    assert queue.remove(a.id)
    assert queue.retry(b.id)
    assert [(e.client_id, e.status) for e in queue.tasks()] == [("c", "waiting"), ("b", "waiting")]
    queue.close()


def test_a_probe_knows_tasks_of_an_earlier_run(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    queue.put([task("a"), task("b")])
    entry = queue.take(timeout_s=0)
    assert entry is not None
    queue.publish(Output(entry.id, "a", "/out/x.mp4", "video", {"seed": 3}))
    finish(queue, entry)
    queue.close()
    queue = TaskQueue(tmp_path)
    report = queue.probe("a")
    assert report is not None
    assert (report.task.status, [output.path for output in report.outputs]) == ("done", ["/out/x.mp4"])
    assert report.outputs[0].settings == {"seed": 3}
    waiting = queue.probe("b")
    assert waiting is not None
    assert waiting.task.status == "waiting"
    assert queue.probe("nobody") is None
    queue.close()


def test_tasks_that_ended_long_ago_are_forgotten_but_not_their_outputs(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path)
    added = queue.put([task("old"), task("new"), task("old and failed")])
    for entry, outcome in zip(added, ("done", "done", "failed"), strict=True):
        queue.publish(Output(entry.id, entry.client_id, f"/out/{entry.id}.mp4", "video"))
        finish(queue, entry, outcome)
    queue.close()
    with closing(sqlite3.connect(tmp_path / "queue.sqlite3")) as database:
        database.execute("UPDATE tasks SET finished = finished - 40 * 86400 WHERE client_id LIKE 'old%'")
        database.commit()
    queue = TaskQueue(tmp_path)
    assert queue.probe("old") is None
    assert queue.probe("new") is not None
    assert [entry.client_id for entry in queue.tasks()] == ["old and failed"]
    assert len(queue.outputs(added[0].id)) == 1
    assert queue.put([task("next")])[0].id > added[-1].id
    queue.close()


def test_attached_state_follows_the_queue_without_changing_the_list_object(queue: TaskQueue) -> None:
    gen = headless_state()["gen"]
    held = gen["queue"]
    queue.attach(gen, {"a", "b"})
    a, _other, b = queue.put([task("a"), task("other"), task("b")])
    assert [entry["id"] for entry in held] == [a.id, b.id]
    kept = held[0]
    running = queue.take(timeout_s=0)
    assert running is not None
    queue.publish(Started(a.id, "a", "cpu"))
    queue.publish(Progress(a.id, "a", "Denoising | 1s", "Denoising", 1, 4))
    assert GenState(gen).in_progress
    assert GenState(gen).progress_phase == ("Denoising", 1)
    assert held[0] is kept
    queue.publish(Output(a.id, "a", "/out/a.mp4", "video", {"seed": 1}))
    finish(queue, a)
    assert gen["queue"] is held
    assert [entry["id"] for entry in held] == [b.id]
    assert "in_progress" not in gen
    assert gen["file_list"] == ["/out/a.mp4"]


def test_a_page_that_comes_late_is_caught_up(queue: TaskQueue) -> None:
    (a,) = queue.put([task("a")])
    queue.take(timeout_s=0)
    queue.publish(Started(a.id, "a", "cpu"))
    queue.publish(Progress(a.id, "a", "Denoising", "Denoising", 2, 4))
    queue.publish(Preview(a.id, "a", b"jpeg"))
    gen = headless_state()["gen"]
    queue.attach(gen)
    view = GenState(gen)
    assert (view.in_progress, view.progress_phase, view.preview) == (True, ("Denoising", 2), b"jpeg")
    queue.detach(gen)
    finish(queue, a)
    assert view.in_progress


def test_an_output_told_twice_is_kept_and_handed_out_once(queue: TaskQueue) -> None:
    (a,) = queue.put([task("a")])
    subscription = queue.subscribe()
    for _ in range(2):
        queue.publish(Output(a.id, "a", "/out/a.mp4", "video"))
    events = list(iter(lambda: subscription.get(0), None))
    assert sum(isinstance(event, Output) for event in events) == 1
    assert len(queue.outputs(a.id)) == 1


def test_a_slow_reader_misses_only_old_progress_and_previews(queue: TaskQueue) -> None:
    (a,) = queue.put([task("a")])
    subscription = queue.subscribe({"a"})
    for step in range(3000):
        queue.publish(Progress(a.id, "a", str(step), "Denoising", step, 3000))
        queue.publish(Preview(a.id, "a", b"%d" % step))
        if step % 1000 == 0:
            queue.publish(Output(a.id, "a", f"/out/{step}.mp4", "video", index=step))
    finish(queue, a)
    events = list(iter(lambda: subscription.get(0), None))
    kinds = [type(event) for event in events]
    assert kinds.count(Output) == 3
    assert kinds.count(Preview) == 2
    assert kinds.count(Progress) == 500
    assert [event.step for event in events if isinstance(event, Progress)][-1] == 2999
    assert kinds[-2:] == [Finished, QueueChanged]


def test_closing_ends_every_reader(queue: TaskQueue) -> None:
    subscription = queue.subscribe()
    read: list[object] = []
    thread = threading.Thread(target=lambda: read.extend(subscription))
    thread.start()
    queue.put([task("a")])
    queue.close()
    thread.join(5)
    assert not thread.is_alive()
    assert read == [QueueChanged("added")]
    with pytest.raises(QueueError, match="closed"):
        queue.put([task("b")])


def test_pictures_in_memory_become_files(queue: TaskQueue, tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 3), (10, 20, 30))
    array = np.full((3, 4, 3), 7, np.uint8)
    (added,) = queue.put([task("a", image_start=picture, image_refs=[array, picture], seed=np.int64(5), at=tmp_path)])
    params = added.params
    assert params["seed"] == 5
    assert params["at"] == str(tmp_path)
    with Image.open(params["image_start"]) as stored:
        assert stored.getpixel((0, 0)) == (10, 20, 30)
    assert params["image_refs"][1] == params["image_start"]
    with Image.open(params["image_refs"][0]) as stored:
        assert np.array_equal(np.asarray(stored), array)


def test_a_value_that_cannot_be_kept_is_named_and_nothing_is_added(queue: TaskQueue) -> None:
    with pytest.raises(SettingsError, match=r"custom\.x: a object"):
        queue.put([task("a"), task("b", custom={"x": object()})])
    with pytest.raises(SettingsError, match="guidance_scale: nan"):
        queue.put([task("a", guidance_scale=float("nan"))])
    assert queue.tasks() == []


def test_putting_taking_and_finishing_costs_little(queue: TaskQueue) -> None:
    count = 200
    start = time.process_time()
    for number in range(count):
        queue.put([task(str(number))])
        entry = queue.take(timeout_s=0)
        assert entry is not None
        queue.publish(Started(entry.id, entry.client_id))
        finish(queue, entry)
    per_task_s = (time.process_time() - start) / count
    assert per_task_s < 0.01, f"{per_task_s * 1000:.1f} ms of processor time a task"
