"""The embedded model through the program's doors, at a size that a test can afford."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.api import Runtime, WanGPSession

SMALL = {"resolution": "96x96", "video_length": 5, "num_inference_steps": 2}


@pytest.fixture
def small() -> Callable[..., dict[str, Any]]:
    """Settings of a tiny clip."""

    def make(**changes: Any) -> dict[str, Any]:
        return {"model_type": "starter", "prompt": "a big red ball moving right", "seed": 5, **SMALL, **changes}

    return make


@pytest.fixture(scope="module")
def config_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of its own, so that results do not land in the repository."""
    return tmp_path_factory.mktemp("config")


@pytest.fixture(scope="module")
def session(root: Path, config_dir: Path) -> Iterator[WanGPSession]:
    """A session as a Python program has it; the model stays loaded for the module's tests."""
    yield WanGPSession(root=root, config_path=config_dir / "wgp_config.json", console_output=False)
    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()
