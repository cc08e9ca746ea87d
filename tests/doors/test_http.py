"""The HTTP services of the program itself: one picture over the page's port, and a job that outlives a restart."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.fakes.served import Server, free_port

T2I = "/v1/generation/text-to-image"
SMALL: dict[str, Any] = {
    "prompt": "a big red ball", "style_selections": [], "aspect_ratios_selection": "96*96",
    "advanced_params": {"overwrite_step": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The program with an extra port for Fooocus-API."""
    running = Server(tmp_path_factory.mktemp("http"), "--fooocus-api-port", str(free_port()), "--gpu", "cpu")
    yield running
    running.stop()


def test_a_picture_comes_over_the_pages_port_and_no_torch_into_it(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=120) as client:
        wish = {**SMALL, "aspect_ratios_selection": "300*200", "image_seed": 7}
        answer = client.post(T2I, json=wish, headers={"Accept": "image/png"})
        assert answer.status_code == 200, answer.text
        assert Image.open(io.BytesIO(answer.content)).size == (300, 200)
        assert "enlarged" in answer.headers["x-wangp-note"]
        assert client.get("/ping").json() == "pong" and "<html" in client.get("/").text
        index = client.get("/docs").text
        assert "/docs/fooocus_generation" in index and "/docs/wan_i2v" in index
    assert not server.loads("libtorch")


def test_a_job_outlives_a_restart(server: Server) -> None:
    own = f"http://127.0.0.1:{server.flags[1]}"
    job_id = httpx.post(own + T2I, json={**SMALL, "async_process": True}, timeout=60).json()["job_id"]
    assert server.stop() == 0
    server.start()
    with httpx.Client(base_url=own, timeout=60) as client:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            state = client.get("/v1/generation/query-job", params={"job_id": job_id}).json()
            if state["job_stage"] in ("SUCCESS", "ERROR"):
                break
            time.sleep(0.3)
        assert state["job_stage"] == "SUCCESS", state
        url = state["job_result"][0]["url"]
        assert url.startswith(own) and url.endswith(f"{job_id}-0.png")
        assert Image.open(io.BytesIO(client.get(url).content)).size == (96, 96)
        assert client.get("/").text.count("/docs") == 1
