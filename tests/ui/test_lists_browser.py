"""Queue, gallery and models in a real browser, as people use them; the engine is a fake that needs no time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.media.video import read_frames
from tests.fakes.served import Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

OpenWindow = Callable[[], "Page"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page over the fake engine."""
    running = Server(tmp_path_factory.mktemp("lists"), program=("-m", "tests.fakes.page_program"))
    yield running
    running.stop()


def add(window: Page, *prompts: str, steps: int = 4, frames: int = 9) -> None:
    """Queue tasks as the form does."""
    for prompt in prompts:
        window.fill("#prompt textarea", prompt)
        for name, value in (("num_inference_steps", steps), ("video_length", frames)):
            field = window.locator(f"#{name} input[type=number]")
            if field.input_value() != str(value):
                field.fill(str(value))
                field.press("Tab")
        before = len(queue(window))
        window.click("#add_to_queue")
        window.wait_for_function("count => wangp.tasks.length > count || wangp.tasks.length === 0", arg=before)


def queue(window: Page) -> list[str]:
    """The prompts in the list, from top to bottom."""
    return window.locator(".wg-task .wg-prompt").all_inner_texts()


def until(window: Page, prompts: list[str]) -> None:
    window.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('.wg-task .wg-prompt')].map(one => one.textContent))"
        " === JSON.stringify(wanted)", arg=prompts,
    )  # fmt: skip


def row(window: Page, prompt: str) -> Locator:
    return window.locator(".wg-task", has=window.get_by_text(prompt, exact=True))


def press(window: Page, prompt: str, label: str) -> None:
    row(window, prompt).get_by_label(label, exact=True).click()


def head(window: Page, label: str) -> None:
    window.locator("[data-panel=queue] .wg-head").get_by_label(label, exact=True).click()


def clear(window: Page) -> None:
    head(window, "Abort all")
    window.locator("dialog").get_by_role("button", name="Abort all").click()
    until(window, [])
    window.evaluate("wangp.command('resume')")


def hold_queue(window: Page, *prompts: str) -> None:
    """A paused queue with these tasks and no others."""
    if window.evaluate("wangp.tasks.length"):
        clear(window)
    window.evaluate("wangp.command('pause')")
    add(window, *prompts)
    until(window, list(prompts))


def gallery(window: Page, count: int | None = None) -> None:
    window.evaluate("wangp.tab('gallery')")
    window.wait_for_selector(".wg-scroller", state="visible")
    if count is not None:
        found(window, count)


def found(window: Page, count: int) -> None:
    window.wait_for_function(
        "count => document.querySelector('.wg-found')?.textContent.startsWith(count + ' result')", arg=count
    )


def tile(window: Page, prompt: str) -> Locator:
    return window.locator(".wg-cell .wg-tile").and_(window.get_by_label(prompt, exact=True)).first


def seed_results(window: Page, server: Server) -> None:
    """Three clips and a picture, made once for all tests of the gallery."""
    if not any(one["prompt"] == "gold crown on velvet" for one in server.results()):
        window.evaluate("wangp.command('resume')")
        add(window, "red ball on a beach", "green tree in the wind", "blue whale below the ice", frames=9)
        window.get_by_label("A picture", exact=True).click()
        add(window, "gold crown on velvet")
        window.get_by_label("A clip", exact=True).click()
        window.wait_for_function("wangp.tasks.length === 0")


# --- the queue


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
    add(window, "slow orange fox", "teal sea", steps=6)
    window.wait_for_selector(".wg-task.running .wg-now")
    window.wait_for_function("document.querySelector('.wg-now')?.textContent.includes('step 3 of 6')")
    window.wait_for_function("document.querySelector('.wg-small-preview')?.style.background.includes('preview/')")
    press(window, "slow orange fox", "One more sample")
    window.wait_for_function("count => document.querySelectorAll('[data-panel=gallery] .wg-tile').length >= count",
                             arg=min(24, before + 3), timeout=30_000)  # fmt: skip
    assert len([one for one in server.results() if one["prompt"] == "slow orange fox"]) == 2


