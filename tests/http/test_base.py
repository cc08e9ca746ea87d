"""The common base of the services: mounting, keys, bodies, jobs that are awaited, files, headers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, UploadFile
from fastapi.security import APIKeyHeader
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from shared.core.errors import SettingsError, WanGPError
from shared.core.events import Finished, Output, Preview, Progress, Started
from shared.http import server
from shared.http.auth import KeyRule, bearer_key, header_key, same_key
from shared.http.context import ServiceContext, new_job_id
from shared.http.dialect import Dialect
from shared.http.files import Shelf, codec_of, image_type, name_template
from shared.http.jobs import Job, JobBook, KeyReused, QueueFull
from shared.http.replies import header_text, note, unknown_in, warn
from tests.fakes.page_runtime import PageRuntime

STAR = {"model_type": "starter", "prompt": "a star", "image_mode": 1, "resolution": "128x128"}


class Wish(BaseModel):
    model_config = ConfigDict(extra="allow")

    prompt: str = "a star"
    image_number: int = 1


def refuse(given: str) -> None:
    raise HTTPException(403, "Forbidden")


def add_routes(router: APIRouter, context: ServiceContext) -> None:
    @router.get("/ping")
    async def ping() -> str:
        return "pong"

    @router.get("/open/hello")
    async def hello() -> str:
        return "hello"

    @router.post("/v1/make")
    async def make(request: Request, wish: Wish) -> dict[str, Any]:
        warn(request, *unknown_in(wish))
        note(request, "made at 128x128 \u2192 enlarged")
        job = await context.queue(
            "tiny", "make", {**STAR, "prompt": wish.prompt}, job_id=new_job_id(request, "tiny"), most=9
        )
        return {"id": job.id, "url": context.base_url(request)}

    @router.post("/v1/picture")
    async def picture(image: UploadFile) -> dict[str, Any]:
        path = await context.inputs.save(image, "image")
        return {"name": path.name if path else None}

    @router.post("/v1/bug")
    async def bug() -> None:
        raise KeyError("oops")


TINY = Dialect(
    "tiny", "Tiny", "A service for tests.", add_routes, KeyRule(header_key("X-API-KEY"), refuse),
    APIKeyHeader(name="X-API-KEY", auto_error=False), port_flag="fooocus_api_port", open_paths=("/open",),
)  # fmt: skip


def make_client(runtime: PageRuntime) -> tuple[ServiceContext, TestClient]:
    context = ServiceContext(runtime, runtime.args)
    return context, TestClient(server.make_app(TINY, context), raise_server_exceptions=False)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path)
    yield made
    made.close()


@pytest.fixture
def context(runtime: PageRuntime) -> Iterator[ServiceContext]:
    made = ServiceContext(runtime, runtime.args)
    yield made
    made.close()


@pytest.fixture
def client(context: ServiceContext) -> TestClient:
    return TestClient(server.make_app(TINY, context), raise_server_exceptions=False)


def finish(runtime: PageRuntime, job: Job, path: Path | None = None) -> None:
    """Play the events of a run."""
    ids = (job.task_id, job.id)
    runtime.queue.take()
    runtime.queue.publish(Started(*ids))
    runtime.queue.publish(Progress(*ids, "Denoising", "Denoising", 2, 4))
    runtime.queue.publish(Preview(*ids, b"jpeg"))
    if path is not None:
        runtime.queue.publish(Output(*ids, str(path), "image", {"seed": 5}))
    runtime.queue.publish(Finished(*ids, "done"))


def submit(book: JobBook, job_id: str = "one", settings: Any = STAR, **options: Any) -> Job:
    return book.submit("tiny", "make", settings, job_id=job_id, **options)


def until(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


class TestRequests:
    def test_json_without_a_content_type_is_read(self, client: TestClient) -> None:
        answer = client.post("/v1/make", content=json.dumps({"prompt": "a star"}))
        assert answer.status_code == 200 and answer.json()["id"]

    def test_what_is_ignored_is_told_in_a_header(self, client: TestClient) -> None:
        answer = client.post("/v1/make", json={"promt": "a ball", "seed": 3})
        assert "promt is not known and has no effect. Did you mean prompt?" in answer.headers["x-wangp-warnings"]
        assert answer.headers["x-wangp-note"] == "made at 128x128 \\u2192 enlarged"

    def test_an_error_does_not_send_the_megabytes_back(self, client: TestClient) -> None:
        answer = client.post("/v1/make", json={"image_number": "x" * 5_000_000})
        assert answer.status_code == 422 and len(answer.content) < 1000
        assert answer.json()["detail"][0]["loc"] == ["body", "image_number"]

    def test_odd_values_are_told_back(self, client: TestClient) -> None:
        for body in ('{"prompt": "\\ud800", "image_number": "\\ud800"}', '{"image_number": NaN}', '{"prompt": 1e999}'):
            assert client.post("/v1/make", content=body).status_code == 422

    def test_a_body_too_large_is_refused_at_its_length_and_while_it_comes(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, context: ServiceContext
    ) -> None:
        monkeypatch.setattr(server, "MOST_BODY_BYTES", 1000)
        small = TestClient(server.make_app(TINY, context))
        assert small.post("/v1/make", content=b"x" * 1001).status_code == 413
        assert small.post("/v1/make", content=(b"x" * 100 for _ in range(20))).status_code == 413
        assert small.post("/v1/picture", files={"image": b"x" * 1001}).status_code == 413

    def test_too_many_parts_are_refused(self, client: TestClient) -> None:
        files = [("image", (f"{number}.png", b"x")) for number in range(50)]
        assert client.post("/v1/picture", files=files).status_code == 400

    def test_a_picture_that_is_none_is_told_by_its_field(self, client: TestClient) -> None:
        answer = client.post("/v1/picture", files={"image": b"not a picture"})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "image"]

    def test_a_bug_is_a_500_without_its_details(self, client: TestClient) -> None:
        answer = client.post("/v1/bug")
        assert answer.status_code == 500 and "oops" not in answer.text

    def test_any_origin_may_ask(self, client: TestClient) -> None:
        headers = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
        answer = client.options("/v1/make", headers=headers)
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] in ("*", "http://a.example")

    def test_addresses_follow_the_host_that_was_asked_unless_it_is_forged(self, client: TestClient) -> None:
        assert client.post("/v1/make", json={}, headers={"Host": "box:8888"}).json()["url"] == "http://box:8888"
        for host in ("a/b", "x@evil", "a b", "<script>"):
            url = client.post("/v1/make", json={}, headers={"Host": host}).json()["url"]
            assert url == "http://testserver:80"


class TestKeys:
    def test_a_key_opens_what_is_not_open(self, tmp_path: Path) -> None:
        runtime = PageRuntime(tmp_path / "keyed", ("--apikey", "s3cret"))
        context, client = make_client(runtime)
        for headers in ({}, {"X-API-KEY": "wrong"}, {"X-API-KEY": ""}, {"X-API-KEY": "s3cret2"}):
            assert client.get("/ping", headers=headers).status_code == 403
            assert client.post("/v1/make", content=b"{no json", headers=headers).status_code == 403
        assert client.get("/ping", headers={"x-api-key": "s3cret"}).json() == "pong"
        for path in ("/open/hello", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        context.close()
        runtime.close()

    def test_keys_are_compared_whole(self) -> None:
        assert same_key("a\u00e9", "a\u00e9") and not same_key("a", "ab") and not same_key("", "a")

    def test_a_bearer_key_in_any_case(self) -> None:
        def given(value: str) -> str:
            return bearer_key(Request({"type": "http", "headers": [(b"authorization", value.encode())]}))

        assert given("Bearer k") == given("bearer  k ") == "k"
        assert given("Basic k") == given("k") == given("") == ""

    def test_without_a_key_a_strict_service_refuses(self) -> None:
        rule = KeyRule(bearer_key, refuse, needs_key=True)
        with pytest.raises(HTTPException):
            rule.check(Request({"type": "http", "headers": [(b"authorization", b"Bearer ")]}), "")


class TestJobs:
    def test_a_job_is_awaited_without_polling(self, runtime: PageRuntime, context: ServiceContext) -> None:
        job = submit(context.jobs)
        stages: list[tuple[str, int]] = []

        async def watch() -> None:
            threading.Timer(0.05, finish, (runtime, job)).start()
            async for now in context.jobs.changes(job):
                stages.append((now.stage, now.progress))

        asyncio.run(asyncio.wait_for(watch(), 5))
        assert stages[0] == ("waiting", 0) and stages[-1] == ("done", 100)
        assert [progress for _, progress in stages] == sorted(progress for _, progress in stages)
        assert job.preview == b"jpeg" and job.started and job.finished

    def test_a_job_is_found_after_a_restart(self, runtime: PageRuntime, tmp_path: Path) -> None:
        first = JobBook(runtime)
        done, waits = submit(first, "done", note={"x": 1}), submit(first, "waits")
        picture = tmp_path / "a.png"
        picture.write_bytes(b"x")
        finish(runtime, done, picture)
        until(lambda: done.is_over)
        first.close()
        second = JobBook(runtime)
        found = second.get("done", "tiny")
        assert found is not None and found.stage == "done" and found.note == {"x": 1} and found.made[0].seed == 5
        assert second.get("done", "other") is None and second.get("nobody") is None
        assert [job.id for job in second.active()] == ["waits"]
        assert [job.id for job in second.history("tiny", 10)] == ["done"] and second.history("other", 10) == []
        finish(runtime, waits)
        until(lambda: second.get("waits").stage == "done")
        assert second.forget(found) and second.get("done") is None and not second.forget(found)
        second.close()

    def test_no_more_jobs_than_allowed(self, context: ServiceContext) -> None:
        for number in range(2):
            submit(context.jobs, str(number), most=2)
        with pytest.raises(QueueFull):
            submit(context.jobs, "more", most=2)
        assert len(context.jobs.active()) == 2

    def test_a_waiting_job_is_cancelled_by_its_id(self, context: ServiceContext) -> None:
        first, second = submit(context.jobs, "a"), submit(context.jobs, "b")
        assert context.jobs.position(second) == 2
        assert context.jobs.cancel(first) and not context.jobs.cancel(first)
        until(lambda: first.stage == "cancelled")
        assert context.jobs.position(second) == 1 and context.jobs.position(first) == 0

    def test_one_key_queues_one_job(self, client: TestClient, runtime: PageRuntime) -> None:
        headers = {"Idempotency-Key": "abc"}
        ids = {client.post("/v1/make", json={}, headers=headers).json()["id"] for _ in range(3)}
        assert len(ids) == 1 and len(runtime.queue.tasks()) == 1

    def test_a_key_for_another_request_is_refused(self, context: ServiceContext) -> None:
        submit(context.jobs, "k", note={"fingerprint": "1"})
        with pytest.raises(KeyReused):
            submit(context.jobs, "k", note={"fingerprint": "2"})

    def test_settings_that_cannot_run_are_refused(self, context: ServiceContext, client: TestClient) -> None:
        answer = client.post("/v1/make", json={"prompt": ""})
        assert answer.status_code == 422 and "prompt" in answer.json()["detail"]
        with pytest.raises(SettingsError, match="num_inference_steps"):
            asyncio.run(context.queue("tiny", "make", {**STAR, "num_inference_steps": 0}, job_id="x"))
        assert context.jobs.active() == []


class TestInputs:
    def test_old_inputs_go_when_no_task_needs_them(self, context: ServiceContext) -> None:
        folder = context.inputs.folder
        folder.mkdir(parents=True)
        names = ("old.png", "needed.png", "fresh.png")
        for name in names:
            (folder / name).write_bytes(b"x")
        for name in names[:2]:
            os.utime(folder / name, (1, 1))
        submit(context.jobs, settings={**STAR, "image_guide": str(folder / "needed.png")})
        context._cleaner.clean()
        assert sorted(path.name for path in folder.iterdir()) == ["fresh.png", "needed.png"]


class TestPorts:
    def test_the_shared_port_keeps_what_is_the_pages(self, context: ServiceContext) -> None:
        services = server.Services(context, [TINY])
        app = FastAPI(openapi_url=None)
        app.router.routes.extend(services.routes)

        @app.get("/{rest:path}")
        def page(rest: str) -> str:
            return "page"

        client = TestClient(app)
        assert client.get("/ping").json() == "pong"
        assert client.get("/").json() == client.get("/elsewhere").json() == "page"
        assert client.put("/ping").status_code == 405
        assert "/docs/tiny" in client.get("/docs").text
        assert "swagger-ui-bundle.js" in client.get("/docs/tiny").text
        assert client.get("/docs/assets/swagger-ui-bundle.js").status_code == 200
        assert "/v1/make" in client.get("/docs/tiny/openapi.json").json()["paths"]

    def test_a_service_has_a_port_of_its_own(self, tmp_path: Path) -> None:
        import httpx

        runtime = PageRuntime(tmp_path / "ports", ("--fooocus-api-port", "0", "--server-name", "127.0.0.1"))
        services = server.Services(ServiceContext(runtime, runtime.args), [TINY])
        services.start()
        try:
            url = f"http://127.0.0.1:{services.ports[0]}"
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(transport=transport, base_url=url) as client:
                assert client.get("/ping").json() == "pong"
                assert client.post("/v1/make", content="{}").json()["url"] == url
        finally:
            services.close()
            runtime.close()

    def test_a_taken_port_is_told_before_anything_is_served(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            flags = ("--fooocus-api-port", port, "--server-name", "127.0.0.1")
            runtime = PageRuntime(tmp_path / "taken", flags)
            with pytest.raises(WanGPError, match=f"Port {port} .*in use.*--fooocus-api-port"):
                server.open_services(runtime, runtime.args)
            runtime.close()

    def test_every_folder_here_is_a_service(self) -> None:
        found = server.find_dialects()
        assert len({dialect.name for dialect in found}) == len(found)


class TestFiles:
    def test_only_results_below_the_folder_are_given(self, tmp_path: Path) -> None:
        shelf = Shelf(tmp_path / "files", "files")
        day = tmp_path / "files" / "2026-01-01"
        day.mkdir(parents=True)
        (day / "a 1.png").write_bytes(b"x")
        (tmp_path / "secret.png").write_bytes(b"x")
        (day / "note.txt").write_text("x")
        (day / "link.png").symlink_to(tmp_path / "secret.png")
        assert shelf.find("2026-01-01", "a 1.png") == day / "a 1.png"
        assert shelf.url(str(day / "a 1.png"), "http://h") == "http://h/files/2026-01-01/a%201.png"
        assert shelf.url(str(tmp_path / "secret.png"), "http://h") is None
        tricks = ("..", "../secret.png", "..\\secret.png", "note.txt", "link.png", "", "a\x00.png", "x" * 5000 + ".png")
        assert [name for name in tricks if shelf.find("2026-01-01", name)] == []
        assert shelf.find("..", "secret.png") is None

    def test_names_and_formats_of_clients(self) -> None:
        assert name_template("../a{b}", "job") == "_a_b_-{number}"
        assert name_template(" ", "job") == "job-{number}"
        assert [codec_of(one) for one in ("PNG", "jpg", ".jpeg", "webp", "exe")] == [
            "png", "jpeg_95", "jpeg_95", "webp_90", None,
        ]  # fmt: skip
        assert image_type("image/jpg") == "image/jpeg" and image_type("*/*") is None

    def test_a_header_is_one_short_ascii_line(self) -> None:
        assert header_text(["a\r\nX-Evil: 1", "a\r\nX-Evil: 1", "\u00e9" * 5000]).startswith("a X-Evil: 1 | \\xe9")
        assert len(header_text(["x" * 9000])) == 2000
        assert header_text(["a\x00b\x7f\x1b"]) == "a?b??"
