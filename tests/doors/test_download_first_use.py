"""A model that is not on disk, asked for like any other: fetched from a Hub, then loaded and run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.api import WanGPSession
from shared.core.results import ProgressUpdate
from shared.media.video import read_frames
from tests.fakes.hub import FakeHub

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The embedded model on a server: as a repository, and its transformer as a file of its own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server, starter = FakeHub(), root / "ckpts" / "starter"
    files = {path.relative_to(starter).as_posix(): path for path in starter.rglob("*") if path.is_file()}
    server.repositories["team/Shapes"] = {name: path.read_bytes() for name, path in files.items()}
    server.files["/look_bf16.safetensors"] = (starter / "transformer" / WEIGHTS).read_bytes()
    yield server
    server.close()


@pytest.fixture
def session(hub: FakeHub, root: Path, tmp_path: Path) -> Iterator[WanGPSession]:
    """A program folder with two definitions: a repository, and one that takes its transformer from a file."""
    starter = json.loads((root / "defaults" / "starter.json").read_text(encoding="utf-8"))
    block = {key: value for key, value in starter["model"].items() if key != "folder"}
    look = {"name": "Look", "architecture": "starter", "URLs": [f"{hub.url}/look_bf16.safetensors"]}
    (tmp_path / "defaults").mkdir()
    for name, model in {"starter": {**block, "repo": "team/Shapes"}, "look": {**block, **look}}.items():
        (tmp_path / "defaults" / f"{name}.json").write_text(json.dumps({**starter, "model": model}))
    (tmp_path / "wgp_config.json").write_text(json.dumps({"hf_endpoint": hub.url}))
    made = WanGPSession(root=tmp_path, console_output=False)
    yield made
    made.runtime.close()


class Progress:
    """Keeps the phases of a job."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def on_progress(self, update: ProgressUpdate) -> None:
        if update.phase not in self.phases:
            self.phases.append(update.phase)


def test_a_repository_and_a_single_file_are_fetched_and_give_the_same_clip(
    session: WanGPSession, hub: FakeHub, tmp_path: Path, small: Callable[..., dict[str, Any]]
) -> None:
    heard = Progress()
    first = session.run_task(small(), callbacks=heard)
    assert first.success, first.errors
    assert heard.phases[:2] == ["downloading_model", "loading_model"]
    assert session.get_model_availability("starter")["available"]  # type: ignore[index]
    (tmp_path / "ckpts" / "Shapes" / "transformer" / WEIGHTS).unlink()
    hub.requests.clear()
    second = session.run_task(small(model_type="look"))
    assert second.success, second.errors
    assert {request[1] for request in hub.requests} == {"/look_bf16.safetensors"}
    of_repository, of_file = (read_frames(result.generated_files[0])[0] for result in (first, second))
    assert np.array_equal(of_repository, of_file)
