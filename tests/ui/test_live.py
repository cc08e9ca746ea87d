"""Open windows are told what the queue does: at once, in full at first, and without asking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.core.events import Finished, Info, Output, Preview, Progress, QueueChanged, RefreshModels, Started
from shared.core.task import Task
from shared.ui.live import LiveFeed
from shared.ui.task_view import RunningTask, task_picture, task_row
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path)
    yield made
    made.close()


def told(raw: bytes) -> dict[str, Any]:
    return json.loads(raw.decode().removeprefix("data: "))


async def collect(stream: AsyncIterator[bytes], until: str, seconds: float = 10) -> list[dict[str, Any]]:
    """The messages up to the first of a kind."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(seconds):
        async for raw in stream:
            if raw.startswith(b"data"):
                found.append(told(raw))
                if found[-1]["kind"] == until:
                    return found
    return found


def watch(runtime: PageRuntime, act: Any, until: str) -> list[dict[str, Any]]:
    """What one window hears from its opening until a message of the kind `until` that `act` causes."""

    async def run() -> list[dict[str, Any]]:
        feed = LiveFeed(runtime)
        feed.start()
        try:
            stream = feed.stream()
            found = await collect(stream, "progress")
            await asyncio.to_thread(act)
            return found + await collect(stream, until)
        finally:
            feed.close()

    return asyncio.run(run())


def test_a_window_hears_the_whole_state_first(runtime: PageRuntime) -> None:
    runtime.submit({"model_type": "starter", "prompt": "a star"})
    messages = watch(runtime, lambda: runtime.submit({"model_type": "starter", "prompt": "a ring"}), "queue")
    assert [message["kind"] for message in messages[:4]] == ["hello", "downloads", "queue", "progress"]
    assert [task["prompt"] for task in messages[2]["tasks"]] == ["a star"]
    # Afterwards only what is new, and the order of all.
    assert [task["prompt"] for task in messages[-1]["tasks"]] == ["a ring"]
    assert messages[-1]["order"] == [messages[2]["tasks"][0]["id"], messages[-1]["tasks"][0]["id"]]


def test_a_row_is_told_again_only_when_it_has_changed(runtime: PageRuntime) -> None:
    feed = LiveFeed(runtime)
    first, second = (runtime.submit({"model_type": "starter", "prompt": text}) for text in ("one", "two"))
    before = feed.snapshot()
    assert [row["prompt"] for row in before.message({})["tasks"]] == ["one", "two"]
    runtime.queue.hold(second.id, "window")
    feed.take(QueueChanged("held"))
    told = feed.snapshot().message(before.rows)
    assert [(row["id"], row["editor"]) for row in told["tasks"]] == [(second.id, "window")]
    runtime.queue.move(second.id, 0)
    feed.take(QueueChanged("moved"))
    assert feed.snapshot().message(feed.snapshot().rows) | {"tasks": []} == {
        "kind": "queue", "order": [second.id, first.id], "tasks": [], "more": 0, "waiting": 2, "paused": False,
    }  # fmt: skip


def test_a_result_teaches_how_long_its_like_will_take(runtime: PageRuntime, tmp_path: Path) -> None:
    settings = {"model_type": "starter", "prompt": "x", "resolution": "128x128", "video_length": 9,
                "num_inference_steps": 10}  # fmt: skip
    feed = LiveFeed(runtime)
    task = runtime.submit(settings)
    assert feed.snapshot().rows[task.id]["estimate_s"] is None
    made = {**settings, "generation_time": 12.34}
    runtime.history.add(tmp_path / "made.mp4", "video", made)
    feed.take(Output(99, "", str(tmp_path / "made.mp4"), "video", made))
    assert feed.snapshot().rows[task.id]["estimate_s"] == 12.0
    assert feed.snapshot().rows[task.id]["extends"] is True


def test_progress_preview_and_end_are_told(runtime: PageRuntime) -> None:
    task = runtime.submit({"model_type": "starter", "prompt": "a star"}, client_id="page-x-1")
    heard: list[dict[str, Any]] = []

    async def run() -> None:
        feed = LiveFeed(runtime)
        feed.start()
        stream = feed.stream()
        await collect(stream, "progress")
        ids = (task.id, task.client_id)
        runtime.queue.publish(Started(*ids, device="cpu"))
        runtime.queue.publish(Progress(*ids, text="Denoising", phase="Denoising", step=3, total=10))
        runtime.queue.publish(Preview(*ids, jpeg=b"jpeg"))
        runtime.queue.publish(Info(*ids, text="The size was rounded."))
        heard.extend(await collect(stream, "info"))
        assert feed.preview_of(task.id) == b"jpeg"
        runtime.queue.publish(Finished(*ids, outcome="failed", error="It is broken.", stage="generation"))
        heard.extend(await collect(stream, "finished"))
        assert feed.preview_of(task.id) == b""
        feed.close()

    asyncio.run(run())
    running = next(message["running"] for message in heard if message["kind"] == "progress" and message["running"])
    assert (running[0]["step"], running[0]["total"], running[0]["phase"]) == (3, 10, "Denoising")
    assert any(message.get("text") == "The size was rounded." for message in heard)
    assert heard[-1] == {
        "kind": "finished", "task_id": task.id, "client_id": "page-x-1", "outcome": "failed", "error": "It is broken.",
    }  # fmt: skip


