"""The services as clients meet them: one server, the embedded model, one real run a service."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from PIL import Image

from shared.media.video import probe
from tests.fakes.served import Server
from tests.http.replay import picture_uri

KEY = "YOUR_API_KEY"
API = {"X-API-KEY": KEY}
BEARER = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("services"), "--apikey", KEY, "--video-retention", "600")
    yield made
    made.stop()


def test_fooocusapi_streams_a_picture(server: Server) -> None:
    params = {"prompt": "", "negative_prompt": "", "performance_selection": "Lightning", "stream_output": True,
              "webhook_url": "", "aspect_ratios_selection": "128*96"}  # fmt: skip
    answer = requests.post(
        url=f"{server.url}/v1/engine/generate/", data=json.dumps(params), stream=True, timeout=120, headers=API
    )
    events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith(b"data: {")]
    progress = [event["progress"] for event in events]
    assert progress == sorted(progress) and progress[-1] == 100
    assert [event["message"] for event in events].count("Finished") == 1
    assert any(event["message"].startswith("Sampling step ") for event in events)
    (url,) = events[-1]["images"]
    picture = requests.get(url, timeout=10)
    assert Image.open(io.BytesIO(picture.content)).size == (128, 96)
    (record,) = requests.get(f"{server.url}/tasks?query=history", headers=API, timeout=10).json()["history"]
    assert record["result"] == [url] and record["task_status"] == "finished"


def test_wan_makes_a_clip_of_a_picture(server: Server) -> None:
    body = {"prompt": "Sunset scene with mountains", "image_url": picture_uri(96, 64), "image_size": "auto",
            "num_frames": 24, "infer_steps": 20}  # fmt: skip
    asked = requests.post(f"{server.url}/video/submit", json=body, headers=BEARER, timeout=30)
    assert asked.status_code == 202 and "enlarged" in asked.headers["X-WanGP-Note"]
    told = _until_over(lambda: requests.post(
        f"{server.url}/video/status", json=asked.json(), headers=BEARER, timeout=10
    ).json(), "status", ("Succeed", "Failed"))  # fmt: skip
    assert told["status"] == "Succeed", told
    clip = server.folder / "clip.mp4"
    clip.write_bytes(requests.get(told["results"]["videos"][0]["url"], timeout=10).content)
    info = probe(clip)
    assert (info.width, info.height, info.num_frames, info.fps) == (768, 512, 25, 16)


def test_openai_repaints_a_part_and_its_job_can_be_followed(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, timeout=120)
    mask = Image.new("RGBA", (128, 128), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 64, 128))
    files = {"picture": Image.new("RGB", (128, 128), (40, 90, 200)), "mask": mask}
    sent = {}
    for name, image in files.items():
        image.save(buffer := io.BytesIO(), "PNG")
        sent[name] = (f"{name}.png", buffer.getvalue())
    reply = client.images.edit(
        image=sent["picture"], mask=sent["mask"], prompt="a big red ball", extra_body={"steps": 4}
    )
    assert reply.data is not None
    made = Image.open(io.BytesIO(base64.b64decode(reply.data[0].b64_json or ""))).convert("RGB")
    assert made.size == (128, 128)
    kept, painted = (made.crop(box).resize((1, 1)).getpixel((0, 0)) for box in ((80, 0, 128, 128), (0, 0, 48, 128)))
    assert all(abs(now - then) < 12 for now, then in zip(kept, (40, 90, 200), strict=True)) and painted != kept
    (job,) = requests.get(f"{server.url}/v1/jobs?service=openai", headers=BEARER, timeout=10).json()["ended"]
    events = requests.get(f"{server.url}/v1/jobs/{job['id']}/events", headers=BEARER, timeout=10).text
    assert "event: end" in events and '"state": "done"' in events
    assert requests.get(f"{server.url}/health", timeout=10).json()["status"] == "ok"


def _until_over(ask: Any, name: str, ends: tuple[str, ...]) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        told: dict[str, Any] = ask()
        if told[name] in ends:
            return told
        time.sleep(0.2)
    raise AssertionError(f"it took too long: {told}")
