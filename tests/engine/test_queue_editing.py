"""The queue while people work on it: held tasks, copies behind their originals, orders for the running one."""

from __future__ import annotations

import threading

import pytest

from shared.core.errors import QueueError
from shared.core.events import Finished
from shared.engine.queue import TaskQueue
from tests.engine.conftest import task


def ids(queue: TaskQueue) -> list[str]:
    return [entry.client_id for entry in queue.tasks()]


def test_a_held_task_is_passed_over_and_keeps_its_place(queue: TaskQueue) -> None:
    first, second = queue.put([task("a"), task("b")])
    assert queue.hold(first.id, "window 1")
    assert not queue.hold(first.id, "window 2")
    assert queue.held() == {first.id: "window 1"}
    taken = queue.take(timeout_s=0)
    assert taken is not None and taken.id == second.id
    queue.publish(Finished(second.id, "b", "done"))
    assert queue.take(timeout_s=0) is None
    queue.update(first.id, {**first.params, "seed": 99})
    queue.release("window 2")
    assert queue.take(timeout_s=0) is None
    queue.release("window 1")
    taken = queue.take(timeout_s=0)
    assert taken is not None and taken.params["seed"] == 99
    assert queue.held() == {}


def test_a_worker_that_waits_hears_of_a_release(queue: TaskQueue) -> None:
    (entry,) = queue.put([task("a")])
    queue.hold(entry.id, "window")
    threading.Timer(0.1, queue.release, ["window"]).start()
    assert queue.take(timeout_s=10) is not None


def test_a_running_task_is_neither_held_nor_changed(queue: TaskQueue) -> None:
    (entry,) = queue.put([task("a")])
    queue.take(timeout_s=0)
    assert not queue.hold(entry.id, "window")
    with pytest.raises(QueueError, match="no longer waiting"):
        queue.update(entry.id, {})


def test_a_failed_task_is_mended_and_tried_again(queue: TaskQueue) -> None:
    (entry,) = queue.put([task("a")])
    queue.take(timeout_s=0)
    queue.publish(Finished(entry.id, "a", "failed", "too large"))
    assert queue.hold(entry.id, "window")
    queue.update(entry.id, {"prompt": "smaller"})
    assert queue.retry(entry.id)
    queue.release("window")
    taken = queue.take(timeout_s=0)
    assert taken is not None and (taken.id, taken.params["prompt"]) == (entry.id, "smaller")


def test_copies_follow_their_original(queue: TaskQueue) -> None:
    first, _ = queue.put([task("a"), task("b")])
    queue.put([task("a2"), task("a3")], behind=first.id)
    assert ids(queue) == ["a", "a2", "a3", "b"]
    queue.put([task("end")], behind=12345)
    assert ids(queue)[-1] == "end"


def test_a_task_is_moved_before_another_wherever_that_stands_by_now(queue: TaskQueue) -> None:
    a, b, _, d = queue.put([task("a"), task("b"), task("c"), task("d")])
    assert queue.move_before(d.id, b.id)
    assert ids(queue) == ["a", "d", "b", "c"]
    queue.cancel(a.id)
    assert queue.move_before(d.id, None)
    assert ids(queue) == ["b", "c", "d"]
    assert queue.move_before(b.id, d.id)
    assert ids(queue) == ["c", "b", "d"]
    assert not queue.move_before(b.id, a.id)
    assert not queue.move_before(a.id, b.id)


def test_more_is_ordered_of_the_running_task_alone(queue: TaskQueue) -> None:
    (entry,) = queue.put([task("a")])
    assert not queue.ask_more(entry.id, "extra_orders")
    queue.take(timeout_s=0)
    heard: list[tuple[str, int]] = []
    queue.control(entry.id).listen(lambda name, value: heard.append((name, value)))
    threads = [threading.Thread(target=queue.ask_more, args=(entry.id, "extra_orders")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.ask_more(entry.id, "extra_windows")
    assert queue.control(entry.id).get("extra_orders") == 8
    assert sorted(heard) == [*(("extra_orders", count) for count in range(1, 9)), ("extra_windows", 1)]
