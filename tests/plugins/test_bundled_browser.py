"""The bundled plugins in a real browser, as a user goes through them, over the program and the embedded model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.media.images import save_image
from shared.media.metadata import read_settings
from shared.media.video import probe, read_frames, write_video
from tests.fakes.served import BROWSER_FLAGS, BROWSERS, Server, wait_ready, watch_faults
from tools.starter.scenes import Combination, make_scene, render

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PLUGINS = ["mask_creator", "motion_designer", "long_video", "prompt_library", "gallery_tools"]
SCENE = make_scene(Combination("big", "red", "ball", "moving right", "on a white background"), np.random.default_rng(5))
RUN_MS = 120_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bundled")
    (folder / "wgp_config.json").write_text(json.dumps({"enabled_plugins": PLUGINS, "save_path": str(folder / "made"),
                                                        "image_save_path": str(folder / "made")}))  # fmt: skip
    running = Server(folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def window(server: Server) -> Iterator[Page]:
    """One window for all; at the end it may have seen no error."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed: " + ", ".join(BROWSERS))
    faults: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        watch_faults(page, server.url, faults)
        page.goto(server.url)
        wait_ready(page)
        yield page
        browser.close()
    assert faults == []


@pytest.fixture(scope="module")
def clip(server: Server) -> Path:
    return write_video(render(SCENE, 17, 128, 128)[0], server.folder / "scene.mp4", 8)


def open_tab(window: Page, label: str) -> None:
    window.get_by_role("tab", name=label, exact=True).click()


def upload(window: Page, component: str, *paths: Path) -> None:
    window.set_input_files(f"#{component} input[type=file]", [str(path) for path in paths])


def click_on(window: Page, component: str, share_x: float, share_y: float) -> None:
    """Click at a place of the picture that a component shows, as shares of its width and height."""
    picture = window.locator(f"#{component} img").first
    picture.wait_for()
    window.wait_for_timeout(300)
    box = picture.bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])  # the pictures are square, shown in the middle of their element
    left, top = (box["width"] - side) / 2, (box["height"] - side) / 2
    picture.click(position={"x": left + side * share_x, "y": top + side * share_y})


def made(server: Server, pattern: str) -> list[Path]:
    return sorted((server.folder / "made").glob(pattern))


def test_a_click_on_an_object_becomes_the_mask_of_the_control_clip(window: Page, server: Server, clip: Path) -> None:
    true = render(SCENE, 17, 128, 128)[1]
    rows, columns = np.nonzero(true[0] > 127)
    open_tab(window, "Mask creator")
    upload(window, "mask_creator_source", clip)
    click_on(window, "mask_creator_frame", columns.mean() / 128, rows.mean() / 128)
    window.get_by_text("Clicks on the object: 1").wait_for()
    window.click("#mask_creator_make")
    window.wait_for_selector("#mask_creator_use", state="visible", timeout=RUN_MS)

    found = read_frames(made(server, "scene_mask.mp4")[0])[0][..., 0] > 127
    overlaps = [(a & b).sum() / (a | b).sum() for a, b in zip(found, true > 127, strict=True)]
    assert min(overlaps) > 0.8, overlaps
    window.click("#mask_creator_use")
    window.wait_for_selector("#video_guide video", timeout=30_000)
    window.wait_for_selector("#video_mask >> text=KB", timeout=30_000)


def test_a_drawn_path_becomes_a_control_clip(window: Page, server: Server) -> None:
    picture = save_image(render(SCENE, 1, 128, 128)[0][0], server.folder / "still.png", "png")
    rows, columns = np.nonzero(render(SCENE, 1, 128, 128)[1][0] > 127)
    open_tab(window, "Motion designer")
    upload(window, "motion_designer_source", picture)
    click_on(window, "motion_designer_picture", columns.mean() / 128, rows.mean() / 128)
    window.get_by_label("adds to its path").check()
    click_on(window, "motion_designer_picture", 0.3, 0.5)
    window.get_by_text("1 clicks, 1 points").wait_for()
    click_on(window, "motion_designer_picture", 0.7, 0.5)
    window.get_by_text("1 clicks, 2 points").wait_for()
    window.click("#motion_designer_make")
    window.wait_for_selector("#motion_designer_use", state="visible", timeout=RUN_MS)

    info = probe(made(server, "still_motion.mp4")[0])
    masks = read_frames(made(server, "still_motion_mask.mp4")[0])[0][..., 0] > 127
    way = np.argwhere(masks[-1]).mean(axis=0) - np.argwhere(masks[0]).mean(axis=0)
    assert (info.num_frames, info.width) == (81, 128) and way[1] == pytest.approx(0.4 * 128, abs=4)


def test_a_saved_prompt_goes_into_the_form(window: Page, server: Server) -> None:
    open_tab(window, "Prompts")
    window.fill("#prompt_library_name input, #prompt_library_name textarea", "Night")
    window.fill("#prompt_library_text textarea", "a small green star spinning in front of a night sky")
    window.get_by_role("button", name="Save", exact=True).click()
    window.wait_for_selector("#prompt_library_chosen >> text=Night")
    window.get_by_role("button", name="Put into the form").click()
    window.wait_for_function("document.querySelector('#prompt textarea').value.includes('green star')")

    assert json.loads((server.folder / "prompt_library.json").read_text())[0]["name"] == "Night"


def test_two_clips_are_joined(window: Page, server: Server, clip: Path) -> None:
    open_tab(window, "Gallery tools")
    upload(window, "gallery_tools_clips", clip, clip)
    window.wait_for_function("document.querySelectorAll('#gallery_tools_clips tr').length >= 2")
    window.click("#gallery_tools_join")
    window.wait_for_selector("#gallery_tools_joined video", timeout=RUN_MS)

    assert probe(made(server, "scene_joined.mp4")[0]).num_frames == 34


def test_a_long_clip_is_made_anew_window_by_window(window: Page, server: Server, clip: Path) -> None:
    open_tab(window, "Create")
    steps = window.locator("#num_inference_steps input[type=number]")
    steps.fill("2")
    steps.blur()
    open_tab(window, "Long video")
    upload(window, "long_video_source", clip)
    frames = window.locator("#long_video_window input")
    frames.fill("13")
    frames.blur()
    window.wait_for_selector("#long_video_plan >> text=17 frames, 2.1 s: 2 windows")
    window.click("#long_video_start")
    window.wait_for_selector("#long_video_result video", timeout=RUN_MS)

    info = probe(made(server, "long_*.mp4")[0])
    assert (info.num_frames, info.fps) == (17, 8)
    parts = [read_settings(path) or {} for path in made(server, "2*.mp4")]
    assert [part["num_inference_steps"] for part in parts] == [2, 2]
