"""Each kind of declaration has its control, and values come back from it as they went in."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.params import Param
from shared.core.settings import DECLARATIONS
from shared.ui.controls import choices_of, control_for, kind_of, setting_value, shown_value, slider_bounds
from shared.ui.media_check import media_problems


@pytest.mark.parametrize("name", sorted(DECLARATIONS))
def test_every_declared_setting_has_a_labelled_control(name: str) -> None:
    param = DECLARATIONS[name]
    component = control_for(param, visible=True)
    assert component.elem_id == name
    assert component.label.startswith(param.label)


@pytest.mark.parametrize("name", sorted(name for name, param in DECLARATIONS.items() if not param.is_media))
def test_the_default_survives_its_control(name: str) -> None:
    param = DECLARATIONS[name]
    back = setting_value(param, shown_value(param, param.default))
    assert param.check(back) is None
    assert param.is_neutral(back) or back == param.default


def test_kinds_follow_from_the_declaration() -> None:
    kinds = {
        "num_inference_steps": "slider", "seed": "number", "apg_switch": "switch", "image_mode": "choice",
        "resolution": "editable", "negative_prompt": "text", "image_start": "picture", "image_refs": "pictures",
        "video_source": "clip", "audio_guide": "sound", "video_prompt_type": "choices", "activated_loras": "choices",
        "video_length": "slider",
    }  # fmt: skip
    assert {name: kind_of(DECLARATIONS[name]) for name in kinds} == kinds


def test_letters_pass_as_a_list_and_come_back_as_text() -> None:
    param = DECLARATIONS["video_prompt_type"]
    assert shown_value(param, "VGA") == ["V", "G", "A"]
    assert setting_value(param, ["V", "G", "A"]) == "VGA"


def test_a_list_of_numbers_is_typed_with_commas() -> None:
    param = DECLARATIONS["perturbation_layers"]
    assert shown_value(param, [9, 10]) == "9, 10"
    assert setting_value(param, "9, 10") == [9, 10]


def test_what_cannot_be_read_is_kept_for_the_check_to_name() -> None:
    param = DECLARATIONS["perturbation_layers"]
    value = setting_value(param, "nine")
    assert value == "nine"
    assert "nine" in (param.check(value) or "")


def test_a_slider_gives_whole_numbers_for_whole_settings() -> None:
    assert setting_value(DECLARATIONS["num_inference_steps"], 20.0) == 20
    assert isinstance(setting_value(DECLARATIONS["num_inference_steps"], 20.0), int)
    assert isinstance(setting_value(DECLARATIONS["guidance_scale"], 5.0), float)


def test_the_length_slider_stays_usable_and_reaches_an_imported_length() -> None:
    param = DECLARATIONS["video_length"].with_changes(minimum=5, step=4, default=17)
    assert slider_bounds(param, 17)["maximum"] == 241
    assert slider_bounds(param, 401)["maximum"] >= 401
    assert (slider_bounds(param, 401)["maximum"] - 5) % 4 == 0


def test_a_value_outside_the_choices_stays_as_it_is() -> None:
    param = DECLARATIONS["resolution"]
    assert ("320x256", "320x256") in choices_of(param, "320x256")


def test_a_picture_reaches_the_task_unread(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    sent = {"path": str(broken), "url": None, "orig_name": "broken.png"}
    assert setting_value(DECLARATIONS["image_start"], sent) == str(broken)
    assert setting_value(DECLARATIONS["image_refs"], [sent, sent]) == [str(broken)] * 2
    assert setting_value(DECLARATIONS["video_source"], {"video": sent}) == str(broken)
    assert setting_value(DECLARATIONS["image_refs"], []) is None


def test_a_number_without_bounds_gets_a_field() -> None:
    assert kind_of(Param("n", "float", 0.0, "N", "help", "advanced")) == "number"


def test_damaged_media_are_named_before_the_task_is_queued(tmp_path: Path) -> None:
    picture, clip = tmp_path / "broken.png", tmp_path / "text.mp4"
    picture.write_bytes(b"not a picture")
    clip.write_text("a text file", encoding="utf-8")
    problems = media_problems({"image_start": str(picture), "video_source": str(clip)}, DECLARATIONS)
    assert [problem.split(":")[0] for problem in problems] == ["image_start", "video_source"]
    assert "broken.png" in problems[0]
    assert "text.mp4" in problems[1]
