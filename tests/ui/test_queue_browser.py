"""The queue in a real browser, as people use it; the engine is a fake that needs no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.served import Server
from tests.ui.lists_window import add, clear, head, hold_queue, press, row, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

OpenWindow = Callable[[], "Page"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page over the fake engine."""
    running = Server(tmp_path_factory.mktemp("lists"), program=("-m", "tests.fakes.page_program"))
    yield running
    running.stop()


def test_tasks_are_moved_by_keys_and_by_the_pointer(open_window: OpenWindow) -> None:
    window = open_window()
    hold_queue(window, "one", "two", "three", "four")
    grip = row(window, "four").locator(".wg-grip")
    grip.press("ArrowUp")
    until(window, ["one", "two", "four", "three"])
    assert row(window, "four").locator(".wg-grip").evaluate("grip => grip === document.activeElement")
    window.keyboard.press("Home")
    until(window, ["four", "one", "two", "three"])
    start, target = row(window, "four").locator(".wg-grip").bounding_box(), row(window, "two").bounding_box()
    assert start and target
    window.mouse.move(start["x"] + 8, start["y"] + 8)
    window.mouse.down()
    window.mouse.move(target["x"] + 8, target["y"] + target["height"] - 4, steps=6)
    window.mouse.up()
    until(window, ["one", "two", "four", "three"])
    assert row(window, "one").locator(".wg-status b").inner_text() == "1"


def test_a_move_is_taken_back_by_escape(open_window: OpenWindow) -> None:
    window = open_window()
    hold_queue(window, "one", "two", "three")
    start = row(window, "three").locator(".wg-grip").bounding_box()
    assert start
    window.mouse.move(start["x"] + 8, start["y"] + 8)
    window.mouse.down()
    window.mouse.move(start["x"] + 8, start["y"] - 120, steps=4)
    window.keyboard.press("Escape")
    window.mouse.up()
    until(window, ["one", "two", "three"])


def test_a_task_is_edited_put_back_and_the_form_comes_back(open_window: OpenWindow) -> None:
    window = open_window()
    hold_queue(window, "one", "two", "three")
    window.fill("#prompt textarea", "what I was writing")
    window.wait_for_function("sessionStorage.getItem('wangp-form')?.includes('what I was writing')")
    press(window, "two", "Edit")
    window.wait_for_selector("#wangp-edit-bar")
    window.wait_for_function("document.querySelector('#prompt textarea').value === 'two'")
    assert not window.locator("#generate").is_visible()
    window.fill("#prompt textarea", "two, better")
    window.locator("#wangp-edit-bar").get_by_label("Put back").click()
    until(window, ["one", "two, better", "three"])
    window.wait_for_function("document.querySelector('#prompt textarea').value === 'what I was writing'")
    assert window.locator("#generate").is_visible()


def test_an_edit_is_left_again(open_window: OpenWindow) -> None:
    window, other = open_window(), open_window()
    hold_queue(window, "one", "two")
    press(window, "one", "Edit")
    window.wait_for_selector("#wangp-edit-bar")
    other.wait_for_function("document.querySelector('.wg-owner')?.textContent.includes('another window')")
    assert row(other, "one").get_by_label("Edit", exact=True).count() == 0
    window.locator("#wangp-edit-bar").get_by_label("Cancel").click()
    window.wait_for_selector("#wangp-edit-bar", state="detached")
    other.wait_for_function("!document.querySelector('.wg-task.held')")
    until(other, ["one", "two"])


def test_an_edited_task_is_passed_over(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    hold_queue(window, "one", "two")
    press(window, "one", "Edit")
    window.wait_for_selector("#wangp-edit-bar")
    head(window, "Resume")
    until(window, ["one"])
    window.reload()
    window.wait_for_function("window.wangp?.model && window.wangp.tasks")
    window.wait_for_selector("#wangp-edit-bar")
    window.locator("#wangp-edit-bar").get_by_label("Put back").click()
    until(window, [])


def test_a_copy_stands_behind_its_original_and_is_removed(open_window: OpenWindow) -> None:
    window = open_window()
    hold_queue(window, "one", "two")
    press(window, "one", "Duplicate")
    until(window, ["one", "one", "two"])
    row(window, "one").first.get_by_label("Remove").click()
    until(window, ["one", "two"])
    clear(window)


def test_the_running_task_is_shown_and_makes_more(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    before = len(server.results())
    add(window, "slow orange fox", "teal sea", steps=20)
    window.wait_for_selector(".wg-task.running .wg-now")
    window.wait_for_function("/step \\d+ of 20/.test(document.querySelector('.wg-now')?.textContent)")
    window.wait_for_function("document.querySelector('.wg-small-preview')?.style.background.includes('preview/')")
    press(window, "slow orange fox", "One more sample")
    window.wait_for_function("count => document.querySelectorAll('[data-panel=gallery] .wg-tile').length >= count",
                             arg=min(24, before + 3), timeout=30_000)  # fmt: skip
    assert len([one for one in server.results() if one["prompt"] == "slow orange fox"]) == 2


def test_finish_early_keeps_what_is_there(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    add(window, "slow pink cloud", steps=20)
    press(window, "slow pink cloud", "One more sample")
    press(window, "slow pink cloud", "Finish early")
    until(window, [])
    assert len([one for one in server.results() if one["prompt"] == "slow pink cloud"]) == 1


def test_a_failure_stays_with_its_task_until_it_is_mended(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    add(window, "fail please")
    window.wait_for_selector(".wg-task.failed .wg-error")
    assert "too large for the fake engine" in row(window, "fail please").inner_text()
    press(window, "fail please", "Try again")
    window.wait_for_selector(".wg-task.failed .wg-error")
    press(window, "fail please", "Edit")
    window.wait_for_selector("#wangp-edit-bar")
    window.fill("#prompt textarea", "mended")
    window.locator("#wangp-edit-bar").get_by_label("Put back").click()
    until(window, [])
    assert server.results()[0]["prompt"] == "mended"


def test_estimates_come_from_what_was_made(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    add(window, "slow red sky", steps=5)
    window.wait_for_function("wangp.tasks.length === 0", timeout=30_000)
    head(window, "Pause")
    add(window, "green hill", "blue hill", steps=5)
    window.wait_for_function("[...document.querySelectorAll('.wg-status small')].every(one => one.textContent)")
    assert "about" in window.inner_text("[data-panel=queue] .wg-count")
    assert (row(window, "blue hill").locator(".wg-status").get_attribute("title") or "").startswith("Starts in")
    clear(window)


def test_the_queue_is_saved_and_loaded(open_window: OpenWindow, tmp_path: Path) -> None:
    window = open_window()
    hold_queue(window, "kept one", "kept two")
    with window.expect_download() as download:
        head(window, "Save")
    download.value.save_as(tmp_path / "queue.zip")
    head(window, "Abort all")
    window.locator("dialog").get_by_role("button", name="Abort all").click()
    until(window, [])
    with window.expect_file_chooser() as chooser:
        head(window, "Load")
    chooser.value.set_files(tmp_path / "queue.zip")
    until(window, ["kept one", "kept two"])
    clear(window)
