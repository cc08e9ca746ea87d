"""A task whose model is not on disk: fetched first, told on the way, ended and continued as the user wishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.core.contracts import ModelFile
from shared.core.events import Event, Output, Progress, RefreshModels
from shared.session.progress import progress_update
from tests.fakes.engine import Engine, make_engine
from tests.fakes.hub import FakeHub, Fault

WEIGHTS = b"w" * 200_000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = FakeHub()
    server.files["/squares.safetensors"] = WEIGHTS
    yield server
    server.close()


@pytest.fixture
def engine(hub: FakeHub, tmp_path: Path) -> Engine:
    engine = make_engine(tmp_path)
    engine.registry.checkpoints = tmp_path / "ckpts"
    engine.registry.family.needed = (ModelFile("squares.safetensors", url=f"{hub.url}/squares.safetensors"),)
    return engine


def downloads(engine: Engine) -> list[Progress]:
    return [event for event in engine.of(Progress) if event.phase.startswith("Downloading")]


def test_a_missing_model_is_fetched_before_it_is_loaded(engine: Engine, tmp_path: Path) -> None:
    engine.make()
    assert (tmp_path / "ckpts" / "squares.safetensors").read_bytes() == WEIGHTS
    last = downloads(engine)[-1]
    assert (last.phase, last.step, last.total, last.unit) == ("Downloading Squares", 200_000, 200_000, "bytes")
    assert last.text.startswith("Downloading Squares: 0.2 MB of 0.2 MB")
    phases = [event.phase for event in engine.of(Progress)]
    assert phases.index("Downloading Squares") < phases.index("Loading model Squares")
    assert len(engine.of(RefreshModels)) == 1
    engine.make()
    assert downloads(engine) == [] and engine.of(RefreshModels) == []


def test_a_download_is_what_callers_see_as_one(engine: Engine) -> None:
    engine.make()
    update = progress_update(downloads(engine)[-1])
    assert (update.phase, update.unit, update.progress) == ("downloading_model", "bytes", 5)
    assert (update.current_step, update.total_steps) == (200_000, 200_000)
    assert update.raw_phase == "Downloading Squares"


def test_an_abort_ends_the_download_and_the_next_task_continues(hub: FakeHub, engine: Engine, tmp_path: Path) -> None:
    hub.faults["squares.safetensors"] = Fault(times=1, slow_s=0.3)

    def abort(event: Event) -> None:
        if isinstance(event, Progress) and event.step:
            engine.control.set("abort")

    engine.on_event = abort
    assert engine.run().outcome == "cancelled"
    assert not (tmp_path / "ckpts" / "squares.safetensors").exists() and not engine.of(Output)
    engine.on_event = lambda event: None
    engine.control.set("abort", False)
    engine.make()
    assert hub.requests[-1][2].startswith("bytes=")


def test_a_download_that_fails_is_the_tasks_error(hub: FakeHub, engine: Engine) -> None:
    hub.faults["squares.safetensors"] = Fault(status=404)
    finished = engine.run()
    assert (finished.outcome, finished.stage) == ("failed", "generation")
    assert "squares.safetensors: it is not there (404)" in (finished.error or "")


def test_offline_a_missing_model_is_the_tasks_error(hub: FakeHub, engine: Engine) -> None:
    engine.services.config.override({"offline": True})
    assert "downloads are switched off" in (engine.run().error or "")
    assert hub.requests == []
