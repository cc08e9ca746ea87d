"""A runtime whose tasks are run by the fake runner, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.engine.executors.local import LocalExecutor
from shared.engine.executors.spec import RunnerSpec
from shared.session.runtime import Runtime
from shared.session.session import WanGPSession
from tests.fakes.runner import spec as fake_spec

Settings = dict[str, Any]


@pytest.fixture
def open_runtime(root: Path, tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    """Opens the process's runtime on the fake runner; it is closed at the end."""

    def fake_executor(_: RunnerSpec, device: str, hooks: Any) -> LocalExecutor:
        return LocalExecutor(fake_spec(tmp_path), device, hooks)

    def open_one(**options: Any) -> Runtime:
        return Runtime.open(root, tmp_path / "config", executor=fake_executor, **options)

    yield open_one
    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()


@pytest.fixture
def runtime(open_runtime: Callable[..., Runtime]) -> Runtime:
    """The runtime of a plain Python program."""
    return open_runtime()


@pytest.fixture
def session(runtime: Runtime) -> WanGPSession:
    """A quiet session of it."""
    session = runtime.session()
    session._console_output = False
    return session


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Settings that are sound; the fake runner reads the names it knows."""

    def make(**changes: Any) -> Settings:
        return {"model_type": "starter", "prompt": "a red ball on a black background", "steps": 2, **changes}

    return make
