"""The form is made from the declarations and gives back a settings dict that can be run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.core.settings import DECLARATIONS
from shared.ui.app import Page
from shared.ui.catalogue import MAIN, model_facts
from shared.ui.defaults import default_settings
from shared.ui.form import read_extra, split_extra, start_letters
from tests.fakes.page_runtime import PageRuntime


def values_of(page: Page, settings: dict[str, Any]) -> list[Any]:
    """What the controls hold once `settings` are shown in them."""
    shown = page.form.show(settings["model_type"], settings)
    return [shown[component].get("value") for component in page.form.inputs]


def starter(runtime: PageRuntime, **changes: Any) -> dict[str, Any]:
    return {**default_settings(runtime, "starter"), "model_type": "starter", **changes}


def test_every_setting_has_a_component_by_its_name(page: Page) -> None:
    missing = set(DECLARATIONS) - set(page.form.components) - {"model_type"}
    assert not missing
    assert all(component.elem_id == name for name, component in page.form.components.items())


def test_no_two_elements_have_one_id(page: Page) -> None:
    ids = [block.elem_id for block in page.blocks.blocks.values() if block.elem_id]
    assert len(ids) == len(set(ids))


def test_only_what_the_model_uses_is_shown(page: Page, runtime: PageRuntime) -> None:
    params = runtime.registry.params(runtime.registry.get("starter"))
    shown = {name for name, component in page.form.components.items() if component.visible}
    assert shown <= set(params)
    assert {"prompt", "image_start", "image_end", "video_source", *MAIN} <= shown
    assert "audio_guide" not in shown


def test_the_starter_is_chosen_first(page: Page) -> None:
    assert page.picker.model.value == "starter"
    assert page.form.components["prompt"].value == "a big red ball moving right in front of a blue sky"


def test_the_untouched_form_can_be_run(page: Page, runtime: PageRuntime) -> None:
    settings = page.form.read("starter", "", values_of(page, starter(runtime)))
    assert runtime.problems(settings) == []
    assert settings["model_type"] == "starter"
    assert settings["video_length"] == 17


def test_settings_survive_the_form(page: Page, runtime: PageRuntime) -> None:
    wanted = starter(runtime, prompt="a star", seed=5, num_inference_steps=7, guidance_scale=2.5, resolution="96x128",
                     negative_prompt="dark")  # fmt: skip
    settings = page.form.read("starter", "", values_of(page, wanted))
    names = ("prompt", "seed", "num_inference_steps", "guidance_scale", "resolution", "negative_prompt")
    assert {name: settings[name] for name in names} == {name: wanted[name] for name in names}


def test_media_tell_what_a_clip_starts_from(page: Page, runtime: PageRuntime, tmp_path: Path) -> None:
    picture = tmp_path / "start.png"
    picture.write_bytes(b"x")
    values = values_of(page, starter(runtime, image_start=str(picture), image_end=[str(picture)]))
    settings = page.form.read("starter", "", values)
    assert settings["image_prompt_type"] == "SE"
    assert settings["image_start"] == str(picture)
    params = runtime.registry.params(runtime.registry.get("starter"))
    assert start_letters({"video_source": "clip.mp4"}, params) == "V"


def test_what_the_other_settings_switch_off_is_left_out(page: Page, runtime: PageRuntime) -> None:
    picture_mode = page.form.read("starter", "", values_of(page, starter(runtime, image_mode=1)))
    assert "video_length" not in picture_mode
    assert picture_mode["image_mode"] == 1


def test_media_that_are_gone_are_not_shown(page: Page, runtime: PageRuntime) -> None:
    shown = page.form.show("starter", starter(runtime, image_start="/nowhere/x.png"))
    assert shown[page.form.components["image_start"]]["value"] is None


def test_unknown_settings_are_kept_aside_and_sent_along(page: Page, runtime: PageRuntime) -> None:
    params = runtime.registry.params(runtime.registry.get("starter"))
    known, extra = split_extra({"prompt": "x", "future_setting": 3, "type": "WanGP v12", "seed": 1}, params)
    assert extra == {"future_setting": 3}
    assert "future_setting" not in known
    settings = page.form.read("starter", json.dumps(extra), values_of(page, starter(runtime)))
    assert settings["future_setting"] == 3
    assert read_extra("broken") == {}


def test_another_model_keeps_what_applies_and_tells_the_rest(page: Page, runtime: PageRuntime, tmp_path: Path) -> None:
    picture = tmp_path / "start.png"
    picture.write_bytes(b"x")
    before = starter(runtime, prompt="a star", seed=9, guidance_scale=2.0, image_start=str(picture))
    kept, dropped = page.form.carried_over("starter", "t2v_1.3B", before, default_settings(runtime, "t2v_1.3B"))
    assert (kept["prompt"], kept["seed"], kept["guidance_scale"]) == ("a star", 9, 2.0)
    assert kept["num_inference_steps"] == 30
    assert DECLARATIONS["image_start"].label in dropped


def test_the_browser_gets_the_rules_of_what_shows(runtime: PageRuntime) -> None:
    facts = model_facts(runtime.registry, "starter", default_settings(runtime, "starter"))
    assert facts["rules"]["video_length"] == ["equals", "image_mode", 0, 0]
    assert facts["fps"] == 8
    assert "windows" in facts["groups"]
    json.dumps(facts)


@pytest.mark.parametrize("flag, name, value", [("--seed=4", "seed", 4), ("--frames=9", "video_length", 9)])
def test_flags_preset_the_form(tmp_path: Path, flag: str, name: str, value: int) -> None:
    runtime = PageRuntime(tmp_path, (flag,))
    try:
        assert default_settings(runtime, "starter")[name] == value
    finally:
        runtime.close()
