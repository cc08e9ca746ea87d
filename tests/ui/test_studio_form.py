"""The studio as a new user meets it: the first clip, the finder, the form, pictures and clips.

With WANGP_SCREENSHOTS=FOLDER each part leaves its pictures there.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.fakes.served import wait_ready
from tests.fakes.studio import (
    RUN_MS,
    WAN,
    chip,
    choose_model,
    found,
    keep,
    media_tool,
    queued,
    set_number,
    wait_file,
    wait_value,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.fakes.served import Server

pytestmark = pytest.mark.browser


def test_one_click_makes_the_first_clip_and_nothing_jumps(studio: Page, studio_server: Server) -> None:
    places = "() => ['prompt', 'generate', 'wangp-side', 'main_settings'].map((id) => { const box ="
    places += " document.getElementById(id).getBoundingClientRect(); return [box.left, box.top, box.width]; })"
    before = studio.evaluate(places)
    keep(studio, "1-first-visit")
    studio.click("#generate")
    studio.wait_for_function("document.querySelector('.wg-phase').textContent.includes('step')", timeout=RUN_MS)
    keep(studio, "1-running")
    during = studio.evaluate(places)
    studio.wait_for_selector(".wg-view video", timeout=RUN_MS)
    keep(studio, "1-first-clip")
    assert before == during == studio.evaluate(places)
    assert len(studio_server.results()) == 1


# 1. Finding a model


def test_the_finder_lists_every_model_with_its_state(studio: Page) -> None:
    studio.click("#find_model")
    studio.wait_for_selector(".wg-find")
    assert len(found(studio)) > 60
    starter = studio.locator(".wg-find[data-model=starter]")
    assert starter.get_attribute("aria-current") == "true"
    assert "ready to use" in starter.inner_text() and "MB on disk" in starter.inner_text()
    assert "not on disk" in studio.locator(f".wg-find[data-model='{WAN}']").inner_text()
    keep(studio, "2-finder")


def test_the_typical_time_of_a_model_is_known_after_a_run(studio: Page) -> None:
    assert "a result here" in studio.locator(".wg-find[data-model=starter] .wg-facts").inner_text()


def test_a_model_looked_at_tells_its_need_of_memory(studio: Page) -> None:
    studio.hover(".wg-find[data-model=starter]")
    studio.wait_for_function(
        "document.querySelector('.wg-find[data-model=starter] .wg-facts').textContent.includes('GB memory')"
    )


def test_a_finetune_stands_below_its_base(studio: Page) -> None:
    models = found(studio)
    assert models.index("i2v_720p") == models.index("i2v") + 1
    assert "a finetune of" in studio.locator(".wg-find[data-model=i2v_720p]").inner_text()


def test_typing_narrows_the_list(studio: Page) -> None:
    studio.fill(".wg-finder input[type=search]", "vace 14b")
    assert set(found(studio)) == {"vace_14B", "vace_14B_2_2"}
    studio.fill(".wg-finder input[type=search]", "")


def test_filters_by_what_a_model_makes_and_takes(studio: Page) -> None:
    chip(studio, "Makes", "sound")
    sound = found(studio)
    assert "ace_step_v1_5" in sound and "starter" not in sound
    chip(studio, "Makes", "sound")
    chip(studio, "Takes", "sound")
    assert all(model != "starter" for model in found(studio))
    chip(studio, "Takes", "sound")


def test_the_models_on_disk_alone(studio: Page) -> None:
    studio.get_by_role("button", name="On disk only").click()
    assert found(studio) == ["starter"]
    studio.get_by_role("button", name="On disk only").click()


def test_three_clicks_lead_to_any_finetune(studio: Page) -> None:
    studio.keyboard.press("Escape")
    studio.click("#find_model")
    studio.get_by_role("group", name="All families").get_by_text("Stable Diffusion XL").click()
    studio.click(".wg-find[data-model=juggernaut_xl]")
    studio.wait_for_function("wangp.model.model_type === 'juggernaut_xl'")
    assert "Juggernaut" in studio.inner_text("#find_model")


def test_the_keyboard_alone_chooses_a_model(studio: Page) -> None:
    studio.keyboard.press("Control+k")
    studio.wait_for_selector(".wg-finder[open]")
    studio.get_by_role("button", name="All families").click()
    studio.focus(".wg-finder input[type=search]")
    studio.keyboard.type("starter")
    studio.keyboard.press("Enter")
    studio.wait_for_function("wangp.model.model_type === 'starter'")


# 2. The form


def test_what_a_new_model_does_not_use_is_told(studio: Page) -> None:
    studio.fill("#prompt textarea", "a lighthouse at dusk")
    set_number(studio, "video_length", 33)
    choose_model(studio, "sdxl")
    studio.wait_for_function("document.body.textContent.includes('does not use: Length')")
    assert studio.input_value("#prompt textarea") == "a lighthouse at dusk"
    choose_model(studio, "starter")


CHANGE = """async (number) => {
    const field = document.querySelector("#num_inference_steps input[type=number]");
    const start = performance.now();
    field.value = number;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    while (wangp.value("num_inference_steps") !== number
           || !document.querySelector("#num_inference_steps.wg-changed")) {
        await new Promise(requestAnimationFrame);
    }
    return performance.now() - start;
}"""
FRAMES = """async () => {
    const start = performance.now();
    for (let count = 0; count < 3; count++) await new Promise(requestAnimationFrame);
    return performance.now() - start;
}"""


def test_a_change_is_marked_within_a_tenth_of_a_second(studio: Page) -> None:
    """Beyond the frames that the browser takes here anyway, which are long where others use the machine."""
    waited = sorted(studio.evaluate(FRAMES) for _ in range(20))
    taken = sorted(studio.evaluate(CHANGE, number) for number in range(21, 41))
    assert taken[18] < 100 + waited[18]


def test_one_setting_is_put_back(studio: Page) -> None:
    keep(studio, "3-changed")
    studio.click("#num_inference_steps .wg-put-back")
    wait_value(studio, "num_inference_steps", 20)
    studio.wait_for_selector("#num_inference_steps.wg-changed", state="detached")


def test_all_settings_are_put_back_and_the_prompt_stays(studio: Page) -> None:
    studio.fill("#prompt textarea", "a lighthouse at dusk")
    set_number(studio, "guidance_scale", 7)
    set_number(studio, "num_inference_steps", 9)
    studio.wait_for_function("document.getElementById('put_back').textContent === '2 changed'")
    studio.click("#put_back")
    wait_value(studio, "num_inference_steps", 20)
    wait_value(studio, "guidance_scale", 2.5)
    assert studio.input_value("#prompt textarea") == "a lighthouse at dusk"


def test_several_lines_say_what_they_will_make(studio: Page) -> None:
    studio.fill("#prompt textarea", "a red ball\n\na blue star\n\na green ring")
    studio.wait_for_function("document.querySelector('.wg-lines')?.textContent.includes('3 results')")
    studio.select_option(".wg-lines select", "W")
    studio.wait_for_function("document.querySelector('.wg-lines').textContent.includes('3 windows')")
    wait_value(studio, "multi_prompts_gen_type", "W")
    keep(studio, "3-lines")
    studio.click("#put_back")
    wait_value(studio, "multi_prompts_gen_type", "PG")


def test_variables_are_written_by_a_small_form(studio: Page) -> None:
    studio.fill("#prompt textarea", "a big {Colour} ball moving right")
    studio.get_by_role("button", name="Variables").click()
    studio.get_by_label("Name, such as Subject").fill("Colour")
    studio.get_by_label("One value a line").fill("red\nblue")
    studio.get_by_role("button", name="Put into the prompt").click()
    studio.wait_for_function("wangp.value('prompt').startsWith('!{Colour}=\"red\",\"blue\"')")
    studio.wait_for_function("document.querySelector('.wg-lines').textContent.includes('2 results')")


def test_a_wildcard_goes_to_the_cursor(studio: Page) -> None:
    studio.fill("#prompt textarea", "a")
    studio.get_by_role("button", name="Wildcards").click()
    studio.locator(".wg-picks button").filter(has_text="colour").first.click()
    studio.wait_for_function("/^a __.*colour.*__$/.test(wangp.value('prompt'))")


def test_an_unknown_wildcard_is_told(studio: Page) -> None:
    studio.fill("#prompt textarea", "a __no_such_list__ ball")
    studio.wait_for_function("document.querySelector('.wg-lines').textContent.includes('no_such_list')")


def test_a_prompt_of_before_comes_back(studio: Page) -> None:
    studio.get_by_role("button", name="History").click()
    studio.get_by_label("Search the prompts").fill("red ball")
    studio.locator(".wg-picks button").first.click()
    wait_value(studio, "prompt", "a big red ball moving right in front of a blue sky")


def test_a_copied_picture_is_pasted(studio: Page, picture: Path) -> None:
    studio.hover("#image_end")
    studio.evaluate(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "copied.png", { type: "image/png" }));
            dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
        }""",
        base64.b64encode(picture.read_bytes()).decode(),
    )
    wait_file(studio, "image_end")
    assert studio.locator("#image_end img").count() == 1


