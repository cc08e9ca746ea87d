"""A job from its submission to its result."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.core.results import GenerationResult, PreviewUpdate, ProgressUpdate, SessionEvent, StreamMessage
from shared.session.session import WanGPSession

Make = Callable[..., dict[str, Any]]


def kinds(events: list[SessionEvent]) -> list[str]:
    return [event.kind for event in events]


def test_a_job_tells_its_events_from_started_to_completed(session: WanGPSession, settings: Make) -> None:
    job = session.submit_task(settings(print=["half a ", "line\rnext\n", "\n", "tail"]))
    events = list(job.events.iter(timeout=0.2))
    assert kinds(events)[0] == "started" and events[0].data == {"tasks": 1}
    assert kinds(events)[-1] == "completed" and events[-1].data is job.result()
    assert {"progress", "preview", "stream", "status", "output"} <= set(kinds(events))
    steps = [event.data for event in events if event.kind == "progress"]
    assert all(isinstance(step, ProgressUpdate) for step in steps)
    assert [(step.current_step, step.total_steps) for step in steps] == [(1, 2), (2, 2)]
    assert all(isinstance(event.data, PreviewUpdate) for event in events if event.kind == "preview")
    lines = [event.data for event in events if event.kind == "stream"]
    saved = StreamMessage("stdout", f"New video saved to Path: {job.result().generated_files[0]}")
    assert lines == [
        StreamMessage("stdout", "half a line"),
        StreamMessage("stdout", "next"),
        saved,
        StreamMessage("stdout", "tail"),
    ]
    assert job.done and job.events.closed and job.events.get() is None


def test_the_result_names_absolute_files_and_counts_tasks(session: WanGPSession, settings: Make) -> None:
    result = session.run_manifest([settings(count=2), settings()])
    assert result.success and not result.errors and not result.cancelled
    assert (result.total_tasks, result.successful_tasks, result.failed_tasks) == (2, 2, 0)
    assert len(result.generated_files) == 3
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in result.generated_files)


def test_a_failing_task_does_not_stop_the_next_ones(session: WanGPSession, settings: Make) -> None:
    manifest = [
        {"id": "first", "params": settings(), "plugin_data": {}},
        {"id": "second", "params": settings(error="the colour is out")},
        {"id": "third", "params": settings(model_type="no_such_model")},
        {"id": "fourth", "params": settings(num_inference_steps="many")},
        {"id": "fifth", "params": settings(bug="broken")},
        settings(),
    ]
    result = session.run(manifest)
    assert (result.total_tasks, result.successful_tasks, result.failed_tasks) == (6, 2, 4)
    assert [(error.task_index, error.task_id) for error in result.errors] == [
        (2, "second"), (3, "third"), (4, "fourth"), (5, "fifth"),
    ]  # fmt: skip
    assert result.errors[0].message == "the colour is out"
    assert "no_such_model" in result.errors[1].message
    assert "num_inference_steps" in result.errors[2].message
    assert [error.stage for error in result.errors] == ["validation", "validation", "validation", "runtime"]
    assert not result.success and not result.cancelled and len(result.generated_files) == 2


def test_cancelling_ends_the_running_task_and_forgets_those_behind_it(session: WanGPSession, settings: Make) -> None:
    job = session.submit([settings(steps=10_000, step_s=0.01), settings(), settings()])
    for event in job.events.iter(timeout=0.2):
        if event.kind == "progress":
            break
    began = time.monotonic()
    job.cancel()
    result = job.result(timeout=10)
    assert time.monotonic() - began < 5
    assert job.cancel_requested and result.cancelled and not result.success
    assert [(error.message, error.task_index, error.stage) for error in result.errors] == [
        ("Generation was cancelled", 1, "cancelled")
    ]
    assert (result.total_tasks, result.successful_tasks, result.failed_tasks) == (3, 0, 1)
    assert session.run(settings()).success


def test_cancelled_before_the_first_task_is_one_error_without_index(session: WanGPSession, settings: Make) -> None:
    class CancelAtOnce:
        def bind_job(self, session: WanGPSession, job: Any) -> None:
            job.cancel()

    result = session.submit([settings(), settings()], callbacks=CancelAtOnce()).result(timeout=10)
    assert [(error.task_index, error.stage) for error in result.errors] == [(None, "cancelled")]
    assert result.cancelled and result.failed_tasks == 1 and result.successful_tasks == 0


def test_a_session_runs_one_job_at_a_time_and_sessions_take_turns(
    session: WanGPSession, runtime: Any, settings: Make
) -> None:
    job = session.submit(settings(steps=100, step_s=0.01))
    with pytest.raises(RuntimeError, match="WanGP session already has a generation in progress"):
        session.submit(settings())
    other = runtime.session()
    other._console_output = False
    assert other.run(settings()).success and job.result(timeout=5).success


def test_waiting_for_a_result_can_time_out(session: WanGPSession, settings: Make) -> None:
    job = session.submit(settings(steps=100, step_s=0.01))
    with pytest.raises(TimeoutError, match="WanGP session job timed out"):
        job.result(timeout=0.05)
    session.cancel()
    assert job.join(timeout=5).cancelled


def test_a_released_result_leaves_an_empty_one(session: WanGPSession, settings: Make) -> None:
    job = session.submit(settings())
    assert job.result(timeout=5).success
    job.release_input_payload()
    job.release_output_payload()
    assert job.result() == GenerationResult(False, [], [], 0, 0, 0)
    assert job.events.get() is None


def test_prints_of_the_caller_are_not_heard(session: WanGPSession, settings: Make, capsys: Any) -> None:
    stop = threading.Event()

    def chatter() -> None:
        while not stop.wait(0.002):
            print("the program talks")

    talker = threading.Thread(target=chatter)
    talker.start()
    job = session.submit(settings(steps=20, step_s=0.01, print=["from the generation\n"]))
    lines = []
    for event in job.events.iter(timeout=0.2):
        print("and again", event.kind)
        if event.kind == "stream":
            lines.append(event.data.text)
    stop.set()
    talker.join()
    assert lines[0] == "from the generation"
    assert not [line for line in lines if "talks" in line or "again" in line]
    assert "the program talks" in capsys.readouterr().out


def test_the_console_gets_its_copy_only_when_asked(runtime: Any, settings: Make, capsys: Any) -> None:
    loud = runtime.session()
    loud.run(settings(print=["for all\n"], print_error=["trouble\n"]))
    heard = capsys.readouterr()
    assert heard.out.startswith("Powered by WanGP v") and "for all\n" in heard.out and "trouble\n" in heard.err
    loud.run(settings())
    quiet = runtime.session()
    quiet._console_output = False
    quiet.run(settings(print=["for the stream alone\n"]))
    heard = capsys.readouterr()
    assert "Powered" not in heard.out and "for the stream alone" not in heard.out
    assert type(sys.stdout).__name__ != "_Switch"


def test_media_in_memory_come_back_in_the_order_of_the_tasks(session: WanGPSession, settings: Make) -> None:
    manifest = [settings(artifact_mb=1, as_tensor=True), settings(), settings(artifact_mb=2)]
    result = session.run(manifest)
    assert [artifact.video_tensor_uint8.numel() >> 20 for artifact in result.artifacts] == [1, 2]
    assert all(artifact.client_id.startswith("api_") for artifact in result.artifacts)


def test_closing_ends_the_running_job(session: WanGPSession, settings: Make) -> None:
    job = session.submit(settings(steps=10_000, step_s=0.01))
    session.close()
    assert job.done and job.result().cancelled
    assert session.run(settings()).success


def test_a_task_is_in_the_queue_when_its_submission_is_answered(
    session: WanGPSession, runtime: Any, settings: Make
) -> None:
    runtime.queue.pause()
    job = session.submit([settings(prompt="one"), settings(prompt="two")])
    assert [task.params["prompt"] for task in runtime.queue.tasks()] == ["one", "two"]
    runtime.queue.resume()
    assert job.result(timeout=10).success


def test_what_no_queue_can_keep_fails_alone(session: WanGPSession, settings: Make) -> None:
    result = session.run([settings(), settings(strange=object()), settings()])
    assert (result.successful_tasks, result.failed_tasks) == (2, 1)
    assert [(error.task_index, error.stage) for error in result.errors] == [(2, "validation")]
    assert result.errors[0].message.startswith("strange: a object cannot be kept")


def test_a_runtime_that_closes_ends_the_jobs(session: WanGPSession, runtime: Any, settings: Make) -> None:
    job = session.submit(settings(steps=10_000, step_s=0.01))
    runtime.close()
    result = job.result(timeout=10)
    assert [error.stage for error in result.errors] == ["runtime"] and "program is ending" in result.errors[0].message
