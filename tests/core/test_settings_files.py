"""Settings as files: export, import and the files of earlier versions (wangp.md 3.1 and 3.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import SettingsError
from shared.core.model_params import params_of
from shared.core.settings import SETTINGS_VERSION, complete, upgrade
from shared.core.settings_io import export_settings, import_settings, is_settings_object, read_settings_file
from tests.core.conftest import MakeModel

FILE_HEAD = ["type", "settings_version", "model_type", "base_model_type", "model_filename"]


def exported(make_model: MakeModel, settings: dict[str, Any], **definition: Any) -> dict[str, Any]:
    model = make_model(**definition)
    return export_settings(complete(settings, model), model)


def test_an_export_says_what_it_is(make_model: MakeModel) -> None:
    result = exported(make_model, {"prompt": "a"}, URLs=["https://a.example/weights_bf16.safetensors"])
    assert list(result)[:5] == FILE_HEAD
    assert result["type"].startswith("WanGP v") and result["type"].endswith("- Tester")
    assert result["settings_version"] == SETTINGS_VERSION == 2.74
    assert (result["model_type"], result["base_model_type"]) == ("tester", "tester_1.3B")
    assert result["model_filename"] == "weights_bf16.safetensors"
    assert is_settings_object(result) and not is_settings_object({"type": "Another"})
    json.dumps(result)


def test_an_export_leaves_out_what_has_no_effect(make_model: MakeModel) -> None:
    result = exported(make_model, {"prompt": "a", "image_start": "a.png", "image_prompt_type": "S"})
    assert result["image_prompt_type"] == "S" and result["video_length"] == 81
    gone = {
        "image_start", "NAG_scale", "RIFLEx_setting", "guidance2_scale", "guidance3_scale", "temperature", "client_id",
        "mode", "output_filename", "config", "override_profile", "override_attention", "video_prompt_type",
        "activated_loras", "loras_multipliers", "skip_steps_multiplier", "keep_frames_video_source", "mask_expand",
        "state", "alt_prompt", "video_guide",
    }  # fmt: skip
    assert gone & result.keys() == set()


def test_what_another_setting_asks_for_is_kept(make_model: MakeModel) -> None:
    chosen = {
        "guidance_phases": 2, "guidance2_scale": 3.5, "activated_loras": ["a.sft"], "loras_multipliers": "1;0",
        "image_prompt_type": "V", "keep_frames_video_source": "-4", "override_profile": 5, "output_filename": "{seed}",
    }  # fmt: skip
    assert chosen.items() <= exported(make_model, chosen).items()


def test_a_picture_has_no_length_and_no_windows(make_model: MakeModel) -> None:
    result = exported(make_model, {"image_mode": 1})
    assert {"video_length", "force_fps", "sliding_window_size"} & result.keys() == set()


def test_unknown_keys_are_exported_as_far_as_json_holds_them(make_model: MakeModel) -> None:
    result = exported(make_model, {"their_key": [1], "their_object": object(), "state": {}, "creation_date": "x"})
    assert result["their_key"] == [1]
    assert {"their_object", "state", "creation_date"} & result.keys() == set()


ROUND_TRIPS: list[dict[str, Any]] = [
    {},
    {"prompt": "a\n\nb", "negative_prompt": "c", "seed": 7, "multi_prompts_gen_type": "FG", "force_fps": "24"},
    {"image_mode": 1, "resolution": "512x512", "batch_size": 3, "num_inference_steps": 8},
    {"image_prompt_type": "SE", "guidance_phases": 2, "guidance2_scale": 2.0, "switch_threshold": 900},
    {"image_prompt_type": "V", "keep_frames_video_source": "5", "sliding_window_overlap": 9, "sample_solver": "euler"},
    {"activated_loras": ["x/a.sft", "https://a.example/b.sft"], "loras_multipliers": "1 0.5", "their_key": {"a": 1}},
    {"spatial_upsampling": "lanczos2", "film_grain_intensity": 0.2, "film_grain_saturation": 0.1},
    {"video_prompt_type": "VG", "denoising_strength": 0.5, "override_attention": "sdpa", "output_filename": "{date}"},
]


@pytest.mark.parametrize("chosen", ROUND_TRIPS)
def test_what_is_exported_comes_back(make_model: MakeModel, chosen: dict[str, Any]) -> None:
    model = make_model()
    settings = complete(chosen, model)
    back = import_settings(json.loads(json.dumps(export_settings(settings, model))), model)
    used = {
        name: settings[name]
        for name, param in params_of(model).items()
        if not param.is_media and param.visible_if(settings)
    }
    assert {name: back[name] for name in used} == used
    assert back.get("their_key") == settings.get("their_key")
    again = export_settings(back, model)
    assert again == export_settings(settings, model)


def test_what_a_file_leaves_out_is_the_models_default(make_model: MakeModel) -> None:
    model = make_model({"num_inference_steps": 12, "prompt": "sample"})
    back = import_settings({"seed": 3, "image_start": None}, model)
    assert (back["seed"], back["num_inference_steps"], back["prompt"]) == (3, 12, "sample")
    assert back["image_start"] is None and back["model_type"] == "tester"


def test_loras_without_multipliers_reset_them(make_model: MakeModel) -> None:
    model = make_model({"loras_multipliers": "0.3"})
    assert import_settings({"activated_loras": ["a"]}, model)["loras_multipliers"] == ""
    assert import_settings({}, model)["loras_multipliers"] == "0.3"


def test_what_a_generation_noted_is_no_setting(make_model: MakeModel) -> None:
    noted = {"type": "WanGP v9 - X", "generation_time": 3, "creation_date": "x", "seed": 2}
    back = import_settings(noted, make_model())
    assert {"type", "generation_time", "creation_date"} & back.keys() == set()


def test_a_file_for_another_model_is_fitted_to_this_one(make_model: MakeModel) -> None:
    model = make_model(bare=True, image_prompt_types_allowed="TS")
    source = {"image_prompt_type": "SE", "multi_prompts_gen_type": "PW", "video_prompt_type": "KIV"}
    back = import_settings({"settings_version": 2.74, **source}, model)
    assert (back["image_prompt_type"], back["multi_prompts_gen_type"], back["video_prompt_type"]) == ("S", "G", "V")


def test_a_first_choice_with_references_adds_their_letters(make_model: MakeModel) -> None:
    model = make_model(image_ref_choices={"choices": [("Background and people", "KI"), ("People", "I")]})
    assert import_settings({"video_prompt_type": ""}, model)["video_prompt_type"] == "KI"
    assert import_settings({"video_prompt_type": "I"}, model)["video_prompt_type"] == "I"


@pytest.mark.parametrize("source", [[], "text", None, 5])
def test_a_file_that_is_no_object_is_refused(make_model: MakeModel, source: Any) -> None:
    with pytest.raises(SettingsError, match="one JSON object"):
        import_settings(source, make_model())


def test_a_file_that_is_no_json_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n"seed": }')
    with pytest.raises(SettingsError, match=r"a\.json is no JSON file: line 2"):
        read_settings_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="bytes that are no text"):
        read_settings_file(path)
    path.write_text('{"seed": 1}', encoding="utf-8-sig")
    assert read_settings_file(path) == {"seed": 1}


OLD_NAMES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"prompts": "a"}, {"prompt": "a"}),
    ({"prompts": "a", "prompt": "b"}, {"prompt": "b"}),
    ({"slg_switch": 1, "slg_layers": "8,9", "slg_start_perc": 5, "slg_end_perc": 80},
     {"perturbation_switch": 1, "perturbation_layers": [8, 9], "perturbation_start_perc": 5,
      "perturbation_end_perc": 80}),
    ({"MMAudio_setting": 1, "MMAudio_prompt": "rain", "MMAudio_neg_prompt": "music"},
     {"postprocess_audio": "mmaudio", "postprocess_audio_prompt": "rain", "postprocess_audio_neg_prompt": "music"}),
    ({"tea_cache_setting": 2.0, "tea_cache_start_step_perc": 20},
     {"skip_steps_cache_type": "tea", "skip_steps_multiplier": 2.0, "skip_steps_start_step_perc": 20}),
    ({"tea_cache_setting": 0, "lset_name": "x"}, {}),
    ({"multi_prompts_gen_type": 1, "force_fps": 30, "image_prompt_type": 1},
     {"multi_prompts_gen_type": "W", "force_fps": "30", "image_prompt_type": "SE"}),
    ({"image_prompt_type": 0}, {"image_prompt_type": "S"}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "today"), OLD_NAMES)
def test_old_names_and_forms_are_converted_at_any_version(old: dict[str, Any], today: dict[str, Any]) -> None:
    assert upgrade(old) == {**today, "settings_version": 2.74}
    assert upgrade({**old, "settings_version": 2.0})["settings_version"] == 2.74


@pytest.mark.parametrize(
    ("version", "old", "definition", "today"),
    [
        (2, {"image_prompt_type": "GS"}, {}, {"image_prompt_type": "S"}),
        (2.1, {"audio_prompt_type": ""}, {"any_audio_prompt": True}, {"audio_prompt_type": "AV"}),
        (2.3, {"audio_prompt_type": "A"}, {"any_audio_prompt": True}, {"audio_prompt_type": "AV"}),
        (2.4, {"audio_prompt_type": "A"}, {"any_audio_prompt": True}, {"audio_prompt_type": "A"}),
        (2.21, {"video_prompt_type": "I", "remove_background_images_ref": 2},
         {"image_ref_choices": {"choices": [("People", "I")]}},
         {"video_prompt_type": "KI", "remove_background_images_ref": 1}),
        (2.5, {"alt_scale": 0.7}, {}, {"alt_scale": 0.0}),
        (2.6, {"alt_scale": 0.7, "prompt_enhancer": "IK"}, {}, {"alt_scale": 0.7, "prompt_enhancer": "TIK"}),
        (2.61, {"prompt_enhancer": "I"}, {}, {"prompt_enhancer": "I"}),
        (2.7, {"multi_prompts_gen_type": "W"}, {"sliding_window": False}, {"multi_prompts_gen_type": "G"}),
        (2.74, {"multi_prompts_gen_type": "W"}, {"sliding_window": False}, {"multi_prompts_gen_type": "W"}),
        ("2.5", {"alt_scale": 0.7}, {}, {"alt_scale": 0.0}),
        (None, {"alt_scale": 0.7}, {}, {"alt_scale": 0.7}),
    ],
)  # fmt: skip
def test_what_only_an_earlier_version_means_is_migrated(
    make_model: MakeModel, version: Any, old: dict[str, Any], definition: dict[str, Any], today: dict[str, Any]
) -> None:
    result = upgrade({**old, "settings_version": version}, make_model(**definition))
    assert {name: result[name] for name in today} == today


@pytest.mark.parametrize(("architecture", "version"), [("flux", 2.22), ("hunyuan_avatar", 2.25)])
def test_references_of_two_architectures_became_background_references(architecture: str, version: float) -> None:
    from shared.core.model_def import build_model_def

    source = {"m": {"model": {"name": "M", "architecture": architecture}}}
    model = build_model_def("m", source, "tests", {"image_ref_choices": {"choices": [("A", "I"), ("B", "KI")]}})
    old = {"video_prompt_type": "I"}
    assert upgrade({**old, "settings_version": version}, model)["video_prompt_type"] == "KI"
    assert upgrade({**old, "settings_version": 2.3}, model)["video_prompt_type"] == "I"