def test_the_camera_gives_a_picture(studio: Page) -> None:
    media_tool(studio, "image_start", "Camera")
    studio.wait_for_function("document.querySelector('.wg-camera')?.videoWidth > 0")
    keep(studio, "4-camera")
    studio.get_by_role("button", name="Take the picture").click()
    wait_file(studio, "image_start")
    studio.click("#image_start button[aria-label='Remove Image'], #image_start button[aria-label='Clear']")
    studio.wait_for_function("!wangp.fileOf('image_start')")


def test_a_frame_of_a_result_becomes_the_start_image(studio: Page) -> None:
    media_tool(studio, "image_start", "From the gallery")
    studio.click(".wg-take .wg-tile")
    studio.wait_for_selector(".wg-clip-frame")
    studio.locator(".wg-clip-slider input[type=number]").fill("5")
    studio.keyboard.press("Tab")
    studio.wait_for_function("document.querySelector('dialog[open] .wg-facts').textContent.includes('Frame 5 of 17')")
    keep(studio, "4-frame")
    studio.get_by_role("button", name="Use this frame").click()
    wait_file(studio, "image_start")
    assert "_4.png" in studio.evaluate("wangp.fileOf('image_start').path")


def test_a_clip_is_cut_in_place(studio: Page, studio_server: Server, clip: Path) -> None:
    studio.set_input_files("#video_guide input[type=file]", clip)
    wait_file(studio, "video_guide")
    media_tool(studio, "video_guide", "Use a part")
    studio.wait_for_selector(".wg-clip-frame")
    for label, number in (("First frame", "3"), ("Last frame", "10")):
        studio.locator(f".wg-clip-slider input[type=number][aria-label='{label}']").fill(number)
        studio.keyboard.press("Tab")
    keep(studio, "4-trim")
    studio.get_by_role("button", name="Use this part").click()
    studio.wait_for_function("document.querySelector('#video_guide .wg-trim')?.textContent === '3 – 10'")
    studio.locator("[data-panel=queue]").get_by_label("Pause").click()
    studio.locator("[data-panel=queue]").get_by_label("Resume").wait_for()
    studio.click("#add_to_queue")
    studio.wait_for_function("wangp.tasks.length === 1")
    (task,) = queued(studio_server)
    assert str(task["video_guide"]).endswith(".mp4|start_frame=2,end_frame=9")


