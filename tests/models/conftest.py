"""Tiny Wan models, loaded once a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from models.wan import handler
from models.wan.pipeline import WanVideo
from shared.core.contracts import LoadOptions
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import save


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small networks gain nothing from a second thread, and lose much on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_wan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], WanVideo]:
    """The tiny model of an architecture, with random weights."""
    root = tmp_path_factory.mktemp("tiny_wan")
    loaded: dict[str, WanVideo] = {}

    def load(architecture: str) -> WanVideo:
        if architecture not in loaded:
            save(architecture, root / architecture)
            loaded[architecture] = handler.load(wan_model(architecture), [str(root)], LoadOptions())
        return loaded[architecture]

    return load
