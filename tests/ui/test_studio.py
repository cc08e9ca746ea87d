"""The studio as a new user walks through it: one program, one window, step after step.

With WANGP_SCREENSHOTS=FOLDER each part leaves its pictures there.
"""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from shared.media.video_write import write_video
from tests.fakes.served import Server, wait_ready, watch_faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RUN_MS = 240_000
WAN = "t2v_1.3B"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The program with three LoRA files for Wan 1.3B."""
    folder = tmp_path_factory.mktemp("studio")
    for name in ("ink.safetensors", "people/ada.safetensors", "smooth.safetensors"):
        path = folder / "loras" / "wan_1.3B" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    running = Server(folder, "--loras", str(folder / "loras"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def faults() -> list[str]:
    return []


@pytest.fixture(scope="module")
def window(chromium: Browser, server: Server, faults: list[str]) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, accept_downloads=True, permissions=["camera", "notifications"]
    )
    page = context.new_page()
    page.set_default_timeout(45_000)
    watch_faults(page, server.url, faults)
    page.goto(server.url)
    wait_ready(page)
    yield page
    context.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames that grow brighter."""
    path = tmp_path_factory.mktemp("media") / "growing.mp4"
    write_video(np.stack([np.full((96, 128, 3), 12 * number, np.uint8) for number in range(20)]), path, fps=8)
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "picture.png"
    Image.new("RGB", (128, 128), "red").save(path)
    return path


