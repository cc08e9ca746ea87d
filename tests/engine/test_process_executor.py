"""The worker process: crossing the border, dying, coming back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.core.contracts import Control
from shared.core.errors import WorkerDied
from shared.core.events import Console, Event, Finished, Info, Output, Preview, Progress, Started, Status
from shared.core.task import Task
from shared.engine.executors.local import LocalExecutor
from shared.engine.executors.process import ProcessExecutor
from shared.engine.queue import TaskQueue
from shared.engine.worker import Worker
from tests.engine.conftest import events_until_finished, task
from tests.fakes.runner import spec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def executor(queue: TaskQueue, tmp_path: Path) -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor(spec(tmp_path, queue.database_path))
    yield executor
    executor.close()


@pytest.fixture
def worker(queue: TaskQueue, executor: ProcessExecutor) -> Iterator[Worker]:
    worker = Worker(queue, executor)
    worker.start()
    yield worker
    assert worker.stop()


def ends(events: list[Event]) -> list[Finished]:
    return [event for event in events if isinstance(event, Finished)]


def wait_for(condition: object, timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_a_task_runs_in_a_process_that_stays(queue: TaskQueue, executor: ProcessExecutor, worker: Worker) -> None:
    subscription = queue.subscribe()
    queue.put([task("a", print=["hello\n"]), task("b")])
    events = events_until_finished(subscription, 2)
    assert [end.outcome for end in ends(events)] == ["done", "done"]
    texts = [event.text for event in events if isinstance(event, Status)]
    assert texts == [f"run 1 in {executor.pid}", f"run 2 in {executor.pid}"]
    assert executor.pid != os.getpid()
    assert Console(1, "a", "stdout", "hello") in events
    assert all(Path(event.path).is_file() for event in events if isinstance(event, Output))


def test_large_media_and_tensors_come_back_as_arrays(queue: TaskQueue, worker: Worker) -> None:
    subscription = queue.subscribe()
    queue.put([task("big", artifact_mb=3), task("small", artifact_mb=0), task("tensor", artifact_mb=2, as_tensor=True)])
    outputs = {e.client_id: e.artifact for e in events_until_finished(subscription, 3) if isinstance(e, Output)}
    for name, megabytes in (("big", 3), ("small", 0), ("tensor", 2)):
        frames = outputs[name]["video_tensor_uint8"]
        assert isinstance(frames, np.ndarray)
        assert frames.nbytes == megabytes << 20
    assert np.array_equal(outputs["big"]["video_tensor_uint8"][:300], np.arange(300).astype(np.uint8))
    assert not list(Path("/dev/shm").glob(f"wangp-media-{os.getpid()}-*/*"))


def test_wishes_reach_the_other_process(queue: TaskQueue, worker: Worker) -> None:
    subscription = queue.subscribe({"a"})
    (added,) = queue.put([task("a", steps=1000, step_s=0.01), task("b", steps=1000, step_s=0.01)])[:1]
    while not isinstance(subscription.get(20), Progress):
        pass
    queue.control(added.id).set("extra_orders", 1)
    queue.control(added.id).set("early_stop")
    assert sum(isinstance(event, Output) for event in events_until_finished(subscription)) == 2
    second = queue.subscribe({"b"})
    while not isinstance(second.get(20), Progress):
        pass
    queue.cancel(client_id="b")
    assert ends(events_until_finished(second))[0].outcome == "cancelled"


def test_a_bug_in_the_process_is_told_with_its_traceback(
    queue: TaskQueue, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = queue.subscribe()
    queue.put([task("a", bug="oops"), task("b")])
    first, second = ends(events_until_finished(subscription, 2))
    assert first.error is not None
    assert "KeyError: 'oops'" in first.error
    assert "_misbehave" in caplog.text
    assert second.outcome == "done"


@pytest.mark.parametrize(("how", "words"), [("kill", "out of memory"), ("segv", "SIGSEGV"), ("exit", "exit code 3")])
def test_a_task_whose_process_died_is_told_and_run_again(
    queue: TaskQueue, worker: Worker, tmp_path: Path, how: str, words: str
) -> None:
    subscription = queue.subscribe({"a"})
    queue.put([task("a", die=how, at_step=1, only_once=str(tmp_path / "died"))])
    events = events_until_finished(subscription)
    (info,) = [event.text for event in events if isinstance(event, Info)]
    assert words in info
    assert "once more" in info
    assert ends(events)[0].outcome == "done"
    assert sum(isinstance(event, Started) for event in events) == 2
    assert sum(isinstance(event, Output) for event in events) == 1


def test_a_second_death_sets_the_task_aside_and_the_others_go_on(queue: TaskQueue, worker: Worker) -> None:
    subscription = queue.subscribe()
    queue.put([task("a", die="segv"), task("b")])
    first, second = ends(events_until_finished(subscription, 2))
    assert (first.client_id, first.outcome, first.stage) == ("a", "failed", "runtime")
    assert "SIGSEGV" in str(first.error)
    assert "2 times" in str(first.error)
    assert (second.client_id, second.outcome) == ("b", "done")


def test_a_process_killed_from_outside_while_it_works_is_replaced(
    queue: TaskQueue, executor: ProcessExecutor, worker: Worker
) -> None:
    subscription = queue.subscribe({"a"})
    queue.put([task("a", steps=30, step_s=0.02)])
    while not isinstance(subscription.get(20), Progress):
        pass
    assert executor.pid is not None
    os.kill(executor.pid, signal.SIGKILL)
    events = events_until_finished(subscription)
    assert any(isinstance(event, Info) for event in events)
    assert ends(events)[0].outcome == "done"


def test_a_process_killed_while_idle_is_replaced_without_a_word(
    queue: TaskQueue, executor: ProcessExecutor, worker: Worker
) -> None:
    wait_for(lambda: executor.pid)
    os.kill(executor.pid or 0, signal.SIGKILL)
    wait_for(lambda: executor.pid is None)
    subscription = queue.subscribe({"a"})
    queue.put([task("a")])
    events = events_until_finished(subscription)
    assert not [event for event in events if isinstance(event, Info)]
    assert ends(events)[0].outcome == "done"


def test_release_ends_the_process_and_the_next_task_starts_another(tmp_path: Path) -> None:
    executor = ProcessExecutor(spec(tmp_path))
    events: list[Event] = []
    assert executor.run(Task({}, 1, "a"), events.append, Control()).outcome == "done"
    first = executor.pid
    executor.release()
    assert executor.pid is None
    assert executor.run(Task({}, 2, "b"), events.append, Control()).outcome == "done"
    assert executor.pid not in (None, first)
    executor.close()
    with pytest.raises(WorkerDied):
        executor.run(Task({}, 3, "c"), events.append, Control())


def test_stopping_ends_a_busy_process_and_keeps_its_task(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path / "queue")
    executor = ProcessExecutor(spec(tmp_path, queue.database_path))
    worker = Worker(queue, executor)
    subscription = queue.subscribe({"a"})
    worker.start()
    queue.put([task("a", wait_for_abort=True)])
    while not isinstance(subscription.get(20), Progress):
        pass
    start = time.monotonic()
    assert worker.stop()
    assert time.monotonic() - start < 5
    assert [(entry.client_id, entry.status) for entry in queue.tasks()] == [("a", "waiting")]
    queue.close()


def test_the_process_ends_when_the_program_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from shared.engine.executors.process import ProcessExecutor; from tests.fakes.runner import spec\n"
        "from shared.core.contracts import Control; from shared.core.task import Task\n"
        f"executor = ProcessExecutor(spec(Path({str(tmp_path)!r}))); executor.start()\n"
        "print(executor.pid, flush=True)\n"
        "executor.run(Task({'steps': 1000, 'step_s': 0.05}, 1, 'a'), lambda event: None, Control())\n"
    )
    program = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    time.sleep(0.3)
    program.kill()
    program.wait()
    wait_for(lambda: not is_running(pid))
    program.stdout.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_program_itself_never_loads_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from shared.engine.queue import TaskQueue; from shared.engine.worker import Worker\n"
        "from shared.engine.executors.process import ProcessExecutor; from tests.fakes.runner import spec\n"
        f"executor = ProcessExecutor(spec(Path({str(tmp_path)!r})))\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("kind", [ProcessExecutor, LocalExecutor])
def test_hooks_run_in_the_program(tmp_path: Path, kind: type[ProcessExecutor] | type[LocalExecutor]) -> None:
    def hook(settings: dict[str, object], plugin_data: dict[str, object], model_type: str) -> dict[str, object]:
        if plugin_data == {}:
            raise ValueError("no data")
        return {**settings, "pid": os.getpid(), "model": model_type, "data": plugin_data}

    executor = kind(spec(tmp_path), hooks={"before_metadata_save": hook})
    events: list[Event] = []
    assert executor.run(Task({}, 1, "a", {"x": 1}), events.append, Control()).outcome == "done"
    (output,) = [event for event in events if isinstance(event, Output)]
    made = output.settings
    assert (made["pid"], made["model"], made["data"]) == (os.getpid(), "fake", {"x": 1})
    executor.close()


def test_a_hook_that_fails_ends_its_task_with_a_sentence(tmp_path: Path) -> None:
    def hook(*_: object) -> None:
        raise ValueError("no data")

    executor = ProcessExecutor(spec(tmp_path), hooks={"before_metadata_save": hook})
    events: list[Event] = []
    finished = executor.run(Task({}, 1, "a"), events.append, Control())
    assert finished.error == "The plugin hook before_metadata_save failed (ValueError: no data)."
    executor.close()


def test_the_first_task_hears_that_the_process_is_loading(queue: TaskQueue, worker: Worker) -> None:
    subscription = queue.subscribe({"a"})
    queue.put([task("a")])
    events = events_until_finished(subscription)
    assert next(event.phase for event in events if isinstance(event, Progress)) == "Loading engine"


def test_an_abort_that_the_task_does_not_notice_ends_its_process(queue: TaskQueue, tmp_path: Path) -> None:
    worker = Worker(queue, ProcessExecutor(spec(tmp_path, queue.database_path), abort_grace_s=0.2))
    worker.start()
    subscription = queue.subscribe()
    queue.put([task("a", wait_for_abort=True), task("b")])
    while not isinstance(event := subscription.get(20), Preview):
        assert event is not None
    queue.cancel(client_id="a")
    first, second = ends(events_until_finished(subscription, 2))
    assert (first.client_id, first.outcome, first.error) == ("a", "cancelled", "Generation was cancelled")
    assert (second.client_id, second.outcome) == ("b", "done")
    assert worker.stop()


def test_a_release_while_a_task_runs_waits_for_its_end(
    queue: TaskQueue, executor: ProcessExecutor, worker: Worker
) -> None:
    subscription = queue.subscribe({"a"})
    queue.put([task("a", steps=30, step_s=0.02)])
    while not isinstance(event := subscription.get(20), Preview):
        assert event is not None
    executor.release()
    assert executor.pid is not None
    events = events_until_finished(subscription)
    assert not [event for event in events if isinstance(event, Info)]
    assert ends(events)[0].outcome == "done"
    wait_for(lambda: executor.pid is None)


def test_a_value_that_may_not_cross_the_border_fails_its_task_alone(queue: TaskQueue, worker: Worker) -> None:
    subscription = queue.subscribe()
    queue.put([task("a", odd=True), task("b")])
    first, second = ends(events_until_finished(subscription, 2))
    assert first.outcome == "failed"
    assert "decimal.Decimal may not cross" in str(first.error)
    assert second.outcome == "done"