def test_finish_early_keeps_what_is_there(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    add(window, "slow pink cloud", steps=6)
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


# --- the gallery


def test_all_results_are_in_the_gallery_and_searched(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window, len(server.results()))
    window.fill("#gallery_search", "WHALE ice")
    found(window, 1)
    assert window.locator(".wg-cell[data-result]").count() == 1
    window.fill("#gallery_search", "nothing like it")
    window.get_by_role("button", name="Show all").click()
    found(window, len(server.results()))
    window.get_by_role("button", name="Pictures", exact=True).click()
    found(window, 1)
    window.get_by_role("button", name="All", exact=True).click()
    window.select_option("#gallery_model", "starter")
    found(window, len(server.results()))
    window.select_option("#gallery_model", "")
    window.select_option("#gallery_date", "today")
    found(window, len(server.results()))


def test_a_result_is_seen_with_its_settings_and_used_again(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    tile(window, "green tree in the wind").click()
    details = window.locator(".wg-details")
    details.locator("video").wait_for()
    assert "9 frames" in details.inner_text()
    details.get_by_text("All settings").click()
    assert "num_inference_steps" in details.inner_text()
    details.get_by_role("button", name="Use these settings").click()
    window.wait_for_function("document.querySelector('#prompt textarea').value === 'green tree in the wind'")
    assert window.evaluate("wangp.shownTab()") == "generator"


def test_a_frame_becomes_the_start_image(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    tile(window, "blue whale below the ice").click()
    window.locator(".wg-details").get_by_role("button", name="Use as").click()
    window.get_by_role("menuitem", name="Its last frame as start image").click()
    window.wait_for_selector("#image_start img")
    gallery(window)
    window.locator(".wg-details").get_by_role("button", name="Use as").click()
    window.get_by_role("menuitem", name="Clip to continue").click()
    window.wait_for_selector("#video_source video")


def test_favourites_are_marked_and_filtered(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    tile(window, "red ball on a beach").focus()
    window.keyboard.press("f")
    window.wait_for_selector(".wg-cell .wg-star")
    window.get_by_role("button", name="Favourites").click()
    found(window, 1)
    tile(window, "red ball on a beach").click()
    window.locator(".wg-details").get_by_label("No longer a favourite").click()
    found(window, 0)
    window.get_by_role("button", name="Show all").click()


def test_arrow_keys_walk_through_the_results(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    names = [one["name"] for one in server.results()]
    window.locator(".wg-cell .wg-tile").first.click()
    is_shown = "name => document.querySelector('.wg-details-top .wg-facts')?.textContent === name"
    window.wait_for_function(is_shown, arg=names[0])
    window.keyboard.press("ArrowRight")
    window.wait_for_function(is_shown, arg=names[1])
    window.locator(".wg-details").get_by_label("Previous").click()
    window.wait_for_function(is_shown, arg=names[0])


def pick(window: Page, *prompts: str) -> None:
    for prompt in prompts:
        cell = window.locator(".wg-cell", has=tile(window, prompt)).first
        cell.hover()
        cell.locator(".wg-pick").click()


def test_two_results_are_compared(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    pick(window, "red ball on a beach", "gold crown on velvet")
    window.get_by_role("button", name="Compare").click()
    dialog = window.locator("dialog")
    dialog.wait_for()
    changed = dialog.locator("[data-setting]").evaluate_all("rows => rows.map(row => row.dataset.setting)")
    assert {"prompt", "image_mode"} <= set(changed) and "num_inference_steps" not in changed
    assert dialog.locator("figure").count() == 2
    window.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_clips_are_joined(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    before = len(server.results())
    pick(window, "green tree in the wind", "red ball on a beach")
    window.get_by_role("button", name="Join").click()
    found(window, before + 1)
    made = server.results()[0]
    path = server.folder / "joined.mp4"
    path.write_bytes(server.get(f"/wangp/results/{made['id']}/x.mp4"))
    frames, _ = read_frames(path)
    assert len(frames) == 18 and frames[0][..., 1].mean() > frames[0][..., 0].mean()
    assert frames[17][..., 0].mean() > frames[17][..., 1].mean()


def test_the_frame_shown_is_saved(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    gallery(window)
    before = len(server.results())
    tile(window, "blue whale below the ice").click()
    window.wait_for_function("document.querySelector('.wg-details video')?.readyState >= 2")
    window.evaluate("const video = document.querySelector('.wg-details video'); video.pause(); video.currentTime = 0.5")
    window.wait_for_timeout(200)
    window.locator(".wg-details").get_by_label("More").click()
    window.get_by_role("menuitem", name="Save the frame shown").click()
    found(window, before + 1)
    made = server.results()[0]
    assert made["kind"] == "image" and made["prompt"] == "blue whale below the ice"


def test_a_result_is_finished_later(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    head(window, "Pause")
    gallery(window)
    tile(window, "red ball on a beach").click()
    window.locator(".wg-details").get_by_label("More").click()
    window.get_by_role("menuitem", name="Enlarge").click()
    dialog = window.locator("dialog")
    dialog.get_by_label("Enlarge").select_option("lanczos2")
    dialog.get_by_role("button", name="Start").click()
    window.wait_for_function("wangp.tasks.some(task => task.edit_mode === 'edit_postprocessing')")
    window.evaluate("wangp.tab('generator')")
    clear(window)


def test_the_trash_is_undone_restored_and_emptied(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    seed_results(window, server)
    add(window, "olive bird", "maroon car")
    window.wait_for_function("wangp.tasks.length === 0")
    count = len(server.results())
    gallery(window, count)
    tile(window, "olive bird").click()
    window.locator(".wg-details").get_by_label("Delete").click()
    found(window, count - 1)
    window.locator(".wg-toast").get_by_role("button", name="Undo").click()
    found(window, count)
    tile(window, "olive bird").focus()
    window.keyboard.press("Delete")
    found(window, count - 1)
    window.locator(".wg-bar-top").get_by_label("Trash", exact=True).click()
    found(window, 1)
    window.locator(".wg-cell .wg-tile").first.click()
    window.locator(".wg-details").get_by_role("button", name="Restore").click()
    found(window, 0)
    window.locator(".wg-bar-top").get_by_label("Trash", exact=True).click()
    found(window, count)
    pick(window, "olive bird", "maroon car")
    window.locator(".wg-picked-bar").get_by_role("button", name="Delete").click()
    found(window, count - 2)
    window.locator(".wg-bar-top").get_by_label("Trash", exact=True).click()
    found(window, 2)
    window.get_by_role("button", name="Empty the trash").click()
    window.locator("dialog").get_by_role("button", name="Empty the trash").click()
    found(window, 0)
    assert not list((server.folder / "outputs").rglob("*olive*"))
    window.locator(".wg-bar-top").get_by_label("Trash", exact=True).click()


def test_a_result_without_its_file_is_told_and_gives_its_settings(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    add(window, "navy boat lost")
    window.wait_for_function("wangp.tasks.length === 0")
    for path in (server.folder / "outputs").glob("*navy*"):
        path.unlink()
    gallery(window)
    window.reload()
    window.wait_for_function("window.wangp?.model && window.wangp.tasks")
    window.wait_for_selector(".wg-cell .wg-gone")
    tile(window, "navy boat lost").click()
    window.get_by_text("The file is no longer on disk").wait_for()
    window.locator(".wg-details").get_by_role("button", name="Use these settings").click()
    window.wait_for_function("document.querySelector('#prompt textarea').value === 'navy boat lost'")


def test_a_dropped_file_shows_its_settings_and_gives_them_back(
    open_window: OpenWindow, server: Server, tmp_path: Path
) -> None:
    window = open_window()
    seed_results(window, server)
    settings = {"type": "WanGP v9.9 by DeepBeepMeep - Starter", "model_type": "starter", "prompt": "from elsewhere",
                "seed": 4321, "settings_version": 2.55}  # fmt: skip
    gallery(window)
    window.evaluate(
        """text => {
            const data = new DataTransfer();
            data.items.add(new File([text], "elsewhere.json", {type: "application/json"}));
            for (const kind of ["dragenter", "dragover", "drop"]) {
                document.querySelector(".wg-scroller").dispatchEvent(
                    new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
            }
        }""",
        json.dumps(settings),
    )
    dialog = window.locator("dialog")
    dialog.wait_for()
    assert "from elsewhere" in dialog.inner_text() and "4321" in dialog.inner_text()
    dialog.get_by_role("button", name="Use these settings").click()
    window.wait_for_function("document.querySelector('#prompt textarea').value === 'from elsewhere'")
    assert window.input_value("#seed input") == "4321"


# --- the models


def test_models_are_searched_and_filtered(open_window: OpenWindow) -> None:
    window = open_window()
    window.evaluate("wangp.tab('models')")
    window.wait_for_selector(".wg-model")
    everything = window.locator(".wg-model").count()
    assert everything > 50
    starter = window.locator("[data-model=starter]")
    assert "27.2 MB" in starter.inner_text()
    window.get_by_role("button", name="On disk", exact=True).click()
    assert window.locator(".wg-model").count() < everything
    window.get_by_role("button", name="All", exact=True).click()
    window.fill("#models_search", "vace 1.3b")
    assert window.locator(".wg-model h3").all_inner_texts() == ["Wan2.1 VACE 1.3B"]


def test_a_download_that_fails_says_why_and_is_dismissed(open_window: OpenWindow) -> None:
    window = open_window()
    window.evaluate("wangp.tab('models')")
    window.fill("#models_search", "vace 1.3b")
    window.get_by_role("button", name="Download").click()
    window.wait_for_selector(".wg-load .wg-error")
    assert window.locator(".wg-load .wg-error").inner_text()
    window.get_by_role("button", name="Dismiss").click()
    window.wait_for_selector(".wg-load", state="detached")
