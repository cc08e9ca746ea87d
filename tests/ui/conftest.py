"""The page over a runtime that runs nothing, and for the browser a real server with the embedded model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.ui.app import Page, build_app
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRuntime]:
    """One runtime a file of tests."""
    made = PageRuntime(tmp_path_factory.mktemp("page"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(runtime: PageRuntime) -> Page:
    """The page over it."""
    return build_app(runtime)
