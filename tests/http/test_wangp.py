"""Progress as server-sent events, and metrics; the other replies are in golden/wangp."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.http.metrics import Metrics
from tests.http.replay import Conversation

STAR = {"model_type": "starter", "prompt": "a star", "image_mode": 1, "resolution": "128x128"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Conversation]:
    made = Conversation("wangp", tmp_path)
    yield made
    made.close()


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.split("\r\n\r\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\r\n"))
        found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_job_is_followed_to_its_end(service: Conversation) -> None:
    job = service.context.jobs.submit("test", "picture", STAR, job_id="one")
    player = threading.Timer(0.1, service.play, (["started", "step 1/4", "step 3/4", "output image", "done"],))
    player.start()
    with service.client.stream("GET", f"/v1/jobs/{job.id}/events") as answer:
        told = events_of(b"".join(answer.iter_raw()).decode())
    player.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in told] == ["job"] * (len(told) - 1) + ["end"]
    assert told[0][1]["state"] == "waiting" and told[0][1]["position"] == 1
    assert told[-1][1]["state"] == "done" and len(told[-1][1]["results"]) == 1
    progress = [job["progress"] for _, job in told]
    assert progress == sorted(progress) and progress[-1] == 100


def test_a_job_that_is_over_is_told_once(service: Conversation) -> None:
    job = service.context.jobs.submit("test", "picture", STAR, job_id="one")
    service.play(["started", "failed There is too little memory."])
    told = events_of(service.client.get(f"/v1/jobs/{job.id}/events").text)
    assert [(name, job["error"]) for name, job in told] == [("end", "There is too little memory.")]


def test_metrics_count_jobs_and_requests(service: Conversation) -> None:
    service.context.jobs.submit("test", "picture", STAR, job_id="one")
    service.context.jobs.submit("test", "picture", STAR, job_id="two")
    service.play(["started", "output image", "done"])
    service.client.get("/v1/jobs/one")
    service.client.get("/v1/jobs/two")
    answer = service.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert 'wangp_jobs_total{outcome="done",service="test"} 1' in lines
    assert 'wangp_job_seconds_count{service="test"} 1' in lines
    assert 'wangp_queue_tasks{state="waiting"} 1' in lines
    path = 'method="GET",path="/v1/jobs/{job_id}",service="wangp",status="200"'
    assert f"wangp_http_requests_total{{{path}}} 2" in lines
    for line in lines:
        assert line.startswith("# ") or re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"\n]*",?)+\})? [0-9.e+]+', line), line


def test_odd_labels_stay_one_line() -> None:
    metrics = Metrics()
    metrics.count("wangp_jobs_total", service='a"b\\c\nd')
    assert metrics.text([]).splitlines()[-1] == 'wangp_jobs_total{service="a\\"b\\\\c d"} 1'
