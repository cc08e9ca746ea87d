"""A tiny Wan pipeline and a LoRA for it; small networks gain nothing from a second thread, and lose much on a busy
machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.diffusion.lora import remove_loras
from tests.fakes import tiny_lora
from tests.fakes.tiny_wan import BUILDERS


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shared_pipe() -> Any:
    pipe = BUILDERS["t2v"]()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def pipe(shared_pipe: Any) -> Iterator[Any]:
    yield shared_pipe
    remove_loras(shared_pipe)


@pytest.fixture
def lora(pipe: Any, tmp_path: Path) -> Path:
    return tiny_lora.write_lora(tmp_path / "style.safetensors", pipe.transformer)
