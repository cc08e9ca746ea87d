"""Fooocus-API: calls that wait for their pictures, webhooks, forms as clients write them, what its pages say."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.core.styles import style_names
from shared.http.fooocus_generation import forms, mapping
from shared.http.fooocus_generation.schemas import AdvancedParams, TextToImage
from tests.http.replay import Conversation, Painter, picture_bytes, picture_uri

T2I = "/v1/generation/text-to-image"
WISH = {"prompt": "a star", "image_seed": 41}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Conversation]:
    made = Conversation("fooocus_generation", tmp_path)
    yield made
    made.close()


@pytest.fixture
def paint(service: Conversation) -> Iterator[Callable[..., Painter]]:
    painters: list[Painter] = []

    def start(*happenings: str, **settings: Any) -> Painter:
        painters.append(Painter(service, *(happenings or ("started", "output image", "done")), **settings))
        return painters[-1]

    yield start
    for painter in painters:
        painter.close()


def test_a_synchronous_call_gives_its_pictures(service: Conversation, paint: Callable[..., Painter]) -> None:
    paint("started", "output image", "output image", "done")
    rows = service.client.post(T2I, json={**WISH, "image_number": 2, "require_base64": True}).json()
    assert [row["seed"] for row in rows] == ["41", "42"] and {row["finish_reason"] for row in rows} == {"SUCCESS"}
    assert rows[0]["base64"].startswith("data:image/png;base64,")
    content = base64.b64decode(rows[0]["base64"].partition(",")[2])
    assert content == service.client.get(rows[0]["url"]).content and content[:4] == b"\x89PNG"


def test_the_seed_stays_where_it_shall(service: Conversation, paint: Callable[..., Painter]) -> None:
    paint("started", "output image", "output image", "done")
    wish = {**WISH, "image_number": 2, "advanced_params": {"disable_seed_increment": True}}
    assert [row["seed"] for row in service.client.post(T2I, json=wish).json()] == ["41", "41"]


def test_a_failure_is_a_row_after_the_finished_pictures(service: Conversation, paint: Callable[..., Painter]) -> None:
    paint("started", "output image", "failed Out of paint.")
    rows = service.client.post(T2I, json={**WISH, "image_number": 3}).json()
    assert [(row["finish_reason"], row["seed"], bool(row["url"])) for row in rows] == [
        ("SUCCESS", "41", True), ("ERROR", "42", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("happening", "status", "text"),
    [("failed Out of paint.", 500, "ERROR"), ("cancelled", 400, "USER_CANCEL"), ("done", 500, "ERROR")],
)
def test_a_picture_that_was_not_made_is_a_status(
    service: Conversation, paint: Callable[..., Painter], happening: str, status: int, text: str
) -> None:
    paint("started", happening)
    answer = service.client.post(T2I, json=WISH, headers={"Accept": "image/png"})
    assert (answer.status_code, answer.text) == (status, text)


@pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "webp", "tiff"])
def test_the_picture_itself_is_always_a_png(
    service: Conversation, paint: Callable[..., Painter], extension: str
) -> None:
    paint()
    wish = {**WISH, "save_extension": extension, "image_number": 4}
    answer = service.client.post(T2I, params={"accept": "image/png"}, json=wish)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).format == "PNG"
    (job,) = service.context.jobs.ended()
    assert job.note["request"]["image_number"] == 1


def test_asynchronous_wins_over_the_picture(service: Conversation) -> None:
    answer = service.client.post(T2I, json={**WISH, "async_process": True}, headers={"Accept": "image/png"})
    assert answer.json()["job_stage"] == "WAITING"


def test_many_waiting_calls_hold_no_thread(service: Conversation, paint: Callable[..., Painter]) -> None:
    with ThreadPoolExecutor(60) as threads:
        waiting = [threads.submit(service.client.post, T2I, json={**WISH, "image_seed": n}) for n in range(60)]
        end = time.monotonic() + 20
        while len(service.context.jobs.active()) < 60 and time.monotonic() < end:
            time.sleep(0.02)
        started = time.monotonic()
        assert service.client.get("/ping").json() == "pong"
        assert time.monotonic() - started < 2
        paint()
        seeds = sorted(int(call.result(30).json()[0]["seed"]) for call in waiting)
    assert seeds == list(range(60))


def test_the_webhook_is_told_of_both_ends(tmp_path: Path) -> None:
    service = Conversation("fooocus_generation", tmp_path, ("--webhook-url", "http://127.0.0.1:9/usual"))
    told: list[tuple[str, Any]] = []
    service.context.webhooks.tell = lambda url, message: told.append((url, message)) or True  # type: ignore[method-assign]
    first = service.client.post(T2I, json={**WISH, "async_process": True}).json()["job_id"]
    second = {**WISH, "async_process": True, "webhook_url": "https://example.com/own"}
    service.client.post(T2I, json=second)
    service.play(["started", "output image", "done"])
    service.play(["started", "failed Out of paint."])
    assert told[0][0] == "http://127.0.0.1:9/usual" and told[0][1]["job_id"] == first
    assert told[0][1]["job_result"][0]["seed"] == "41" and told[0][1]["job_result"][0]["url"].endswith("-0.png")
    assert told[1][0] == "https://example.com/own" and told[1][1]["job_result"] == [{"url": None, "seed": "41"}]
    service.close()


def test_a_job_goes_on_after_a_restart(tmp_path: Path) -> None:
    service = Conversation("fooocus_generation", tmp_path)
    job_id = service.client.post(T2I, json={**WISH, "async_process": True}).json()["job_id"]
    service.context.close()
    again = Conversation.__new__(Conversation)
    again.__dict__.update(service.__dict__)
    from shared.http import server
    from shared.http.context import ServiceContext

    again.context = ServiceContext(service.runtime, service.runtime.args)
    dialect = next(one for one in server.find_dialects() if one.name == "fooocus_generation")
    again.client = type(service.client)(server.make_app(dialect, again.context))
    query = {"job_id": job_id}
    assert again.client.get("/v1/generation/query-job", params=query).json()["job_stage"] == "WAITING"
    again.play(["started", "output image", "done"])
    state = again.client.get("/v1/generation/query-job", params=query).json()
    assert state["job_stage"] == "SUCCESS" and state["job_result"][0]["seed"] == "41"
    again.close()


def test_one_idempotency_key_is_one_job(service: Conversation) -> None:
    headers, wish = {"Idempotency-Key": "k1"}, {"prompt": "a star", "async_process": True}
    first = service.client.post(T2I, json=wish, headers=headers).json()
    assert service.client.post(T2I, json=wish, headers=headers).json()["job_id"] == first["job_id"]
    assert service.client.post(T2I, json={**wish, "prompt": "b"}, headers=headers).status_code == 422
    assert len(service.runtime.queue.tasks()) == 1


def test_a_picture_is_described(service: Conversation, paint: Callable[..., Painter]) -> None:
    paint("started", "output text", "done", settings={"prompt": "a red ball"})
    for query in ({"type": "Anime"}, {"image_type": "Anime"}, {}):
        files = {"image": picture_bytes(64, 48)}
        answer = service.client.post("/v1/tools/describe-image", params=query, files=files)
        assert answer.json() == {"describe": "a red ball"}
    assert service.runtime.queue.tasks() == []
    assert service.context.jobs.ended() == [] and service.runtime.history.count() == 0


def test_a_mask_is_raw_base64(service: Conversation, paint: Callable[..., Painter]) -> None:
    paint("started", "output image", "done")
    answer = service.client.post("/v1/tools/generate_mask", json={"image": picture_uri(64, 48), "mask_model": "u2net"})
    assert Image.open(io.BytesIO(base64.b64decode(answer.json()))).size == (64, 48)


def test_what_a_tool_lacks_is_told(service: Conversation, paint: Callable[..., Painter]) -> None:
    paint("started", "failed The model u2net is not on disk.")
    answer = service.client.post("/v1/tools/generate_mask", json={"image": picture_uri(64, 48)})
    assert answer.status_code == 422 and answer.json()["detail"] == "The model u2net is not on disk."


def test_there_are_279_styles(service: Conversation) -> None:
    styles = service.client.get("/v1/engines/styles").json()
    assert styles == list(style_names()) and len(styles) == 279 and styles[:2] == ["Fooocus V2", "Random Style"]


class TestForms:
    @pytest.mark.parametrize(
        "text",
        ["{'disable_preview': 'True', 'overwrite_step': 9}", '{"disable_preview": true, "overwrite_step": 9}'],
    )
    def test_advanced_params_in_either_spelling(self, text: str) -> None:
        kept, warnings = forms._advanced(text)
        read = AdvancedParams.model_validate(kept)
        assert read.disable_preview and read.overwrite_step == 9 and warnings == []

    def test_advanced_params_never_fail(self) -> None:
        deep = "[" * 5000
        for text in ("{", "7", "null", "[1]", deep, "__import__('os')", "{'a': 1 +"):
            assert forms._advanced(text)[0] == {}
        kept, warnings = forms._advanced('{"overwrite_step": 1000, "clip_skip": 3}')
        assert kept == {"clip_skip": 3} and "overwrite_step" in warnings[0]

    def test_lists_in_every_spelling(self) -> None:
        for texts in (["Left", "Right"], ["Left,Right"], ["Left, Right"], ["['Left', 'Right']"], ['["Left","Right"]']):
            assert forms._value("outpaint_selections", texts, list[str]) == ["Left", "Right"]

    def test_loras_that_cannot_be_read_are_named(self, service: Conversation) -> None:
        answer = service.client.post(
            "/v1/generation/image-upscale-vary",
            data={"uov_method": "Upscale (2x)", "loras": "not a list"},
            files={"input_image": picture_bytes(64, 48)},
        )
        assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body", "loras"]

    def test_the_pages_describe_every_form_field(self, service: Conversation) -> None:
        paths = service.client.get("/openapi.json").json()["paths"]
        body = paths["/v1/generation/image-enhance"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert {"enhance_input_image", "enhance_mask_model_3", "prompt", "advanced_params"} <= set(body["properties"])
        assert body["properties"]["enhance_input_image"]["format"] == "binary"
        assert "/v2/generation/image-inpait-outpaint" not in paths


class TestMapping:
    def test_seeds_stay_in_63_bits(self) -> None:
        assert mapping.resolved_seed(2**63 - 1, 5) == 2**63 - 1
        assert [mapping.resolved_seed(seed, 5) for seed in (-1, 2**63, -(10**30))] == [5, 5, 5]
        assert mapping.seed_of({"seed": str(2**63 - 1)}, 1) == "0"

    def test_a_record_has_no_pictures(self) -> None:
        record = mapping.request_record(TextToImage.model_validate({"prompt": "a", "odd": "x" * 100}))
        assert "odd" not in record and record["prompt"] == "a"
