"""Gallery and models in a real browser, as people use them; the engine is a fake that needs no time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.media.video import read_frames
from tests.fakes.served import Server
from tests.ui.lists_window import add, clear, found, gallery, head, pick, seed_results, tile

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
    window.goto("about:blank")  # so that no page asks for the file while it goes
    for path in (server.folder / "outputs").glob("*navy*"):
        path.unlink()
    window.goto(f"{server.url}/#gallery")
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


def test_models_are_searched_and_filtered(open_window: OpenWindow) -> None:
    window = open_window()
    window.evaluate("wangp.tab('models')")
    window.wait_for_selector(".wg-model-row")
    everything = window.locator(".wg-model-row").count()
    assert everything > 50
    starter = window.locator("[data-model=starter]")
    assert "27.2 MB" in starter.inner_text()
    window.get_by_role("button", name="On disk", exact=True).click()
    assert window.locator(".wg-model-row").count() < everything
    window.get_by_role("button", name="All", exact=True).click()
    window.fill("#models_search", "vace 1.3b")
    assert window.locator(".wg-model-row h3").all_inner_texts() == ["Wan2.1 VACE 1.3B"]


def test_a_download_that_fails_says_why_and_is_dismissed(open_window: OpenWindow) -> None:
    window = open_window()
    window.evaluate("wangp.tab('models')")
    window.fill("#models_search", "vace 1.3b")
    window.get_by_role("button", name="Download").click()
    window.wait_for_selector(".wg-load .wg-error")
    assert window.locator(".wg-load .wg-error").inner_text()
    window.get_by_role("button", name="Dismiss").click()
    window.wait_for_selector(".wg-load", state="detached")
