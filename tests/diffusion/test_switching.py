"""Models taking turns on one device: the last is gone before the next is loaded, and nothing grows."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from models.wan import handler
from shared.core.contracts import LoadOptions
from shared.core.model_def import ModelDef
from shared.engine.model_manager import ModelManager
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import save

OPTIONS = LoadOptions()


class Source:
    """The Wan family for every model."""

    def __init__(self) -> None:
        self.loaded: list[weakref.ref[Any]] = []
        self.alive_before_load = 0

    def handler(self, model: ModelDef) -> Any:
        return self

    def load(self, model: ModelDef, roots: Any, options: LoadOptions) -> Any:
        self.alive_before_load += sum(pipe() is not None for pipe in self.loaded)
        pipeline = handler.load(model, roots, options)
        self.loaded = [weakref.ref(pipeline.pipe), weakref.ref(pipeline.pipe.transformer)]
        return pipeline


def tensors() -> int:
    return sum(isinstance(found, torch.nn.Parameter) for found in gc.get_objects())


@pytest.fixture
def quick_collection() -> Iterator[None]:
    """What was there before is left out of every collection, which then takes milliseconds."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ckpts")
    for name in ("t2v", "starter"):
        save(name, folder / name)
    return folder


@pytest.mark.parametrize("switches", [20, pytest.param(100, marks=pytest.mark.long)])
def test_many_switches_leave_nothing_behind(root: Path, quick_collection: None, switches: int) -> None:
    source, process = Source(), psutil.Process()
    models = ModelManager(source, [str(root)])
    names = [wan_model("t2v"), wan_model("starter")]
    for switch in range(6):
        models.acquire(names[switch % 2], OPTIONS)
    models.release()
    before, rss = tensors(), process.memory_info().rss
    for switch in range(switches):
        models.acquire(names[switch % 2], OPTIONS)
    models.release()
    assert tensors() <= before
    assert source.alive_before_load == 0
    assert process.memory_info().rss - rss < 32 * 2**20
