"""The studio, further on: LoRAs, presets, the settings of the program, guides, languages, manners.

With WANGP_SCREENSHOTS=FOLDER each part leaves its pictures there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes.served import wait_ready
from tests.fakes.studio import WAN, choose_model, keep, set_number, value, wait_file, wait_value

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.fakes.served import Server

pytestmark = pytest.mark.browser


# 5. LoRA, presets, defaults


def test_loras_are_found_and_keep_their_strengths(studio: Page) -> None:
    choose_model(studio, WAN)
    studio.click("#group_lora > button, #group_lora .label-wrap")
    studio.get_by_role("button", name="ink").click()
    wait_value(studio, "activated_loras", ["ink.safetensors"])
    studio.fill("[data-panel=loras] input[type=search]", "ada")
    assert studio.locator("[data-panel=loras] .wg-lora").count() == 1
    studio.locator("[data-panel=loras] .wg-lora").click()
    wait_value(studio, "activated_loras", ["ink.safetensors", "people/ada.safetensors"])
    studio.get_by_label("Strength of ada").fill("0.6")
    studio.keyboard.press("Tab")
    wait_value(studio, "loras_multipliers", "1 0.6")
    keep(studio, "5-loras")


def test_phases_and_lists_are_behind_advanced(studio: Page) -> None:
    assert not studio.locator("#loras_multipliers").is_visible()
    studio.get_by_label("Advanced: phases").check()
    assert studio.locator("#loras_multipliers textarea").input_value() == "1 0.6"
    studio.get_by_label("Advanced: phases").uncheck()


def test_loras_are_kept_as_a_preset(studio: Page, studio_server: Server) -> None:
    studio.click("#keep_preset")
    studio.get_by_label("Name of the preset").fill("ink people")
    studio.get_by_label("Only the LoRAs").check()
    studio.get_by_role("dialog").get_by_role("button", name="Keep as a preset").click()
    studio.wait_for_function("wangp.model.presets.some((preset) => preset.file === 'ink people.lset')")
    kept = json.loads((studio_server.folder / "loras" / "wan_1.3B" / "ink people.lset").read_text())
    assert kept["loras"] == ["ink.safetensors", "people/ada.safetensors"]


def test_a_preset_is_laid_over_the_form(studio: Page) -> None:
    studio.get_by_role("button", name="Remove ink").click()
    wait_value(studio, "activated_loras", ["people/ada.safetensors"])
    studio.get_by_role("button", name="Remove ada").click()
    wait_value(studio, "activated_loras", [])
    studio.select_option("#presets", "ink people.lset")
    wait_value(studio, "activated_loras", ["ink.safetensors", "people/ada.safetensors"])


def test_a_preset_is_deleted(studio: Page, studio_server: Server) -> None:
    studio.once("dialog", lambda dialog: dialog.accept())
    studio.get_by_role("button", name="Delete this preset").click()
    studio.wait_for_function("!wangp.model.presets.some((preset) => preset.file === 'ink people.lset')")
    assert not (studio_server.folder / "loras" / "wan_1.3B" / "ink people.lset").exists()


def test_the_whole_form_is_kept_as_a_preset(studio: Page) -> None:
    set_number(studio, "num_inference_steps", 13)
    studio.click("#keep_preset")
    studio.get_by_label("Name of the preset").fill("thirteen")
    studio.get_by_role("dialog").get_by_role("button", name="Keep as a preset").click()
    studio.wait_for_function("wangp.model.presets.some((preset) => preset.file === 'thirteen.json')")
    set_number(studio, "num_inference_steps", 40)
    wait_value(studio, "num_inference_steps", 40)
    studio.select_option("#presets", "thirteen.json")
    wait_value(studio, "num_inference_steps", 13)


def test_an_accelerator_sets_what_goes_with_it(studio: Page) -> None:
    choices = studio.locator("#presets optgroup[label=accelerator] option")
    assert choices.count() > 0
    studio.select_option("#presets", choices.first.get_attribute("value"))
    studio.wait_for_function("wangp.value('num_inference_steps') < 13")
    assert studio.locator("[data-panel=loras] .wg-lora-row small").inner_text().strip() == "accelerator"


def test_the_form_becomes_the_models_default(studio: Page, studio_server: Server) -> None:
    choose_model(studio, "starter")
    set_number(studio, "num_inference_steps", 12)
    wait_value(studio, "num_inference_steps", 12)
    studio.click("#save_default")
    studio.wait_for_function("wangp.model.defaults.num_inference_steps === 12")
    assert studio.locator("#num_inference_steps.wg-changed").count() == 0
    (studio_server.folder / "settings" / "starter_settings.json").unlink()


# 6. Settings of the program


def test_the_settings_open_as_a_tab_with_an_address(studio: Page) -> None:
    studio.get_by_role("tab", name="Settings").click()
    studio.wait_for_selector("#section_network")
    studio.wait_for_function("location.hash === '#settings'")
    keep(studio, "6-settings")


def test_the_settings_tell_this_machines_memory(studio: Page) -> None:
    assert "main memory" in studio.inner_text(".wg-machine")


def test_a_setting_is_saved_to_the_file(studio: Page, studio_server: Server) -> None:
    studio.select_option("#config_image_output_codec", label="PNG")
    studio.wait_for_function("document.querySelector('.wg-settings-foot').textContent.includes('1 changed')")
    studio.get_by_role("button", name="Save", exact=True).click()
    studio.wait_for_function("document.body.textContent.includes('The settings are saved.')")
    studio.wait_for_function("!document.querySelector('.wg-settings-foot').textContent.includes('changed')")
    assert json.loads((studio_server.folder / "wgp_config.json").read_text())["image_output_codec"] == "png"


def test_a_value_that_is_not_accepted_is_told_at_its_place(studio: Page, studio_server: Server) -> None:
    studio.fill("#config_server_port", "70000")
    with studio.expect_response(lambda answer: answer.url.endswith("/wangp/config") and answer.status == 422):
        studio.get_by_role("button", name="Save", exact=True).click()
    studio.wait_for_function(
        "document.querySelector('[data-setting=server_port] [role=alert]').textContent.includes('70000')"
    )
    assert "server_port" not in json.loads((studio_server.folder / "wgp_config.json").read_text())


def test_what_needs_a_restart_is_told(studio: Page) -> None:
    assert "needs a restart" in studio.inner_text("[data-setting=server_port]")
    studio.fill("#config_server_port", "7861")
    studio.get_by_role("button", name="Save", exact=True).click()
    studio.wait_for_function(
        "document.querySelector('.wg-settings-foot').textContent.includes('A restart brings it into force')"
    )


def test_a_flag_of_this_run_cannot_be_overruled(studio: Page) -> None:
    assert studio.locator("#config_loras_root").is_disabled()
    assert "set by a flag" in studio.inner_text("[data-setting=loras_root]")


def test_a_secret_is_never_shown(studio: Page, studio_server: Server) -> None:
    studio.fill("#config_hf_token", "hf_secret")
    studio.get_by_role("button", name="Save", exact=True).click()
    studio.wait_for_function("document.querySelector('#config_hf_token').placeholder.startsWith('set')")
    assert b"hf_secret" not in studio_server.get("/wangp/config")
    assert json.loads((studio_server.folder / "wgp_config.json").read_text())["hf_token"] == "hf_secret"


def test_back_and_forward_lead_through_the_tabs(studio: Page) -> None:
    studio.go_back()
    studio.wait_for_function("wangp.shownTab() === 'generator'")
    studio.go_forward()
    studio.wait_for_function("wangp.shownTab() === 'settings'")


# 8. Guides and languages


def test_an_example_fills_the_form_with_its_pictures(studio: Page) -> None:
    studio.get_by_role("tab", name="Guides").click()
    studio.wait_for_selector(".wg-example")
    keep(studio, "8-guides")
    studio.get_by_role("button", name="Load: From one picture to another").click()
    wait_file(studio, "image_start")
    wait_file(studio, "image_end")
    assert studio.evaluate("wangp.shownTab()") == "generator"
    assert value(studio, "seed") == 8


def test_about_tells_versions_and_hardware(studio: Page) -> None:
    studio.get_by_role("tab", name="Guides").click()
    studio.wait_for_function("document.querySelector('.wg-about').textContent.includes('gradio')")
    assert "Processor cores" in studio.inner_text(".wg-about")


def test_the_page_turns_to_chinese_and_back(studio: Page) -> None:
    studio.click(".wg-language")
    studio.wait_for_function("window.wangp?.language === 'zh' && wangp.model && wangp.tasks")
    assert (studio.text_content("#generate") or "").strip() == "生成"
    studio.wait_for_function("document.querySelector('#num_inference_steps')?.textContent.includes('步数')")
    assert studio.get_by_role("tab", name="设置").count() == 1
    keep(studio, "8-chinese")
    studio.click(".wg-language")
    studio.wait_for_function("window.wangp?.language === 'en' && wangp.model && wangp.tasks")
    assert (studio.text_content("#generate") or "").strip() == "Generate"


# 9. Manners

NAMELESS = """() => [...document.querySelectorAll("input, select, textarea, button, [role=button], a[href]")]
    .filter((one) => one.type !== "hidden" && one.checkVisibility({ visibilityProperty: true })
        && !one.closest("[aria-hidden=true]"))
    .filter((one) => !(one.getAttribute("aria-label") || one.title || one.innerText?.trim() || one.placeholder
        || one.labels?.length || one.getAttribute("aria-labelledby") || one.querySelector("img[alt]:not([alt=''])")))
    .map((one) => one.outerHTML.slice(0, 160))"""


def test_every_control_of_every_tab_has_a_name(studio: Page) -> None:
    for group in studio.locator("#wangp-form .wg-group > button, #wangp-form .wg-group .label-wrap").all():
        if group.is_visible() and group.get_attribute("aria-expanded") != "true":
            group.click()
    for tab in studio.locator("#main_tabs > .tab-wrapper [role=tablist] [role=tab]").all():
        tab.click()
        studio.wait_for_timeout(300)
        assert studio.evaluate(NAMELESS) == [], tab.inner_text()
    studio.get_by_role("tab", name="Create").click()


def test_the_end_of_a_task_is_told_to_who_wants_it(studio: Page) -> None:
    studio.get_by_role("tab", name="Settings").click()
    studio.get_by_label("Message of the desktop").check()
    studio.wait_for_function("localStorage.getItem('wangp-notify') === '1'")
    told = studio.evaluate(
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
    studio.get_by_label("Message of the desktop").uncheck()


def test_dark_and_light_are_remembered(studio: Page) -> None:
    studio.get_by_role("tab", name="Create").click()
    studio.get_by_role("button", name="Light or dark").first.click()
    assert studio.evaluate("document.documentElement.classList.contains('dark')")
    keep(studio, "9-dark")
    studio.reload()
    wait_ready(studio)
    assert studio.evaluate("document.documentElement.classList.contains('dark')")
    studio.get_by_role("button", name="Light or dark").first.click()


OUTSIDE = """() => [...document.querySelectorAll("h1, h2, h3, p, button, input, select, textarea")]
    .filter((one) => one.checkVisibility() && !one.closest("[role=tablist], .wg-sections, [aria-hidden=true], dialog"))
    .filter((one) => { const box = one.getBoundingClientRect();
        return box.width > 1 && (box.left < -1 || box.right > innerWidth + 1); })
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 768), (1920, 1080)])
def test_it_fits_every_screen(studio: Page, width: int, height: int) -> None:
    studio.set_viewport_size({"width": width, "height": height})
    for tab in ("generator", "settings", "guides"):
        studio.evaluate("id => wangp.tab(id)", tab)
        studio.wait_for_function("id => wangp.shownTab() === id", arg=tab)
        studio.wait_for_timeout(200)
        keep(studio, f"9-{tab}-{width}")
        assert studio.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
        assert studio.evaluate(OUTSIDE) == [], tab
    studio.evaluate("wangp.tab('generator')")
    studio.wait_for_function("wangp.shownTab() === 'generator'")
    box = studio.locator("#generate").bounding_box()
    prompt = studio.locator("#prompt textarea").bounding_box()
    assert box is not None and prompt is not None
    assert prompt["y"] + prompt["height"] <= box["y"] and box["y"] + box["height"] <= height


def test_no_script_failed_and_no_request(studio_faults: list[str]) -> None:
    refused = [fault for fault in studio_faults if "/wangp/config" in fault or "422" in fault]
    assert [fault for fault in studio_faults if fault not in refused] == []
    assert len(refused) <= 2  # the value that was not accepted: the answer, and the browser's word of it


def test_a_restart_ends_with_the_code_that_starts_it_again(studio_server: Server, studio: Page) -> None:
    studio.evaluate("fetch(wangp.url('restart'), { method: 'POST' })")
    assert studio_server.process.wait(30) == 42
