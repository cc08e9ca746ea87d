"""The models' tab over HTTP, with a Hub that answers: sizes, a download with its events, deletion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.ui.app import build_app
from shared.ui.live import LiveFeed
from shared.ui.server import web_app
from tests.fakes.hub import FakeHub
from tests.fakes.page_runtime import PageRuntime

INDEX = {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"]}
WEIGHTS = b"w" * 40_000


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    patch = pytest.MonkeyPatch()
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = FakeHub()
    server.repositories["team/Base"] = {
        "model_index.json": json.dumps(INDEX).encode(),
        "transformer/config.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors": WEIGHTS,
    }
    yield server
    server.close()
    patch.undo()


@pytest.fixture(scope="module")
def runtime(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path_factory.mktemp("models"))
    definition = {"model": {"name": "Base", "architecture": "t2v", "repo": "team/Base"}}
    (made.root / "defaults" / "base.json").write_text(json.dumps(definition), encoding="utf-8")
    made.config.override({"hf_endpoint": hub.url})
    made.registry.refresh()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(runtime: PageRuntime) -> Iterator[TestClient]:
    with TestClient(web_app(build_app(runtime), runtime, None, ("localhost", 7860))) as made:
        yield made


def base(client: TestClient) -> dict[str, Any]:
    models = client.get("/wangp/models").json()["models"]
    return next(model for model in models if model["id"] == "base")


def test_a_model_is_fetched_and_deleted(client: TestClient, runtime: PageRuntime) -> None:
    before = base(client)
    assert (before["availability"], before["bytes"], before["to_download"]) == ("missing", 0, None)
    told: list[list[tuple[str, str]]] = []
    feed = LiveFeed(runtime)

    async def fetch() -> None:
        feed.start()
        assert client.post("/wangp/models/download", json={"model_type": "base"}).json() == {"done": True}
        async with asyncio.timeout(20):
            async for raw in feed.stream():
                message = json.loads(raw.decode().removeprefix("data: ")) if raw.startswith(b"data") else {}
                if message.get("kind") == "downloads":
                    told.append([(one["id"], one["status"]) for one in message["downloads"]])
                    if base(client)["availability"] == "available" and not message["downloads"]:
                        break
        feed.close()

    asyncio.run(fetch())
    assert told[-1] == [] and ("base", "running") in [one for message in told for one in message]
    after = base(client)
    assert after["own_bytes"] == after["bytes"] >= len(WEIGHTS)
    assert client.get("/wangp/models").json()["total_bytes"] == after["bytes"]
    deleted = client.post("/wangp/models/delete", json={"model_type": "base"}).json()
    assert deleted == {"done": True, "freed_bytes": after["bytes"], "kept": []}
    assert base(client)["availability"] == "missing"


def test_what_cannot_be_done_is_told(client: TestClient, runtime: PageRuntime) -> None:
    refused = client.post("/wangp/models/delete", json={"model_type": "base"})
    assert refused.status_code == 409 and "nothing of it is on disk" in refused.json()["text"]
    assert client.post("/wangp/models/download", json={"model_type": "gone"}).status_code == 409
    assert client.post("/wangp/models/nonsense", json={"model_type": "base"}).status_code == 409
    assert client.post("/wangp/models/cancel", json={"model_type": "base"}).json() == {"done": False}


def test_a_model_that_a_task_needs_is_not_deleted(client: TestClient, runtime: PageRuntime) -> None:
    task = runtime.submit({"model_type": "base", "prompt": "x"})
    refused = client.post("/wangp/models/delete", json={"model_type": "base"})
    assert refused.status_code == 409 and "Remove the task first" in refused.json()["text"]
    runtime.queue.remove(task.id)


def test_a_page_of_another_site_cannot_command(client: TestClient) -> None:
    text = json.dumps({"model_type": "base"})
    for address in ("models/delete", "queue/abort_all", "results/empty_trash"):
        answer = client.post(f"/wangp/{address}", content=text, headers={"content-type": "text/plain"})
        assert answer.status_code == 415
    broken = client.post("/wangp/queue/pause", content="no", headers={"content-type": "application/json"})
    assert broken.status_code == 422
