"""The page over a runtime that runs nothing, and for the browser a real server with the embedded model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from shared.media.video_write import write_video
from shared.ui.app import Page as BuiltPage
from shared.ui.app import build_app
from tests.fakes.page_runtime import PageRuntime
from tests.fakes.served import BROWSER_FLAGS, BROWSERS, Server, wait_ready, watch_faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRuntime]:
    """One runtime a file of tests."""
    made = PageRuntime(tmp_path_factory.mktemp("page"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(runtime: PageRuntime) -> BuiltPage:
    """The page over it."""
    return build_app(runtime)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless Chromium; tests that need it are skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed: " + ", ".join(BROWSERS))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The program itself with the embedded model and an empty queue."""
    running = Server(tmp_path_factory.mktemp("served"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The program with three LoRA files for Wan 1.3B, one for all steps through the studio."""
    folder = tmp_path_factory.mktemp("studio")
    for name in ("ink.safetensors", "people/ada.safetensors", "smooth.safetensors"):
        path = folder / "loras" / "wan_1.3B" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    running = Server(folder, "--loras", str(folder / "loras"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def studio_faults() -> list[str]:
    """What went wrong in the studio's window."""
    return []


@pytest.fixture(scope="module")
def studio(chromium: Browser, studio_server: Server, studio_faults: list[str]) -> Iterator[Page]:
    """One window for all steps through the studio."""
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, accept_downloads=True, permissions=["camera", "notifications"]
    )
    page = context.new_page()
    page.set_default_timeout(45_000)
    watch_faults(page, studio_server.url, studio_faults)
    page.goto(studio_server.url)
    wait_ready(page)
    yield page
    context.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames that grow brighter."""
    path = tmp_path_factory.mktemp("media") / "growing.mp4"
    write_video(np.stack([np.full((96, 128, 3), 12 * number, np.uint8) for number in range(20)]), path, fps=8)
    return path


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red square."""
    path = tmp_path_factory.mktemp("media") / "picture.png"
    Image.new("RGB", (128, 128), "red").save(path)
    return path


@pytest.fixture
def open_window(chromium: Browser, server: Server) -> Iterator[Callable[[], Page]]:
    """Opens windows of one browser; at the end of the test none may have seen an error."""
    context = chromium.new_context(viewport={"width": 1366, "height": 900}, accept_downloads=True)
    faults: list[str] = []

    def open_one() -> Page:
        window = context.new_page()
        window.set_default_timeout(30_000)
        watch_faults(window, server.url, faults)
        window.goto(server.url)
        wait_ready(window)
        return window

    yield open_one
    context.close()
    if server.starts > 1:
        faults = [fault for fault in faults if "net::ERR_" not in fault]
    assert faults == []