def test_a_task_that_already_runs_is_shown_before_it_says_a_word(runtime: PageRuntime) -> None:
    task = runtime.submit({"model_type": "starter", "prompt": "a star"})
    assert runtime.queue.take("cpu", 1) is not None

    async def first() -> list[dict[str, Any]]:
        feed = LiveFeed(runtime)
        feed.start()
        found = await collect(feed.stream(), "progress")
        feed.close()
        return found

    assert [running["task_id"] for running in asyncio.run(first())[-1]["running"]] == [task.id]


def test_a_failed_task_stays_in_the_list_with_its_error(runtime: PageRuntime) -> None:
    task = runtime.submit({"model_type": "starter", "prompt": "a star"})
    assert runtime.queue.take("cpu", 1) is not None
    runtime.queue.publish(Finished(task.id, "", outcome="failed", error="It is broken.", stage="generation"))
    feed = LiveFeed(runtime)
    rows = feed.queue_message()["tasks"]
    assert [(row["status"], row["error"]) for row in rows] == [("failed", "It is broken.")]


def test_a_very_long_queue_is_shown_in_part(runtime: PageRuntime) -> None:
    runtime.queue.put([Task(params={"model_type": "starter", "prompt": f"star {number}"}) for number in range(1030)])
    message = LiveFeed(runtime).queue_message()
    assert (len(message["tasks"]), message["more"], message["waiting"]) == (1000, 30, 1030)


def test_streams_of_many_windows_need_no_threads_of_their_own(runtime: PageRuntime) -> None:
    async def run() -> list[int]:
        feed = LiveFeed(runtime)
        feed.start()
        streams = [feed.stream() for _ in range(60)]
        for stream in streams:
            await collect(stream, "progress")
        runtime.submit({"model_type": "starter", "prompt": "a star"})
        heard = [len((await collect(stream, "queue"))[-1]["order"]) for stream in streams]
        feed.close()
        return heard

    assert asyncio.run(run()) == [1] * 60


def test_time_left_follows_the_pace_of_the_steps() -> None:
    running = RunningTask(1, "", started=0.0)
    for step in range(5):
        running.advance(Progress(1, "", text="Denoising", phase="Denoising", step=step, total=10), now=10.0 + step)
    shown = running.as_json(now=14.0)
    assert shown["step"] == 4
    assert 6 <= shown["left_s"] <= 14


def test_a_download_has_a_bar_of_its_own() -> None:
    running = RunningTask(1, "", started=0.0)
    text = "Downloading Wan: 1.00 of 4.00 GB, 9.0 MB/s, 5m 33s left | 1m 50s"
    running.advance(Progress(1, "", text, "Downloading Wan", step=10**9, total=4 * 10**9, unit="bytes"), now=1.0)
    shown = running.as_json(now=2.0)
    assert (shown["percent"], shown["unit"]) == (25, "bytes")
    assert shown["text"] == "Downloading Wan: 1.00 of 4.00 GB, 9.0 MB/s, 5m 33s left"
    running.advance(Progress(1, "", text="Loading model", phase="Loading model"), now=3.0)
    assert running.as_json(now=4.0)["percent"] < 20


def test_windows_hear_of_models_that_came_or_went(runtime: PageRuntime) -> None:
    async def run() -> list[dict[str, Any]]:
        feed = LiveFeed(runtime)
        feed.start()
        stream = feed.stream()
        first = await anext(stream)
        runtime.queue.publish(RefreshModels(0, "", "token"))
        messages = await collect(stream, "models")
        feed.close()
        return [told(first), *messages]

    assert asyncio.run(run())[-1]["kind"] == "models"


def test_the_bar_never_runs_backwards() -> None:
    running = RunningTask(1, "", started=0.0)
    running.advance(Progress(1, "", text="Denoising", phase="Denoising", step=9, total=10), now=1.0)
    high = running.percent
    running.advance(Progress(1, "", text="Encoding prompt", phase="Encoding prompt"), now=2.0)
    assert running.percent == high


def test_a_task_is_shown_with_its_first_picture() -> None:
    task = Task(params={"image_start": ["a.png", "b.png"], "prompt": "x" * 1000}, id=3)
    assert task_picture(task) == "a.png"
    row = task_row(task, "Starter", 8.0)
    assert row["picture"] is True
    assert len(row["prompt"]) == 300
