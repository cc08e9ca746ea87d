"""A session on the served page's runtime: the model runs in the worker process, the result comes back here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.api import Runtime
from shared.media.video import probe

Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def served(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """The runtime of a served page with its worker process."""
    runtime = Runtime.open(root, tmp_path_factory.mktemp("config"), executor="process")
    yield runtime
    runtime.close()


def test_a_plugins_job_comes_back_from_the_worker_process(served: Runtime, small: Make) -> None:
    state: dict[str, Any] = {"gen": {}}
    job = served.session(state=state).submit_task(small(_api={"return_media": True}))
    kinds = [event.kind for event in job.events.iter(timeout=0.2)]
    result = job.result()
    assert result.success, result.errors
    assert {"progress", "preview", "output"} <= set(kinds) and "stream" not in kinds
    assert probe(result.generated_files[0]).num_frames == 5
    (artifact,) = result.artifacts
    assert tuple(artifact.video_tensor_uint8.shape) == (3, 5, 96, 96) and artifact.fps == 8
    served.detach_state(state)


def test_a_killed_worker_process_costs_a_message_and_a_second_try(served: Runtime, small: Make) -> None:
    pid = served.executor.pid
    job = served.session().submit_task(small(num_inference_steps=30))
    told = []
    for event in job.events.iter(timeout=0.2):
        is_denoising = event.kind == "progress" and event.data.phase == "inference"
        if is_denoising and served.executor.pid == pid:
            os.kill(pid, signal.SIGKILL)
        if event.kind == "info":
            told.append(event.data)
    result = job.result()
    assert result.success and len(result.generated_files) == 1, result.errors
    assert any("once more" in text for text in told)
    assert served.executor.pid != pid


def test_cancel_reaches_the_worker_process(served: Runtime, small: Make) -> None:
    job = served.session().submit_task(small(num_inference_steps=90))
    for event in job.events.iter(timeout=0.2):
        if event.kind == "progress" and event.data.phase == "inference":
            job.cancel()
    assert job.result().cancelled


def test_unloading_gives_the_memory_back(served: Runtime) -> None:
    pid = served.executor.pid
    assert pid is not None
    served.release_model()
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
