"""What a session answers about models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.core.errors import SettingsError
from shared.session.session import WanGPSession


def test_a_definition_is_a_copy_without_functions(session: WanGPSession) -> None:
    found = session.get_model_def("starter")
    assert found["name"] == "Starter" and found["architecture"] == "starter" and found["fps"] == 8
    assert found["metadata"]["capabilities"]["text_to_video"] is True
    found["metadata"]["inputs"].clear()
    found["resolutions"].clear()
    again = session.get_model_def("starter")
    assert again["metadata"]["inputs"] and again["resolutions"]
    json.dumps(again)
    assert session.get_model_def("nothing") is None and session.get_model_metadata("nothing") is None


def test_the_metadata_says_what_goes_in_and_comes_out(session: WanGPSession) -> None:
    found = session.get_model_metadata("starter", include_availability=True)
    assert found["main_output"] == ["video"] and found["outputs"] == ["video", "image"]
    assert found["inputs"][0] == "text" and {"image", "video"} <= set(found["inputs"])
    start = found["media_inputs"]["image"]
    assert start["start"] and start["end"] and start["mask"] and not start["reference"]
    assert found["media_inputs"]["video"]["continue"] and found["capabilities"]["inpainting"]
    assert found["family"] == "wan" and found["base_model_type"] == "starter" and found["finetune"] == ""
    assert found["setting_values"]["resolution"][0] == "128x128"
    assert found["availability"]["status"] in ("available", "partial", "missing")


def test_the_schema_leaves_the_values_out(session: WanGPSession) -> None:
    schema = session.get_model_schema("starter")["metadata"]
    assert "setting_values" not in schema and schema["fps"] == 8 and schema["name"] == "Starter"
    assert {"frames_minimum", "frames_steps", "infos", "prompt_infos", "sliding_window", "frames_maximum"} <= set(
        schema
    )


@pytest.mark.parametrize(
    ("filters", "is_found"),
    [
        ({"family": "wan"}, True),
        ({"family": ["flux", "wan"]}, True),
        ({"family": "flux"}, False),
        ({"main_output": "video"}, True),
        ({"main_output": ["audio", "image"]}, False),
        ({"inputs": ["text", "image"]}, True),
        ({"inputs": ["text", "audio"]}, False),
        ({"name": "sTART*"}, True),
        ({"name": "start"}, False),
        ({"query": "coloured BALLS"}, True),
        ({"model_type": "starter", "base_model_type": "starter"}, True),
        ({"offset": 1000}, False),
        ({"limit": 0, "query": "starter"}, True),
    ],
)
def test_filters_narrow_the_list(session: WanGPSession, filters: dict, is_found: bool) -> None:
    names = [model["model_type"] for model in session.list_model_defs(**filters)]
    assert ("starter" in names) is is_found
    assert names == [model["model_type"] for model in session.list_model_metadata(**filters)]


def test_an_unknown_filter_is_told(session: WanGPSession) -> None:
    with pytest.raises(TypeError, match="unknown filter colour"):
        session.list_model_defs(colour="red")


def test_defaults_are_complete_and_merge_under_what_is_given(session: WanGPSession) -> None:
    defaults = session.get_default_settings("starter")
    assert defaults["model_type"] == "starter" and defaults["num_inference_steps"] == 20
    merged = session.merge_settings_with_defaults({"model_type": "starter", "prompt": "x", "slg_switch": 1})
    assert merged["prompt"] == "x" and merged["resolution"] == defaults["resolution"]
    assert merged["perturbation_switch"] == 1 and "slg_switch" not in merged
    with pytest.raises(TypeError):
        session.merge_settings_with_defaults(["starter"])
    for wrong in ({"prompt": "x"}, {"model_type": "no_such"}):
        with pytest.raises(ValueError, match="model_type"):
            session.merge_settings_with_defaults(wrong)
    with pytest.raises(ValueError, match="no_such"):
        session.get_default_settings("no_such")


def test_an_export_holds_what_matters_and_comes_back(session: WanGPSession) -> None:
    exported = session.get_exported_default_settings("starter")
    assert exported["type"].startswith("WanGP v") and exported["model_type"] == "starter"
    assert "image_start" not in exported and exported["settings_version"] >= 2.74
    again = session.prepare_settings_for_export({**exported, "prompt": "a green star"})
    assert again == {**exported, "prompt": "a green star"}


def test_loras_are_listed_where_the_model_takes_them(session: WanGPSession) -> None:
    found = session.list_loras("starter")
    assert found == {"model_type": "starter", "supported": found["supported"], "loras": [], "count": 0}
    with pytest.raises(ValueError, match="no_such"):
        session.list_loras("no_such")


def test_accelerator_profiles_are_listed_and_laid_over_settings(session: WanGPSession) -> None:
    offered = {preset["name"]: preset for preset in session.list_lora_presets("t2v_2_2")}
    assert offered["Lightning 4 steps"]["kind"] == "accelerator"
    assert "4 steps" in offered["Lightning 4 steps"]["help"]
    given = {"model_type": "t2v_2_2", "prompt": "a red ball", "seed": 5, "activated_loras": ["mine.safetensors"]}
    settings = session.apply_lora_preset(given, "lightning 4 steps")
    assert (settings["prompt"], settings["seed"], settings["num_inference_steps"]) == ("a red ball", 5, 4)
    assert len(settings["activated_loras"]) == 3
    assert settings["activated_loras"][2] == "mine.safetensors"
    assert settings["loras_multipliers"] == "1;0 0;1|1"
    with pytest.raises(SettingsError, match="Known are Lightning 4 steps"):
        session.apply_lora_preset(given, "lightening")
    with pytest.raises(ValueError, match="no_such"):
        session.list_lora_presets("no_such")


def test_availability_tells_what_is_on_disk(session: WanGPSession, starter_dir: Path) -> None:
    found = session.get_model_availability("starter")
    codes = {"available": (2, "blue_square"), "partial": (1, "yellow_square"), "missing": (0, "black_square")}
    assert (found["status_code"], found["indicator"]) == codes[found["status"]]
    assert found["available"] is (found["status"] == "available")
    assert found in session.list_model_availability()
    assert session.get_model_availability("nothing") is None