def keep(window: Page, name: str) -> None:
    """A screenshot, where somebody wants them."""
    folder = os.environ.get("WANGP_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        window.screenshot(path=Path(folder) / f"{name}.png")


def value(window: Page, name: str) -> Any:
    return window.evaluate("name => wangp.value(name)", name)


def wait_value(window: Page, name: str, wanted: Any) -> None:
    window.wait_for_function(
        "([name, wanted]) => JSON.stringify(wangp.value(name)) === JSON.stringify(wanted)", arg=[name, wanted]
    )


def wait_file(window: Page, name: str) -> None:
    window.wait_for_function("name => wangp.fileOf(name)?.path", arg=name)


def set_number(window: Page, name: str, number: int) -> None:
    field = f"#{name} input[type=number]"
    window.fill(field, str(number))
    window.press(field, "Tab")


def choose_model(window: Page, model: str) -> None:
    window.click("#find_model")
    window.click(f".wg-find[data-model='{model}']")
    window.wait_for_function("model => wangp.model.model_type === model", arg=model)


def found(window: Page) -> list[str]:
    return window.eval_on_selector_all(".wg-find", "rows => rows.map((row) => row.dataset.model)")


def chip(window: Page, group: str, label: str) -> None:
    window.get_by_role("group", name=group).get_by_role("button", name=label).click()


def media_tool(window: Page, name: str, label: str) -> None:
    window.hover(f"#{name}")
    window.locator(f"#{name} .wg-media-tools").get_by_role("button", name=label).click()


def queued(server: Server) -> list[dict[str, Any]]:
    """The settings of the waiting tasks."""
    with zipfile.ZipFile(io.BytesIO(server.get("/wangp/queue.zip"))) as archive:
        return [entry["params"] for entry in json.loads(archive.read("queue.json"))]


def test_one_click_makes_the_first_clip_and_nothing_jumps(window: Page, server: Server) -> None:
    places = "() => ['prompt', 'generate', 'wangp-side', 'main_settings'].map((id) => { const box ="
    places += " document.getElementById(id).getBoundingClientRect(); return [box.left, box.top, box.width]; })"
    before = window.evaluate(places)
    keep(window, "1-first-visit")
    window.click("#generate")
    window.wait_for_function("document.querySelector('.wg-phase').textContent.includes('step')", timeout=RUN_MS)
    keep(window, "1-running")
    during = window.evaluate(places)
    window.wait_for_selector(".wg-view video", timeout=RUN_MS)
    keep(window, "1-first-clip")
    assert before == during == window.evaluate(places)
    assert len(server.results()) == 1


# 1. Finding a model


def test_the_finder_lists_every_model_with_its_state(window: Page) -> None:
    window.click("#find_model")
    window.wait_for_selector(".wg-find")
    assert len(found(window)) > 60
    starter = window.locator(".wg-find[data-model=starter]")
    assert starter.get_attribute("aria-current") == "true"
    assert "ready to use" in starter.inner_text() and "MB on disk" in starter.inner_text()
    assert "not on disk" in window.locator(f".wg-find[data-model='{WAN}']").inner_text()
    keep(window, "2-finder")


def test_the_typical_time_of_a_model_is_known_after_a_run(window: Page) -> None:
    assert "a result here" in window.locator(".wg-find[data-model=starter] .wg-facts").inner_text()


def test_a_model_looked_at_tells_its_need_of_memory(window: Page) -> None:
    window.hover(".wg-find[data-model=starter]")
    window.wait_for_function(
        "document.querySelector('.wg-find[data-model=starter] .wg-facts').textContent.includes('GB memory')"
    )


def test_a_finetune_stands_below_its_base(window: Page) -> None:
    models = found(window)
    assert models.index("i2v_720p") == models.index("i2v") + 1
    assert "a finetune of" in window.locator(".wg-find[data-model=i2v_720p]").inner_text()


def test_typing_narrows_the_list(window: Page) -> None:
    window.fill(".wg-finder input[type=search]", "vace 14b")
    assert set(found(window)) == {"vace_14B", "vace_14B_2_2"}
    window.fill(".wg-finder input[type=search]", "")


def test_filters_by_what_a_model_makes_and_takes(window: Page) -> None:
    chip(window, "Makes", "sound")
    sound = found(window)
    assert "ace_step_v1_5" in sound and "starter" not in sound
    chip(window, "Makes", "sound")
    chip(window, "Takes", "sound")
    assert all(model != "starter" for model in found(window))
    chip(window, "Takes", "sound")


def test_the_models_on_disk_alone(window: Page) -> None:
    window.get_by_role("button", name="On disk only").click()
    assert found(window) == ["starter"]
    window.get_by_role("button", name="On disk only").click()


def test_three_clicks_lead_to_any_finetune(window: Page) -> None:
    window.keyboard.press("Escape")
    window.click("#find_model")
    window.get_by_role("group", name="All families").get_by_text("Stable Diffusion XL").click()
    window.click(".wg-find[data-model=juggernaut_xl]")
    window.wait_for_function("wangp.model.model_type === 'juggernaut_xl'")
    assert "Juggernaut" in window.inner_text("#find_model")


def test_the_keyboard_alone_chooses_a_model(window: Page) -> None:
    window.keyboard.press("Control+k")
    window.wait_for_selector(".wg-finder[open]")
    window.get_by_role("button", name="All families").click()
    window.focus(".wg-finder input[type=search]")
    window.keyboard.type("starter")
    window.keyboard.press("Enter")
    window.wait_for_function("wangp.model.model_type === 'starter'")


# 2. The form


def test_what_a_new_model_does_not_use_is_told(window: Page) -> None:
    window.fill("#prompt textarea", "a lighthouse at dusk")
    set_number(window, "video_length", 33)
    choose_model(window, "sdxl")
    window.wait_for_function("document.body.textContent.includes('does not use: Length')")
    assert window.input_value("#prompt textarea") == "a lighthouse at dusk"
    choose_model(window, "starter")


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


def test_a_change_is_marked_within_a_tenth_of_a_second(window: Page) -> None:
    """Beyond the frames that the browser takes here anyway, which are long where others use the machine."""
    waited = sorted(window.evaluate(FRAMES) for _ in range(20))
    taken = sorted(window.evaluate(CHANGE, number) for number in range(21, 41))
    assert taken[18] < 100 + waited[18]


def test_one_setting_is_put_back(window: Page) -> None:
    keep(window, "3-changed")
    window.click("#num_inference_steps .wg-put-back")
    wait_value(window, "num_inference_steps", 20)
    window.wait_for_selector("#num_inference_steps.wg-changed", state="detached")


def test_all_settings_are_put_back_and_the_prompt_stays(window: Page) -> None:
    window.fill("#prompt textarea", "a lighthouse at dusk")
    set_number(window, "guidance_scale", 7)
    set_number(window, "num_inference_steps", 9)
    window.wait_for_function("document.getElementById('put_back').textContent === '2 changed'")
    window.click("#put_back")
    wait_value(window, "num_inference_steps", 20)
    wait_value(window, "guidance_scale", 4)
    assert window.input_value("#prompt textarea") == "a lighthouse at dusk"


def test_several_lines_say_what_they_will_make(window: Page) -> None:
    window.fill("#prompt textarea", "a red ball\n\na blue star\n\na green ring")
    window.wait_for_function("document.querySelector('.wg-lines')?.textContent.includes('3 results')")
    window.select_option(".wg-lines select", "W")
    window.wait_for_function("document.querySelector('.wg-lines').textContent.includes('3 windows')")
    wait_value(window, "multi_prompts_gen_type", "W")
    keep(window, "3-lines")
    window.click("#put_back")
    wait_value(window, "multi_prompts_gen_type", "PG")


def test_variables_are_written_by_a_small_form(window: Page) -> None:
    window.fill("#prompt textarea", "a big {Colour} ball moving right")
    window.get_by_role("button", name="Variables").click()
    window.get_by_label("Name, such as Subject").fill("Colour")
    window.get_by_label("One value a line").fill("red\nblue")
    window.get_by_role("button", name="Put into the prompt").click()
    window.wait_for_function("wangp.value('prompt').startsWith('!{Colour}=\"red\",\"blue\"')")
    window.wait_for_function("document.querySelector('.wg-lines').textContent.includes('2 results')")


def test_a_wildcard_goes_to_the_cursor(window: Page) -> None:
    window.fill("#prompt textarea", "a")
    window.get_by_role("button", name="Wildcards").click()
    window.locator(".wg-picks button").filter(has_text="colour").first.click()
    window.wait_for_function("/^a __.*colour.*__$/.test(wangp.value('prompt'))")


def test_an_unknown_wildcard_is_told(window: Page) -> None:
    window.fill("#prompt textarea", "a __no_such_list__ ball")
    window.wait_for_function("document.querySelector('.wg-lines').textContent.includes('no_such_list')")


def test_a_prompt_of_before_comes_back(window: Page) -> None:
    window.get_by_role("button", name="History").click()
    window.get_by_label("Search the prompts").fill("red ball")
    window.locator(".wg-picks button").first.click()
    wait_value(window, "prompt", "a big red ball moving right in front of a blue sky")


def test_a_copied_picture_is_pasted(window: Page, picture: Path) -> None:
    window.hover("#image_end")
    window.evaluate(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "copied.png", { type: "image/png" }));
            dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
        }""",
        base64.b64encode(picture.read_bytes()).decode(),
    )
    wait_file(window, "image_end")
    assert window.locator("#image_end img").count() == 1


def test_the_camera_gives_a_picture(window: Page) -> None:
    media_tool(window, "image_start", "Camera")
    window.wait_for_function("document.querySelector('.wg-camera')?.videoWidth > 0")
    keep(window, "4-camera")
    window.get_by_role("button", name="Take the picture").click()
    wait_file(window, "image_start")
    window.click("#image_start button[aria-label='Remove Image'], #image_start button[aria-label='Clear']")
    window.wait_for_function("!wangp.fileOf('image_start')")


def test_a_frame_of_a_result_becomes_the_start_image(window: Page) -> None:
    media_tool(window, "image_start", "From the gallery")
    window.click(".wg-take .wg-tile")
    window.wait_for_selector(".wg-clip-frame")
    window.locator(".wg-clip-slider input[type=number]").fill("5")
    window.keyboard.press("Tab")
    window.wait_for_function("document.querySelector('dialog[open] .wg-facts').textContent.includes('Frame 5 of 17')")
    keep(window, "4-frame")
    window.get_by_role("button", name="Use this frame").click()
    wait_file(window, "image_start")
    assert "_4.png" in window.evaluate("wangp.fileOf('image_start').path")


def test_a_clip_is_cut_in_place(window: Page, server: Server, clip: Path) -> None:
    window.set_input_files("#video_guide input[type=file]", clip)
    wait_file(window, "video_guide")
    media_tool(window, "video_guide", "Use a part")
    window.wait_for_selector(".wg-clip-frame")
    for label, number in (("First frame", "3"), ("Last frame", "10")):
        window.locator(f".wg-clip-slider input[type=number][aria-label='{label}']").fill(number)
        window.keyboard.press("Tab")
    keep(window, "4-trim")
    window.get_by_role("button", name="Use this part").click()
    window.wait_for_function("document.querySelector('#video_guide .wg-trim')?.textContent === '3 – 10'")
    window.locator("[data-panel=queue]").get_by_label("Pause").click()
    window.locator("[data-panel=queue]").get_by_label("Resume").wait_for()
    window.click("#add_to_queue")
    window.wait_for_function("wangp.tasks.length === 1")
    (task,) = queued(server)
    assert str(task["video_guide"]).endswith(".mp4|start_frame=2,end_frame=9")


def test_a_reload_keeps_files_and_parts(window: Page) -> None:
    window.wait_for_function("sessionStorage.getItem('wangp-form')?.includes('page_trims')")
    window.reload()
    wait_ready(window)
    window.wait_for_function("document.querySelector('#video_guide .wg-trim')?.textContent === '3 – 10'")
    wait_file(window, "image_end")
    window.evaluate("wangp.command('remove', {id: wangp.tasks[0].id})")
    window.wait_for_function("wangp.tasks.length === 0")
    window.locator("[data-panel=queue]").get_by_label("Resume").click()


def test_a_mask_is_painted_over_the_picture(window: Page, picture: Path) -> None:
    window.get_by_label("A repainted picture").check()
    window.set_input_files("#image_guide input[type=file]", picture)
    wait_file(window, "image_guide")
    media_tool(window, "image_mask", "Paint the mask")
    box = window.locator(".wg-mask").bounding_box()
    assert box is not None
    window.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    window.mouse.down()
    window.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2, steps=4)
    window.mouse.up()
    keep(window, "4-mask")
    window.get_by_role("button", name="Use this mask").click()
    wait_file(window, "image_mask")
    path = Path(window.evaluate("wangp.fileOf('image_mask').path"))
    mask = np.asarray(Image.open(path).convert("L"))
    assert mask.shape == (128, 128)
    assert mask[64, 64] == 255 and mask[2, 2] == 0
    window.click("#reset")
    window.wait_for_function("!wangp.fileOf('image_guide')")


# 5. LoRA, presets, defaults


def test_loras_are_found_and_keep_their_strengths(window: Page) -> None:
    choose_model(window, WAN)
    window.click("#group_lora > button, #group_lora .label-wrap")
    window.get_by_role("button", name="ink").click()
    wait_value(window, "activated_loras", ["ink.safetensors"])
    window.fill("[data-panel=loras] input[type=search]", "ada")
    assert window.locator("[data-panel=loras] .wg-lora").count() == 1
    window.locator("[data-panel=loras] .wg-lora").click()
    wait_value(window, "activated_loras", ["ink.safetensors", "people/ada.safetensors"])
    window.get_by_label("Strength of ada").fill("0.6")
    window.keyboard.press("Tab")
    wait_value(window, "loras_multipliers", "1 0.6")
    keep(window, "5-loras")


def test_phases_and_lists_are_behind_advanced(window: Page) -> None:
    assert not window.locator("#loras_multipliers").is_visible()
    window.get_by_label("Advanced: phases").check()
    assert window.locator("#loras_multipliers textarea").input_value() == "1 0.6"
    window.get_by_label("Advanced: phases").uncheck()


def test_loras_are_kept_as_a_preset(window: Page, server: Server) -> None:
    window.click("#keep_preset")
    window.get_by_label("Name of the preset").fill("ink people")
    window.get_by_label("Only the LoRAs").check()
    window.get_by_role("dialog").get_by_role("button", name="Keep as a preset").click()
    window.wait_for_function("wangp.model.presets.some((preset) => preset.file === 'ink people.lset')")
    kept = json.loads((server.folder / "loras" / "wan_1.3B" / "ink people.lset").read_text())
    assert kept["loras"] == ["ink.safetensors", "people/ada.safetensors"]


def test_a_preset_is_laid_over_the_form(window: Page) -> None:
    window.get_by_role("button", name="Remove ink").click()
    wait_value(window, "activated_loras", ["people/ada.safetensors"])
    window.get_by_role("button", name="Remove ada").click()
    wait_value(window, "activated_loras", [])
    window.select_option("#presets", "ink people.lset")
    wait_value(window, "activated_loras", ["ink.safetensors", "people/ada.safetensors"])


def test_a_preset_is_deleted(window: Page, server: Server) -> None:
    window.once("dialog", lambda dialog: dialog.accept())
    window.get_by_role("button", name="Delete this preset").click()
    window.wait_for_function("!wangp.model.presets.some((preset) => preset.file === 'ink people.lset')")
    assert not (server.folder / "loras" / "wan_1.3B" / "ink people.lset").exists()


def test_the_whole_form_is_kept_as_a_preset(window: Page) -> None:
    set_number(window, "num_inference_steps", 13)
    window.click("#keep_preset")
    window.get_by_label("Name of the preset").fill("thirteen")
    window.get_by_role("dialog").get_by_role("button", name="Keep as a preset").click()
    window.wait_for_function("wangp.model.presets.some((preset) => preset.file === 'thirteen.json')")
    set_number(window, "num_inference_steps", 40)
    wait_value(window, "num_inference_steps", 40)
    window.select_option("#presets", "thirteen.json")
    wait_value(window, "num_inference_steps", 13)


def test_an_accelerator_sets_what_goes_with_it(window: Page) -> None:
    choices = window.locator("#presets optgroup[label=accelerator] option")
    assert choices.count() > 0
    window.select_option("#presets", choices.first.get_attribute("value"))
    window.wait_for_function("wangp.value('num_inference_steps') < 13")
    assert window.locator("[data-panel=loras] .wg-lora-row small").inner_text().strip() == "accelerator"


def test_the_form_becomes_the_models_default(window: Page, server: Server) -> None:
    choose_model(window, "starter")
    set_number(window, "num_inference_steps", 12)
    wait_value(window, "num_inference_steps", 12)
    window.click("#save_default")
    window.wait_for_function("wangp.model.defaults.num_inference_steps === 12")
    assert window.locator("#num_inference_steps.wg-changed").count() == 0
    (server.folder / "settings" / "starter_settings.json").unlink()


# 6. Settings of the program


def test_the_settings_open_as_a_tab_with_an_address(window: Page) -> None:
    window.get_by_role("tab", name="Settings").click()
    window.wait_for_selector("#section_network")
    assert window.url.endswith("#settings")
    keep(window, "6-settings")


def test_the_settings_tell_this_machines_memory(window: Page) -> None:
    assert "main memory" in window.inner_text(".wg-machine")


def test_a_setting_is_saved_to_the_file(window: Page, server: Server) -> None:
    window.select_option("#config_image_output_codec", label="PNG")
    window.wait_for_function("document.querySelector('.wg-settings-foot').textContent.includes('1 changed')")
    window.get_by_role("button", name="Save", exact=True).click()
    window.wait_for_function("document.body.textContent.includes('The settings are saved.')")
    assert json.loads((server.folder / "wgp_config.json").read_text())["image_output_codec"] == "png"


def test_a_value_that_is_not_accepted_is_told_at_its_place(window: Page, server: Server) -> None:
    window.fill("#config_server_port", "70000")
    with window.expect_response(lambda answer: answer.url.endswith("/wangp/config") and answer.status == 422):
        window.get_by_role("button", name="Save", exact=True).click()
    window.wait_for_function(
        "document.querySelector('[data-setting=server_port] [role=alert]').textContent.includes('70000')"
    )
    assert "server_port" not in json.loads((server.folder / "wgp_config.json").read_text())


def test_what_needs_a_restart_is_told(window: Page) -> None:
    assert "needs a restart" in window.inner_text("[data-setting=server_port]")
    window.fill("#config_server_port", "7861")
    window.get_by_role("button", name="Save", exact=True).click()
    window.wait_for_function(
        "document.querySelector('.wg-settings-foot').textContent.includes('A restart brings it into force')"
    )


def test_a_flag_of_this_run_cannot_be_overruled(window: Page) -> None:
    assert window.locator("#config_loras_root").is_disabled()
    assert "set by a flag" in window.inner_text("[data-setting=loras_root]")


def test_a_secret_is_never_shown(window: Page, server: Server) -> None:
    window.fill("#config_hf_token", "hf_secret")
    window.get_by_role("button", name="Save", exact=True).click()
    window.wait_for_function("document.querySelector('#config_hf_token').placeholder.startsWith('set')")
    assert b"hf_secret" not in server.get("/wangp/config")
    assert json.loads((server.folder / "wgp_config.json").read_text())["hf_token"] == "hf_secret"


def test_back_and_forward_lead_through_the_tabs(window: Page) -> None:
    window.go_back()
    window.wait_for_function("wangp.shownTab() === 'generator'")
    window.go_forward()
    window.wait_for_function("wangp.shownTab() === 'settings'")


# 8. Guides and languages


def test_an_example_fills_the_form_with_its_pictures(window: Page) -> None:
    window.get_by_role("tab", name="Guides").click()
    window.wait_for_selector(".wg-example")
    keep(window, "8-guides")
    window.get_by_role("button", name="Load: From one picture to another").click()
    wait_file(window, "image_start")
    wait_file(window, "image_end")
    assert window.evaluate("wangp.shownTab()") == "generator"
    assert value(window, "seed") == 8


def test_about_tells_versions_and_hardware(window: Page) -> None:
    window.get_by_role("tab", name="Guides").click()
    window.wait_for_function("document.querySelector('.wg-about').textContent.includes('gradio')")
    assert "Processor cores" in window.inner_text(".wg-about")


def test_the_page_turns_to_chinese_and_back(window: Page) -> None:
    window.click(".wg-language")
    window.wait_for_function("window.wangp?.language === 'zh' && wangp.model && wangp.tasks")
    assert (window.text_content("#generate") or "").strip() == "生成"
    window.wait_for_function("document.querySelector('#num_inference_steps')?.textContent.includes('步数')")
    assert window.get_by_role("tab", name="设置").count() == 1
    keep(window, "8-chinese")
    window.click(".wg-language")
    window.wait_for_function("window.wangp?.language === 'en' && wangp.model && wangp.tasks")
    assert (window.text_content("#generate") or "").strip() == "Generate"


# 9. Manners

NAMELESS = """() => [...document.querySelectorAll("input, select, textarea, button, [role=button], a[href]")]
    .filter((one) => one.type !== "hidden" && one.checkVisibility({ visibilityProperty: true })
        && !one.closest("[aria-hidden=true]"))
    .filter((one) => !(one.getAttribute("aria-label") || one.title || one.innerText?.trim() || one.placeholder
        || one.labels?.length || one.getAttribute("aria-labelledby") || one.querySelector("img[alt]:not([alt=''])")))
    .map((one) => one.outerHTML.slice(0, 160))"""


def test_every_control_of_every_tab_has_a_name(window: Page) -> None:
    for group in window.locator("#wangp-form .wg-group > button, #wangp-form .wg-group .label-wrap").all():
        if group.is_visible() and group.get_attribute("aria-expanded") != "true":
            group.click()
    for tab in window.locator("#main_tabs > .tab-wrapper [role=tablist] [role=tab]").all():
        tab.click()
        window.wait_for_timeout(300)
        assert window.evaluate(NAMELESS) == [], tab.inner_text()
    window.get_by_role("tab", name="Create").click()


def test_the_end_of_a_task_is_told_to_who_wants_it(window: Page) -> None:
    window.get_by_role("tab", name="Settings").click()
    window.get_by_label("Message of the desktop").check()
    assert window.evaluate("localStorage.getItem('wangp-notify')") == "1"
    told = window.evaluate(
        """() => {
            const told = [];
            window.Notification = class { constructor(title, more) { told.push(more.body); } };
            Notification.permission = "granted";
            Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
            const task = { client_id: "page-" + wangp.token, task_id: 7 };
            wangp.emit("finished", { ...task, outcome: "completed" });
            wangp.emit("finished", { client_id: "someone else", task_id: 8, outcome: "completed" });
            delete document.visibilityState;
            return told;
        }"""
    )
    assert told == ["Task 7 is done."]
    window.get_by_label("Message of the desktop").uncheck()


def test_dark_and_light_are_remembered(window: Page) -> None:
    window.get_by_role("tab", name="Create").click()
    window.get_by_role("button", name="Light or dark").first.click()
    assert window.evaluate("document.documentElement.classList.contains('dark')")
    keep(window, "9-dark")
    window.reload()
    wait_ready(window)
    assert window.evaluate("document.documentElement.classList.contains('dark')")
    window.get_by_role("button", name="Light or dark").first.click()


OUTSIDE = """() => [...document.querySelectorAll("h1, h2, h3, p, button, input, select, textarea")]
    .filter((one) => one.checkVisibility() && !one.closest("[role=tablist], .wg-sections, [aria-hidden=true], dialog"))
    .filter((one) => { const box = one.getBoundingClientRect();
        return box.width > 1 && (box.left < -1 || box.right > innerWidth + 1); })
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 768), (1920, 1080)])
def test_it_fits_every_screen(window: Page, width: int, height: int) -> None:
    window.set_viewport_size({"width": width, "height": height})
    for tab in ("generator", "settings", "guides"):
        window.evaluate("id => wangp.tab(id)", tab)
        window.wait_for_function("id => wangp.shownTab() === id", arg=tab)
        window.wait_for_timeout(200)
        keep(window, f"9-{tab}-{width}")
        assert window.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
        assert window.evaluate(OUTSIDE) == [], tab
    window.evaluate("wangp.tab('generator')")
    window.wait_for_function("wangp.shownTab() === 'generator'")
    box = window.locator("#generate").bounding_box()
    prompt = window.locator("#prompt textarea").bounding_box()
    assert box is not None and prompt is not None
    assert prompt["y"] + prompt["height"] <= box["y"] and box["y"] + box["height"] <= height


def test_no_script_failed_and_no_request(faults: list[str]) -> None:
    refused = [fault for fault in faults if "/wangp/config" in fault or "422" in fault]
    assert [fault for fault in faults if fault not in refused] == []
    assert len(refused) <= 2  # the value that was not accepted: the answer, and the browser's word of it


def test_a_restart_ends_with_the_code_that_starts_it_again(server: Server, window: Page) -> None:
    window.evaluate("fetch(wangp.url('restart'), { method: 'POST' })")
    assert server.process.wait(30) == 42
