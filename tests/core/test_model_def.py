"""Model definitions: defaults, finetunes, inherited files, and the settings as a model has them (wangp.md 2.3, 4.1)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import ModelNotFound
from shared.core.model_def import ModelDef, architecture_of, build_model_def, inherited, overlay
from shared.core.model_params import params_of
from shared.core.settings import BASELINE, DECLARATIONS
from tests.core.conftest import MakeModel


def build(architecture: str, settings: dict[str, Any] | None = None, **definition: Any) -> ModelDef:
    sources = {"m": {"model": {"name": "M", "architecture": architecture}, **(settings or {})}}
    return build_model_def("m", sources, "wan", definition, "defaults/m.json")


def test_a_definition_is_the_json_over_what_the_family_says() -> None:
    source = {"model": {"name": "Big", "architecture": "t2v", "fps": 24, "description": "d"}, "seed": 5}
    model = build_model_def("big", {"big": source}, "wan", {"fps": 16, "frames_steps": 8, "frames_minimum": 9})
    assert (model.name, model.architecture, model.family, model.description) == ("Big", "t2v", "wan", "d")
    assert (model.fps, model.frames_steps, model.frames_minimum, model.frames_offset) == (24, 8, 9, 1)
    assert model.frame_rule.nearest(97) == 97 and model.block_size == 16
    assert model.get("absent", 3) == 3 and model.is_finetune and model.defaults["seed"] == 5


def test_undeclared_numbers_are_those_of_wan() -> None:
    model = build("t2v")
    assert (model.fps, model.frames_minimum, model.frames_steps, model.frames_offset) == (16, 5, 4, 1)
    assert model.makes_video and not model.makes_images


def test_defaults_start_from_the_baseline() -> None:
    defaults = build("t2v").defaults
    assert set(BASELINE) <= set(defaults)
    assert (defaults["num_inference_steps"], defaults["settings_version"]) == (30, 2.74)


@pytest.mark.parametrize(
    ("architecture", "letters", "shift", "resolution"),
    [("t2v", "T", 5, "832x480"), ("i2v", "SEVL", 7, "832x480"), ("i2v_720p", "SEVL", 5, "1280x720")],
)
def test_shift_and_size_follow_the_kind_of_model(
    architecture: str, letters: str, shift: float, resolution: str
) -> None:
    defaults = build(architecture, flow_shift=True, image_prompt_types_allowed=letters).defaults
    assert (defaults["flow_shift"], defaults["resolution"]) == (shift, resolution)


def test_the_json_wins_over_the_family_and_that_over_the_kind() -> None:
    definition = {"flow_shift": True, "default_settings": {"flow_shift": 8.0, "seed": 1, "prompt": "family"}}
    defaults = build("t2v", {"seed": 2, "multi_prompts_gen_type": 1}, **definition).defaults
    assert (defaults["flow_shift"], defaults["seed"], defaults["prompt"]) == (8.0, 2, "family")
    assert defaults["multi_prompts_gen_type"] == "W"
    assert build("t2v", sample_prompt="sample").defaults["prompt"] == "sample"
    assert build("t2v", {"prompt": "own"}, sample_prompt="sample").defaults["prompt"] == "own"


def test_default_settings_may_be_changed_by_the_caller() -> None:
    model = build("t2v")
    settings = model.default_settings()
    settings["perturbation_layers"].append(3)
    assert settings["model_type"] == "m" and model.defaults["perturbation_layers"] == [9]


def test_a_finetune_is_laid_over_the_definition_of_its_name() -> None:
    base = {"model": {"name": "A", "architecture": "t2v", "URLs": ["a"]}, "seed": 1, "flow_shift": 3}
    top = {"model": {"name": "B", "fps": 24}, "seed": 2}
    assert overlay(base, top) == {
        "model": {"name": "B", "architecture": "t2v", "URLs": ["a"], "fps": 24}, "seed": 2, "flow_shift": 3,
    }  # fmt: skip
    assert architecture_of(base) == "t2v" and architecture_of({}) == ""


def test_urls_that_name_a_model_are_that_models() -> None:
    sources = {
        "a": {"model": {"architecture": "t2v", "URLs": ["https://a.example/a.safetensors"], "URLs2": "c"}},
        "b": {"model": {"architecture": "t2v", "URLs": "a", "modules": "a"}},
        "c": {"model": {"architecture": "t2v", "URLs": "b", "URLs2": ["x"]}},
        "file": {"model": {"architecture": "t2v", "URLs": "sub/file.safetensors"}},
    }
    model = build_model_def("c", sources, "wan", {})
    assert model.get("URLs") == ["https://a.example/a.safetensors"]
    assert build_model_def("a", sources, "wan", {}).get("URLs2") == ["x"]
    assert inherited(sources, "b", "modules") is None
    assert build_model_def("file", sources, "wan", {}).get("URLs") == "sub/file.safetensors"


def test_inheritance_ends_at_a_depth_of_ten() -> None:
    sources: dict[str, Any] = {f"m{n}": {"model": {"architecture": "t2v", "URLs": f"m{n + 1}"}} for n in range(11)}
    sources["m11"] = {"model": {"architecture": "t2v", "URLs": ["x"]}}
    assert inherited(sources, "m1", "URLs") == ["x"]
    with pytest.raises(ModelNotFound, match="more than 10 times"):
        inherited(sources, "m0", "URLs")


def test_definitions_that_name_each_other_in_a_circle_are_told() -> None:
    sources = {"a": {"model": {"URLs": "b"}}, "b": {"model": {"URLs": "a"}}}
    with pytest.raises(ModelNotFound, match=r"in a circle \(a -> b -> a\)"):
        inherited(sources, "a", "URLs")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({}, 'The model "m" is not known'),
        ({"m": {}}, 'its "model" block names no "architecture"'),
        ({"m": {"model": []}}, 'its "model" block names no "architecture"'),
        ({"m": {"model": {"architecture": "t2v", "URLs": "gone"}}}, 'names the model "gone", which is not known'),
    ],
)
def test_a_definition_that_cannot_be_used_says_why(sources: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelNotFound, match=message):
        build_model_def("m", sources, "wan", {})


def test_a_model_has_the_settings_that_apply_to_it(make_model: MakeModel) -> None:
    params = params_of(make_model())
    assert {"prompt", "image_start", "image_end", "video_source", "sliding_window_size", "image_mask"} <= set(params)
    assert {"NAG_scale", "audio_guide", "image_refs", "temperature", "RIFLEx_setting"} & set(params) == set()
    bare = params_of(make_model(bare=True))
    assert {"image_prompt_type", "sample_solver", "sliding_window_size", "guidance_phases"} & set(bare) == set()
    assert {"prompt", "seed", "resolution", "video_length", "num_inference_steps", "guidance_scale"} <= set(bare)
    assert params_of(make_model(bare=True, audio_only=True)).keys() & {"resolution", "video_length"} == set()


def test_a_model_has_its_own_bounds_choices_and_defaults(make_model: MakeModel) -> None:
    model = make_model({"seed": 9}, resolutions=[["small", "256x256"]], frames_minimum=9, frames_steps=8)
    params = params_of(model)
    assert params["seed"].default == 9 and params["seed"].neutral == -1
    assert params["resolution"].choices == (("small", "256x256"),)
    assert (params["video_length"].minimum, params["video_length"].step) == (9, 8)
    assert [value for _, value in params["sample_solver"].choices] == ["", "unipc", "euler"]
    assert [value for _, value in params["image_prompt_type"].choices] == ["S", "E", "V", "L"]
    assert [value for _, value in params["image_mode"].choices] == [0, 1, 2]
    window, overlap = params["sliding_window_size"], params["sliding_window_overlap"]
    assert (window.default, window.minimum, window.maximum, window.step) == (81, 5, 129, 4)
    assert (overlap.default, overlap.maximum) == (5, 17)
    assert params["guidance_phases"].maximum == 2
    assert DECLARATIONS["guidance_phases"].maximum == 3


@pytest.mark.parametrize("definition", [{}, {"image_outputs": True}, {"sliding_window": False}, {"tea_cache": True}])
def test_the_defaults_of_a_model_pass_its_own_checks(make_model: MakeModel, definition: dict[str, Any]) -> None:
    model = make_model(**definition)
    params = params_of(model)
    assert [param.check(model.defaults[name]) for name, param in params.items()] == [None] * len(params)
