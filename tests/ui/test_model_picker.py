"""The models that the page offers: what is on disk, what is to be downloaded, what has just come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.engine.model_store import ModelState
from shared.ui.app import build_app
from shared.ui.catalogue import model_note
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path)
    yield made
    made.close()


class KnownSizes:
    """Sizes as a runtime tells them; `asked` are the models whose size somebody wanted to know."""

    def __init__(self, to_download: int | None) -> None:
        self.to_download = to_download
        self.asked: list[str] = []

    def state(self, model_type: str) -> ModelState:
        return ModelState("missing", 0, self.to_download)

    def ask_size(self, model_type: str) -> None:
        self.asked.append(model_type)


def test_a_missing_model_says_how_much_it_downloads(runtime: PageRuntime) -> None:
    sizes = KnownSizes(16_400_000_000)
    assert "not on disk: 16.4 gb are downloaded at first use" in model_note(runtime.registry, "t2v_1.3B", sizes).lower()
    assert sizes.asked == []


def test_a_size_that_is_not_known_is_asked_for(runtime: PageRuntime) -> None:
    sizes = KnownSizes(None)
    assert "downloaded at first use" in model_note(runtime.registry, "t2v_1.3B", sizes).lower()
    assert sizes.asked == ["t2v_1.3B"]


def test_a_model_on_disk_is_ready(runtime: PageRuntime) -> None:
    sizes = KnownSizes(None)
    folder = runtime.root / "ckpts" / "starter"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    assert "(ready to use)" in model_note(runtime.registry, "starter", sizes)
    assert sizes.asked == []


def test_a_new_definition_is_offered_without_a_restart(runtime: PageRuntime) -> None:
    page = build_app(runtime)
    finetune = {"model": {"name": "Ink drawings", "architecture": "t2v_1.3B"}}
    (runtime.root / "finetunes").mkdir()
    (runtime.root / "finetunes" / "ink.json").write_text(json.dumps(finetune))
    updates = page.handlers.refresh_models("t2v_1.3B")
    names = [label for label, _ in updates[page.picker.model]["choices"]]
    assert any(name.startswith("Ink drawings") for name in names)
    assert page.handlers.refresh_models("gone") == {}


def test_definitions_are_read_again_only_when_they_changed(runtime: PageRuntime) -> None:
    registry = runtime.registry
    assert not registry.refresh_if_changed()
    (runtime.root / "defaults" / "t2v_1.3B.json").write_text("{ half")
    with pytest.warns(UserWarning, match="t2v_1.3B.json: line 1"):
        build_app(runtime).handlers.refresh_models("t2v_1.3B")
    assert not registry.refresh_if_changed()
    assert "t2v_1.3B" in registry.models() and len(registry.broken) == 1
