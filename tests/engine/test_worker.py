"""The worker with the executor of this process: outcomes, control, console."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.core.events import Console, Finished, Info, Output, Progress, Started
from shared.engine.executors.local import LocalExecutor
from shared.engine.queue import TaskQueue
from shared.engine.worker import Worker
from tests.engine.conftest import events_until_finished, task
from tests.fakes.runner import spec

StartWorker = Callable[[], Worker]


def test_a_task_runs_from_put_to_output(queue: TaskQueue, run_worker: StartWorker) -> None:
    subscription = queue.subscribe({"a"})
    run_worker()
    (added,) = queue.put([task("a", count=2)])
    events = events_until_finished(subscription)
    kinds = [type(event) for event in events]
    assert kinds.index(Started) < kinds.index(Progress) < kinds.index(Output)
    assert events[-1] == Finished(added.id, "a", "done")
    paths = [event.path for event in events if isinstance(event, Output)]
    assert len(paths) == 2
    assert all(Path(path).is_file() for path in paths)
    assert queue.tasks() == []


def test_a_failing_task_ends_alone(queue: TaskQueue, run_worker: StartWorker) -> None:
    subscription = queue.subscribe()
    queue.put([task("bad", error="steps: 0 is too few"), task("good")])
    run_worker()
    ends = [event for event in events_until_finished(subscription, 2) if isinstance(event, Finished)]
    assert [(end.client_id, end.outcome, end.stage) for end in ends] == [
        ("bad", "failed", "validation"),
        ("good", "done", None),
    ]
    assert ends[0].error == "steps: 0 is too few"


def test_a_bug_is_logged_once_and_shown_as_one_line(
    queue: TaskQueue, run_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = queue.subscribe({"a"})
    (added,) = queue.put([task("a", bug="oops")])
    with caplog.at_level(logging.ERROR):
        run_worker()
        end = events_until_finished(subscription)[-1]
    assert isinstance(end, Finished)
    assert end.error is not None
    assert f"Task {added.id}" in end.error
    assert "KeyError: 'oops'" in end.error
    assert "\n" not in end.error
    assert end.stage == "runtime"
    assert caplog.text.count("Traceback") == 1


def test_cancel_stops_the_running_task_within_one_step(queue: TaskQueue, run_worker: StartWorker) -> None:
    subscription = queue.subscribe({"a"})
    queue.put([task("a", steps=1000, step_s=0.01), task("b")])
    run_worker()
    while not isinstance(event := subscription.get(10), Progress):
        assert event is not None
    start = time.perf_counter()
    assert queue.cancel(client_id="a")
    end = events_until_finished(subscription)[-1]
    assert isinstance(end, Finished)
    assert (end.outcome, end.stage, end.error) == ("cancelled", "cancelled", "Generation was cancelled")
    assert time.perf_counter() - start < 1


def test_wishes_reach_the_running_task(queue: TaskQueue, run_worker: StartWorker) -> None:
    subscription = queue.subscribe({"a"})
    (added,) = queue.put([task("a", steps=1000, step_s=0.01, report=["extra_windows"])])
    run_worker()
    while not isinstance(subscription.get(10), Progress):
        pass
    control = queue.control(added.id)
    control.set("extra_orders", 2)
    control.set("extra_windows", 3)
    control.set("early_stop")
    events = events_until_finished(subscription)
    assert sum(isinstance(event, Output) for event in events) == 3
    assert [event.text for event in events if isinstance(event, Info)] == ["extra_windows=3"]
    assert events[-1].outcome == "done"


def test_stopping_the_worker_lets_the_running_task_wait_for_the_next_start(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path / "queue")
    subscription = queue.subscribe({"a"})
    queue.put([task("a", steps=1000, step_s=0.01)])
    worker = Worker(queue, LocalExecutor(spec(tmp_path, queue.database_path)))
    worker.start()
    while not isinstance(subscription.get(10), Progress):
        pass
    assert worker.stop()
    queue.close()
    queue = TaskQueue(tmp_path / "queue")
    assert [(entry.client_id, entry.status) for entry in queue.tasks()] == [("a", "waiting")]
    assert queue.notices == []
    queue.close()


def test_an_abort_by_the_user_lasts_even_when_the_program_ends_at_once(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path / "queue")
    subscription = queue.subscribe({"a"})
    queue.put([task("a", steps=1000, step_s=0.05)])
    worker = Worker(queue, LocalExecutor(spec(tmp_path, queue.database_path)))
    worker.start()
    while not isinstance(subscription.get(10), Progress):
        pass
    queue.cancel(client_id="a")
    worker.stop()
    assert queue.tasks() == []
    queue.close()


def test_the_console_carries_what_the_generation_prints_and_nothing_else(
    queue: TaskQueue, run_worker: StartWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    subscription = queue.subscribe({"a"})
    lines = ["one\ntw", "o\r\n\n  \n10%\r20%", "\rlast without end"]
    queue.put([task("a", print=lines, print_error=["warn\n"], steps=20, step_s=0.01)])
    run_worker()
    while not isinstance(subscription.get(10), Console):
        pass
    print("the caller's own line")
    events = events_until_finished(subscription)
    told = [(event.stream, event.text) for event in events if isinstance(event, Console)]
    assert told == [
        ("stdout", "two"),
        ("stdout", "10%"),
        ("stdout", "20%"),
        ("stderr", "warn"),
        ("stdout", "last without end"),
    ]
    assert capsys.readouterr().out == "the caller's own line\n"
    assert not hasattr(sys.stdout, "taps")


def test_the_console_says_whether_it_is_a_terminal(queue: TaskQueue, tmp_path: Path) -> None:
    from shared.engine.executors.console import ConsoleCapture

    for is_terminal in (True, False):
        with ConsoleCapture(lambda stream, text: None, is_terminal=is_terminal):
            assert sys.stdout.isatty() is is_terminal
            assert sys.stderr.isatty() is is_terminal


def test_an_artifact_stays_in_memory_and_off_the_disk(queue: TaskQueue, run_worker: StartWorker) -> None:
    subscription = queue.subscribe({"a"})
    (added,) = queue.put([task("a", artifact_mb=1)])
    run_worker()
    events = events_until_finished(subscription)
    (output,) = [event for event in events if isinstance(event, Output)]
    assert output.artifact is not None
    assert output.artifact["video_tensor_uint8"].nbytes == 1 << 20
    assert queue.database_path.stat().st_size < 1 << 20
    assert queue.outputs(added.id)[0].path == output.path


def test_a_task_that_does_not_stop_in_time_waits_for_the_next_start(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path / "queue")
    subscription = queue.subscribe({"a"})
    queue.put([task("a", step_s=0.8)])
    worker = Worker(queue, LocalExecutor(spec(tmp_path, queue.database_path)))
    worker.start()
    while not isinstance(subscription.get(10), Progress):
        pass
    assert not worker.stop(timeout_s=0.05)
    queue.close()
    assert worker.stop(timeout_s=10)
    queue = TaskQueue(tmp_path / "queue")
    assert [(entry.client_id, entry.status) for entry in queue.tasks()] == [("a", "waiting")]
    assert queue.notices == []
    queue.close()