def test_a_reload_keeps_files_and_parts(studio: Page) -> None:
    studio.wait_for_function("sessionStorage.getItem('wangp-form')?.includes('page_trims')")
    studio.reload()
    wait_ready(studio)
    studio.wait_for_function("document.querySelector('#video_guide .wg-trim')?.textContent === '3 – 10'")
    wait_file(studio, "image_end")
    studio.evaluate("wangp.command('remove', {id: wangp.tasks[0].id})")
    studio.wait_for_function("wangp.tasks.length === 0")
    studio.locator("[data-panel=queue]").get_by_label("Resume").click()


def test_a_mask_is_painted_over_the_picture(studio: Page, picture: Path) -> None:
    studio.get_by_label("A repainted picture").check()
    studio.set_input_files("#image_guide input[type=file]", picture)
    wait_file(studio, "image_guide")
    media_tool(studio, "image_mask", "Paint the mask")
    box = studio.locator(".wg-mask").bounding_box()
    assert box is not None
    studio.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    studio.mouse.down()
    studio.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2, steps=4)
    studio.mouse.up()
    keep(studio, "4-mask")
    studio.get_by_role("button", name="Use this mask").click()
    wait_file(studio, "image_mask")
    path = Path(studio.evaluate("wangp.fileOf('image_mask').path"))
    mask = np.asarray(Image.open(path).convert("L"))
    assert mask.shape == (128, 128)
    assert mask[64, 64] == 255 and mask[2, 2] == 0
    studio.click("#reset")
    studio.wait_for_function("!wangp.fileOf('image_guide')")
