"""The one resident model of a device."""

from __future__ import annotations

import gc
import weakref

import pytest

from shared.core.contracts import LoadOptions
from shared.core.errors import DownloadError
from shared.engine.model_manager import ModelManager
from tests.fakes.engine import FakeRegistry, numpy_model

OPTIONS = LoadOptions()


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry(numpy_model("squares"), numpy_model("circles"))


def test_it_stays_loaded_until_another_is_asked_for(registry: FakeRegistry) -> None:
    models = ModelManager(registry, ["ckpts"])
    squares, circles = registry.get("squares"), registry.get("circles")

    first = models.acquire(squares, OPTIONS)
    assert models.acquire(squares, OPTIONS) is first and models.is_loaded(squares, OPTIONS)
    second = models.acquire(circles, OPTIONS)
    assert models.resident is second is not first and models.resident_type == "circles"


def test_other_load_options_load_it_again(registry: FakeRegistry) -> None:
    models = ModelManager(registry, ["ckpts"])
    squares = registry.get("squares")

    first = models.acquire(squares, OPTIONS)
    assert models.acquire(squares, LoadOptions(profile=5)) is not first
    assert registry.family.options == [OPTIONS, LoadOptions(profile=5)]


def test_the_last_model_is_let_go_before_the_next_is_loaded(registry: FakeRegistry) -> None:
    models = ModelManager(registry, ["ckpts"])
    models.acquire(registry.get("squares"), OPTIONS)
    registry.family.has_files = False

    with pytest.raises(DownloadError):
        models.acquire(registry.get("circles"), OPTIONS)
    assert models.resident is None


def test_release_gives_the_memory_back(registry: FakeRegistry) -> None:
    models = ModelManager(registry, ["ckpts"])
    pipeline = weakref.ref(models.acquire(registry.get("squares"), OPTIONS))
    registry.family.pipelines.clear()

    models.release()
    gc.collect()

    assert pipeline() is None and models.resident is None and models.resident_type is None
