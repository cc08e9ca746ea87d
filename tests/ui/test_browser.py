"""The page in a real browser, over the real program and the embedded model."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from shared.media.video import probe, read_frames

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.fakes.served import Server

pytestmark = pytest.mark.browser

OpenWindow = Callable[[], "Page"]
RUN_MS = 240_000


def fill(window: Page, prompt: str, *, steps: int = 2, frames: int = 5, seed: int = 7) -> None:
    """A task that is soon done."""
    window.fill("#prompt textarea", prompt)
    for name, value in (("num_inference_steps", steps), ("video_length", frames)):
        window.fill(f"#{name} input[type=number]", str(value))
        window.press(f"#{name} input[type=number]", "Tab")
    window.fill("#seed input", str(seed))
    window.press("#seed input", "Tab")


def tasks(window: Page) -> Locator:
    return window.locator(".wg-task")


def wait_tasks(window: Page, count: int) -> None:
    window.wait_for_function("count => document.querySelectorAll('.wg-task').length === count", arg=count)


def wait_results(window: Page, count: int) -> None:
    window.wait_for_function(
        "count => document.querySelectorAll('.wg-tile').length >= count", arg=count, timeout=RUN_MS
    )


BALL = "a big red ball moving right in front of a blue sky"


def with_result(window: Page, server: Server) -> None:
    """See to it that the gallery holds the ball; the first test makes it, one run alone makes its own."""
    if not server.results():
        fill(window, BALL, steps=4, frames=9)
        window.click("#generate")
    wait_results(window, 1)


def command(window: Page, label: str) -> None:
    window.locator("[data-panel=queue] .wg-head").get_by_label(label).click()


def decoded(server: Server, window: Page, folder: Path) -> tuple[np.ndarray, Path]:
    """The frames of the clip on the stage, and its file as the browser gets it."""
    source = window.locator(".wg-view video").get_attribute("src") or ""
    path = folder / "clip.mp4"
    path.write_bytes(server.get(source.removeprefix(server.url)))
    return read_frames(path)[0], path


def test_the_need_of_memory_stands_beside_generate(open_window: OpenWindow) -> None:
    window = open_window()
    window.wait_for_function("document.getElementById('memory-need')?.textContent.startsWith('Needs')")
    assert (window.text_content("#memory-need") or "").endswith("GB memory")


def test_a_page_at_rest_does_nothing(open_window: OpenWindow) -> None:
    window = open_window()
    window.wait_for_selector("#memory-need")
    woken = window.evaluate(
        "async () => { let count = 0; wangp.on('form', () => count++);"
        " await new Promise((done) => setTimeout(done, 1000)); return count; }"
    )
    assert woken <= 1


def test_a_click_on_generate_makes_a_clip(open_window: OpenWindow, server: Server, tmp_path: Path) -> None:
    window = open_window()
    fill(window, BALL, steps=4, frames=9)
    window.click("#generate")
    window.wait_for_function("document.querySelector('.wg-phase').textContent.includes('step')", timeout=RUN_MS)
    assert window.locator("#abort").is_visible()
    wait_results(window, 1)
    window.wait_for_selector(".wg-view video")
    frames, path = decoded(server, window, tmp_path)
    assert frames.shape == (9, 128, 128, 3)
    assert probe(path).fps == 8
    window.wait_for_function("document.querySelector('.wg-view video').readyState >= 2")
    assert "seed 7" in window.inner_text(".wg-info")
    assert tasks(window).count() == 0


def test_the_server_itself_loads_no_torch(server: Server) -> None:
    assert not server.loads("libtorch")


def test_a_reload_loses_nothing(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    with_result(window, server)
    fill(window, "a small green star spinning", steps=9, seed=41)
    window.click("#group_prompt button")
    window.fill("#negative_prompt textarea", "dark")
    window.wait_for_function("sessionStorage.getItem('wangp-form')?.includes('dark')")
    window.reload()
    window.wait_for_function("window.wangp?.model && window.wangp.tasks")
    assert window.input_value("#prompt textarea") == "a small green star spinning"
    assert window.input_value("#num_inference_steps input[type=number]") == "9"
    assert window.input_value("#seed input") == "41"
    wait_results(window, 1)
    window.click("#group_prompt button")
    assert window.input_value("#negative_prompt textarea") == "dark"


def test_two_windows_share_the_queue_and_not_the_form(open_window: OpenWindow) -> None:
    first, second = open_window(), open_window()
    command(first, "Pause")
    second.locator("[data-panel=queue]").get_by_label("Resume").wait_for()
    fill(first, "a ring")
    fill(second, "a square")
    first.click("#add_to_queue")
    wait_tasks(second, 1)
    second.focus("#prompt textarea")
    second.click("#add_to_queue")
    wait_tasks(first, 2)
    assert first.input_value("#prompt textarea") == "a ring"
    assert second.input_value("#prompt textarea") == "a square"
    first.locator(".wg-task").nth(1).locator(".wg-grip").press("ArrowUp")
    second.wait_for_function("document.querySelector('.wg-task .wg-prompt').textContent === 'a square'")
    command(first, "Abort all")
    first.locator("dialog").get_by_role("button", name="Abort all").click()
    wait_tasks(second, 0)
    command(second, "Resume")
    first.locator("[data-panel=queue]").get_by_label("Pause").wait_for()


def test_what_is_wrong_is_said_beside_the_button(open_window: OpenWindow) -> None:
    window = open_window()
    fill(window, "")
    window.keyboard.press("Control+Enter")
    window.wait_for_selector("#problems li")
    assert "prompt" in window.inner_text("#problems")
    window.fill("#prompt textarea", "a star")
    window.set_input_files("#image_start input[type=file]", files=[
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"this is no picture"},
    ])  # fmt: skip
    window.wait_for_function("document.querySelector('#image_start img')")
    window.click("#generate")
    window.wait_for_function("document.querySelector('#problems')?.textContent.includes('broken.png')")
    assert tasks(window).count() == 0
    assert window.input_value("#prompt textarea") == "a star"


def drop(window: Page, path: Path, name: str) -> None:
    """Drop a file on the page as a user does."""
    window.evaluate(
        """([name, text]) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name));
            const place = document.querySelector(".wg-view");
            for (const kind of ["dragenter", "dragover", "drop"]) {
                place.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
            }
        }""",
        [name, base64.b64encode(path.read_bytes()).decode()],
    )


def test_a_dropped_result_gives_its_settings_back(open_window: OpenWindow, server: Server, tmp_path: Path) -> None:
    window = open_window()
    with_result(window, server)
    _, path = decoded(server, window, tmp_path)
    fill(window, "something else", steps=30, frames=33, seed=1)
    drop(window, path, "dropped.mp4")
    window.wait_for_function("document.querySelector('#seed input').value === '7'")
    assert window.input_value("#prompt textarea") == BALL
    assert window.input_value("#num_inference_steps input[type=number]") == "4"
    assert window.input_value("#video_length input[type=number]") == "9"


def test_settings_are_exported_and_imported(open_window: OpenWindow, tmp_path: Path) -> None:
    window = open_window()
    fill(window, "a purple triangle", steps=11, seed=12)
    window.wait_for_timeout(200)
    with window.expect_download() as download:
        window.click("#export_settings")
    path = tmp_path / "settings.json"
    download.value.save_as(path)
    exported = json.loads(path.read_text(encoding="utf-8"))
    assert (exported["prompt"], exported["seed"], exported["model_type"]) == ("a purple triangle", 12, "starter")
    path.write_text(json.dumps({**exported, "seed": 99, "setting_of_tomorrow": 1}), encoding="utf-8")
    with window.expect_file_chooser() as chooser:
        window.click("#import_settings")
    chooser.value.set_files(path)
    window.wait_for_function("document.querySelector('#seed input').value === '99'")
    window.wait_for_function("document.body.textContent.includes('setting_of_tomorrow')")


def test_a_result_is_used_again_and_deleted(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    with_result(window, server)
    fill(window, "something else", seed=3)
    window.get_by_role("button", name="Use these settings").click()
    window.wait_for_function("document.querySelector('#seed input').value === '7'")
    window.get_by_role("button", name="Use as").click()
    window.get_by_role("menuitem", name="Its last frame as start image").click()
    window.wait_for_selector("#image_start img")
    window.locator(".wg-info").get_by_role("button", name="Delete").click()
    window.wait_for_function("document.querySelectorAll('.wg-tile').length === 0")
    assert server.results() == []


def test_abort_ends_the_running_task(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    fill(window, "a ball to abort", steps=40, frames=17)
    window.click("#generate")
    window.wait_for_function("document.querySelector('.wg-phase').textContent.includes('step')", timeout=RUN_MS)
    window.click("#abort")
    wait_tasks(window, 0)
    assert server.results() == []


def test_a_killed_worker_costs_a_message_and_not_the_task(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    fill(window, "a ball that survives", steps=12, frames=5)
    window.click("#generate")
    window.wait_for_function("document.querySelector('.wg-phase').textContent.includes('step')", timeout=RUN_MS)
    server.kill_worker()
    window.wait_for_selector(".wg-toast")
    wait_results(window, 1)
    deadline = time.monotonic() + 10
    while tasks(window).count() and time.monotonic() < deadline:
        window.wait_for_timeout(100)
    assert len(server.results()) == 1
    assert window.locator("#generate").is_enabled()


def test_a_restart_keeps_all_and_the_open_page_finds_back(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    with_result(window, server)
    fill(window, "written before the restart", seed=55)
    workers = server.workers()
    assert server.stop(signal.SIGTERM) == 0
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    window.wait_for_function("document.querySelector('.wg-phase').textContent.includes('lost')")
    server.start()
    window.wait_for_function("window.performance.getEntriesByType('navigation')[0].type === 'reload'", timeout=RUN_MS)
    window.wait_for_function("window.wangp?.model && window.wangp.tasks")
    wait_results(window, 1)
    assert window.input_value("#prompt textarea") == "written before the restart"
    assert window.input_value("#seed input") == "55"
    assert len(server.results()) == 1
