"""FooocusAPI: event streams and their clients, records over a restart, presets; its replies are in golden/."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from shared.core.events import Preview
from shared.core.picture_presets import PRESETS
from shared.http import server
from shared.http.context import ServiceContext
from shared.http.events import with_pings
from shared.http.fooocus_engine import dialect
from shared.http.fooocus_engine.mapping import percent, stream_event, time_range, with_preset
from shared.http.fooocus_engine.records import Record, RecordStore
from shared.http.fooocus_engine.schemas import GenerateRequest
from shared.http.jobs import Job
from tests.fakes.page_runtime import PageRuntime
from tests.http.replay import Conversation, picture_bytes

GENERATE = "/v1/engine/generate/"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Conversation]:
    made = Conversation("fooocus_engine", tmp_path)
    yield made
    made.close()


def job(
    status: str = "", step: int | None = None, steps: int | None = None, made: int = 0, stage: Any = "running"
) -> Job:
    return Job("a", "fooocus_engine", "generate", {}, 0.0, stage=stage, status=status, step=step, steps=steps,
               made=[None] * made)  # type: ignore[list-item]  # fmt: skip


class TestStream:
    def test_the_frames_are_those_that_its_clients_parse(self, service: Conversation) -> None:
        player = threading.Thread(
            target=service.play, args=(["started", "preview", "step 1/4", "step 4/4", "output image", "done"],)
        )
        player.start()
        body = {"prompt": "a star", "stream_output": True}
        with service.client.stream("POST", GENERATE, content=json.dumps(body)) as answer:
            text = b"".join(answer.iter_raw()).decode()
        player.join(10)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-accel-buffering"] == "no"
        frames = text.split("\r\n\r\n")
        assert frames.pop() == "" and all(frame.endswith("\r\ndata: ") for frame in frames)
        told = [json.loads(frame.split("\r\n")[0].removeprefix("data: ")) for frame in frames]
        assert all(list(event) == ["progress", "preview", "message", "images"] for event in told)
        assert [event["progress"] for event in told] == sorted(event["progress"] for event in told)
        assert [event["message"] == "Finished" for event in told] == [False] * (len(told) - 1) + [True]
        (url,) = told[-1]["images"]
        assert told[-1]["progress"] == 100 and service.client.get(url).status_code == 200

    def test_a_failure_is_told_and_ends_like_a_success(self, service: Conversation) -> None:
        player = threading.Thread(target=service.play, args=(["started", "failed There is too little memory."],))
        player.start()
        with service.client.stream("POST", GENERATE, json={"prompt": "a star", "stream_output": True}) as answer:
            lines = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
        player.join(10)
        assert [line["message"] for line in lines[-2:]] == ["There is too little memory.", "Finished"]
        assert lines[-1] == {"progress": 100, "preview": None, "message": "Finished", "images": []}

    def test_progress_counts_over_all_pictures(self) -> None:
        steps = [job("Denoising", n, 4) for n in (0, 1, 2, 3)]
        assert [percent(one, 1) for one in steps] == [13, 34, 56, 78]
        assert (
            percent(job(), 1) == 2
            and percent(job("Encoding prompt"), 1) == 13
            and percent(job("Saving output"), 1) == 100
        )
        assert [percent(replace(one, made=[None]), 2) for one in steps] == [56, 67, 78, 89]  # type: ignore[list-item]
        event = stream_event(job("Sample 2/2 - Denoising", 2, 4, made=1), 2, None, 80)
        assert event["message"] == "Sampling step 3/4, image 2/2 ..." and event["progress"] == 80

    def test_silence_is_filled_with_comments(self) -> None:
        async def slow() -> Any:
            await asyncio.sleep(0.25)
            yield b"data: 1\r\n\r\n"

        async def all_frames() -> list[bytes]:
            return [frame async for frame in with_pings(slow(), 0.1)]

        assert asyncio.run(all_frames()) == [b": ping\r\n\r\n", b": ping\r\n\r\n", b"data: 1\r\n\r\n"]


class _Served:
    """The service on a real port."""

    def __init__(self, folder: Path) -> None:
        self.runtime = PageRuntime(folder)
        self.context = ServiceContext(self.runtime, self.runtime.args)
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        config = uvicorn.Config(server.make_app(dialect, self.context), log_level="error", lifespan="off",
                                timeout_graceful_shutdown=1)  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()

    def ask_for_stream(self) -> socket.socket:
        """A client that has sent its request, and reads no more than its little buffer takes."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(self.listener.getsockname())
        body = b'{"prompt": "a star", "stream_output": true}'
        client.sendall(
            b"POST /v1/engine/generate/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        return client

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(5)
        self.context.close()
        self.runtime.close()


def test_a_vanished_or_slow_client_holds_nothing_up(tmp_path: Path) -> None:
    served = _Served(tmp_path)
    vanished, slow = served.ask_for_stream(), served.ask_for_stream()
    queue = served.runtime.queue
    _until(lambda: len(queue.tasks()) == 2)
    vanished.close()
    big = picture_bytes(1024, 1024, "JPEG")
    started = time.monotonic()
    worker = Conversation.__new__(Conversation)
    worker.runtime, worker.context, worker.folder = served.runtime, served.context, tmp_path
    for _ in range(2):
        task = queue.take(timeout_s=5)
        assert task is not None
        for number in range(30):
            worker.play([f"step {number + 1}/30"])
            queue.publish(Preview(task.id, task.client_id, big))
        worker.play(["output image", "done"])
    assert time.monotonic() - started < 10
    found = served.context.jobs.history("fooocus_engine", 10)
    assert [one.stage for one in found] == ["done", "done"]
    records = RecordStore(served.runtime.config.folder_path("image_save_path")).newest(0, 10)
    assert [(one.task_status, len(one.result or ())) for one in records] == [("finished", 1)] * 2
    slow.close()
    served.close()


def _until(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


class TestRecords:
    def test_what_ended_unseen_gets_its_end_at_the_next_start(self, tmp_path: Path) -> None:
        first = Conversation("fooocus_engine", tmp_path)
        body = {"prompt": "a star", "async_process": True}
        done, waits = (first.client.post(GENERATE, json=body).json()["task_id"] for _ in range(2))
        folder = first.runtime.config.folder_path("image_save_path")
        store = RecordStore(folder)
        store.add(Record("lost", {}, 5))
        first.context.jobs.close()  # nobody hears any more what the worker tells
        task = first.runtime.queue.take()
        assert task is not None
        first.runtime.queue.publish(first._output(task, "image"))
        first.runtime.queue.publish(first.event(task, "done"))
        assert store.get(done).task_status is None
        second = ServiceContext(first.runtime, first.runtime.args)
        server.make_app(dialect, second)
        states = {one: store.get(one).task_status for one in (done, waits, "lost")}
        assert states == {done: "finished", waits: None, "lost": "error"}
        assert len(store.get(done).result or ()) == 1
        second.close()
        first.close()

    def test_a_damaged_row_hides_no_others(self, tmp_path: Path) -> None:
        store = RecordStore(tmp_path)
        for task_id in ("a", "b"):
            record = store.add(Record(task_id, {"prompt": "x"}, 5))
            store.finish(replace(record, finish_mills=9, task_status="finished", progress=100, result=["u"]))
        with store._database.transaction() as connection:
            connection.execute("UPDATE generate_record SET req_params = '{', result = 'x' WHERE task_id = 'a'")
        assert [(one.task_id, one.req_params, one.result) for one in store.newest(0, 10)] == [
            ("b", {"prompt": "x"}, ["u"]), ("a", {}, None),
        ]  # fmt: skip
        store.close()

    def test_a_request_can_be_sent_again_as_it_was_kept(self, service: Conversation) -> None:
        body = {"prompt": "a star", "async_process": True, "image_seed": 2**62, "loras": []}
        first = service.client.post(GENERATE, json=body).json()["task_id"]
        params = service.client.get(f"/tasks/{first}").json()["req_params"]
        again = service.client.post(GENERATE, json=params).json()["task_id"]
        assert service.client.get(f"/tasks/{again}").json()["req_params"] == params
        tasks = [{**task.params, "client_id": "", "output_filename": ""} for task in service.runtime.queue.tasks()]
        assert tasks[0] == tasks[1]

    def test_the_same_picture_is_kept_once_under_its_hash(self, service: Conversation) -> None:
        from tests.http.replay import picture_uri

        for size in ((64, 48), (64, 48), (48, 64)):
            body = {"uov_input_image": picture_uri(*size), "uov_method": "Vary (Strong)", "async_process": True}
            task_id = service.client.post(GENERATE, json=body).json()["task_id"]
            url = service.client.get(f"/tasks/{task_id}").json()["req_params"]["uov_input_image"]
            name = url.removeprefix("http://testserver/inputs/").removesuffix(".png")
            assert len(name) == 64 and int(name, 16) and service.client.get(url).status_code == 200
        assert len(list((service.runtime.config_dir / "inputs").iterdir())) == 2

    def test_a_webhook_is_told_the_record_whatever_the_end(
        self, service: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[tuple[str, dict[str, Any]]] = []
        monkeypatch.setattr(service.context.webhooks, "tell", lambda url, message: told.append((url, message)))
        service.context.args.webhook_url = "http://example.com/usual"
        for webhook in ("http://example.com/own", ""):
            service.client.post(GENERATE, json={"prompt": "a star", "async_process": True, "webhook_url": webhook})
        service.play(["started", "output image", "done"])
        service.play(["started", "failed There is too little memory."])
        assert [url for url, _ in told] == ["http://example.com/own", "http://example.com/usual"]
        assert [message["task_status"] for _, message in told] == ["finished", "error"]
        assert list(told[0][1]) == [
            "id", "task_id", "req_params", "in_queue_mills", "start_mills", "finish_mills", "task_status", "progress",
            "webhook_url", "result",
        ]  # fmt: skip
        assert len(told[0][1]["result"]) == 1 and told[1][1]["result"] == []

    def test_a_key_that_comes_twice_is_one_task(self, service: Conversation) -> None:
        body, headers = {"prompt": "a star", "async_process": True}, {"Idempotency-Key": "k"}
        ids = {service.client.post(GENERATE, json=body, headers=headers).json()["task_id"] for _ in range(2)}
        assert len(ids) == 1 and len(service.client.get("/tasks").json()["pending"]) == 1
        other = service.client.post(GENERATE, json={**body, "prompt": "a ring"}, headers=headers)
        assert other.status_code == 422 and "idempotency key" in other.json()["detail"]

    def test_times(self) -> None:
        now = 1_800_000_000.0
        start = time_range("2024-07-03T12:22:30+00:00", "", now)
        assert start is not None and start[1] == int(now * 1000)
        assert time_range("soon", "", now) is None is time_range("", "2024-07-03T12:22:30", now)
        assert time_range("2024-07-03T12:22:30", "2024-07-03T12:22:30", now) is None
        with pytest.raises(ValueError, match="soon"):
            time_range("2024-07-03T12:22:30", "soon", now)


def test_a_preset_fills_what_the_request_left_alone() -> None:
    from shared.core.settings import DECLARATIONS

    params = {**DECLARATIONS}
    request = GenerateRequest(prompt="a star", guidance_scale=5.5, preset="anime")
    settings = with_preset({"guidance_scale": 5.5, "styles": ["x"]}, PRESETS["anime"], request, params)
    assert settings["guidance_scale"] == 5.5 and settings["styles"] == PRESETS["anime"]["styles"]
    assert settings["resolution"] == PRESETS["anime"]["resolution"] and "model_type" not in settings
    fast = with_preset(
        {"styles": [], "sharpness": 2.0}, PRESETS["lightning"], GenerateRequest(preset="lightning"), params
    )
    assert fast["performance"] == "Lightning" and not {"sharpness", "guidance_scale", "sample_solver"} & fast.keys()
    own = {name: DECLARATIONS[name] for name in ("styles", "resolution", "guidance_scale")}
    other = with_preset({"guidance_scale": 1.0}, PRESETS["anime"], GenerateRequest(preset="anime"), own)
    assert other["guidance_scale"] == 1.0 and other["styles"] == PRESETS["anime"]["styles"]
