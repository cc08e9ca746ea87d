"""What keeps settings from being run, what has no effect, what nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.model_params import params_of
from shared.core.settings import canonical, complete, ignored, problems, unknown_keys
from tests.core.conftest import MakeModel


def found(make_model: MakeModel, settings: dict, **definition: object) -> list[str]:
    model = make_model(**definition)
    return problems(complete({"prompt": "a ball", **settings}, model), model, params_of(model))


def test_a_models_defaults_with_a_prompt_are_sound(make_model: MakeModel) -> None:
    assert found(make_model, {}) == []


@pytest.mark.parametrize(
    ("resolution", "accepted"),
    [("100000x100000", False), ("8192x8192", False), ("16x15", False), ("8193x16", False), ("4096x4096", True),
     ("8192x2048", True), ("1280x704", True)],
)  # fmt: skip
def test_a_resolution_is_bounded(make_model: MakeModel, resolution: str, accepted: bool) -> None:
    told = "Use sides from 16 to 8192 px and at most 16.8 million pixels in all."
    expected = [] if accepted else [f'resolution: "{resolution}" is not accepted. {told}']
    assert found(make_model, {"resolution": resolution}) == expected


def test_a_size_beyond_the_model_alone_is_no_problem_since_it_is_enlarged(make_model: MakeModel) -> None:
    assert found(make_model, {"resolution": "1280x704"}, max_side=256, max_pixels=65536) == []


@pytest.mark.parametrize("prompt", ["", "  \n", "# only a remark"])
def test_an_empty_prompt_is_refused_where_one_is_needed(make_model: MakeModel, prompt: str) -> None:
    assert found(make_model, {"prompt": prompt}) == ["prompt: it is empty. Write what the result should show."]
    assert found(make_model, {"prompt": prompt}, prompt_optional=True) == []
    assert found(make_model, {"prompt": prompt, "mode": "edit_postprocessing"}) == []


def test_styles_say_enough_of_a_picture(make_model: MakeModel) -> None:
    settings = {"prompt": "", "styles": ["SAI Anime"]}
    assert found(make_model, settings) != []
    assert found(make_model, {**settings, "image_mode": 1}, image_outputs=True) == []


def test_prompt_errors_are_problems(make_model: MakeModel) -> None:
    [problem] = found(make_model, {"prompt": "a {Colour} ball"})
    assert problem.startswith("prompt: in line 1, the variable {Colour} is not known")
    [problem] = found(make_model, {"prompt": "a ball [/jump]"})
    assert "/jump is not known" in problem


def test_several_problems_are_all_told(make_model: MakeModel) -> None:
    sentences = found(make_model, {"seed": -5, "num_inference_steps": 0, "resolution": "big", "prompt": ""})
    assert {sentence.split(":")[0] for sentence in sentences} == {"seed", "num_inference_steps", "resolution", "prompt"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image_start": "no.png"}, 'image_start: the file "no.png" does not exist.'),
        ({"video_source": "no.mp4|start_frame=3"}, 'video_source: the file "no.mp4|start_frame=3" does not exist.'),
        ({"image_prompt_type": "S"}, 'image_start: it is missing. image_prompt_type "S" asks for a start image.'),
        ({"image_prompt_type": "V"}, 'video_source: it is missing. image_prompt_type "V" asks for a clip to continue.'),
        ({"sliding_window_size": 9, "sliding_window_overlap": 9},
         "sliding_window_overlap: 9 frames is not smaller than the window (9). "
         "Lower the overlap or enlarge the window."),
        ({"video_length": "0s"}, 'video_length: "0s" is not accepted. Use a duration above 0, such as "5s".'),
        ({"video_length": "9999s"}, 'video_length: "9999s" is 159984 frames. Use at most 20000.'),
        ({"video_length": 10001, "resolution": "1280x720"},
         "video_length: 10001 frames of 1280x720 need 28 GB of memory. "
         "Use at most 8680 frames of that size, or a smaller resolution."),
        ({"video_length": 3},
         'video_length: 3 is not accepted. Use a number of frames from 5 to 20000, or a duration such as "5s".'),
        ({"sample_solver": "magic"},
         'sample_solver: "magic" is not accepted. Use "" (The model\'s own), "unipc" or "euler".'),
        ({"guidance_phases": 3}, "guidance_phases: 3 is not accepted. Use a whole number from 1 to 2."),
    ],
)  # fmt: skip
def test_each_problem_has_its_sentence(make_model: MakeModel, settings: dict, sentence: str) -> None:
    assert found(make_model, settings) == [sentence]


def test_a_letter_that_the_model_lacks_is_refused(make_model: MakeModel) -> None:
    sentences = found(make_model, {"image_end": "data:a"}, image_prompt_types_allowed="TS")
    assert sentences == ['image_end: "data:a" is not available for this model (Tester).']
    sentences = found(make_model, {"image_prompt_type": "L"}, image_prompt_types_allowed="TSE")
    assert sentences == ['image_prompt_type: "L" is not available for this model. Use S, E.']


def test_a_model_that_starts_from_a_picture_asks_for_one(make_model: MakeModel, tmp_path: Path) -> None:
    [problem] = found(make_model, {}, image_prompt_types_allowed="SEVL")
    assert problem == "image_start or video_source: it is missing. This model starts from a given picture or clip."
    picture = tmp_path / "a.png"
    picture.touch()
    given = {"image_prompt_type": "S", "image_start": str(picture)}
    assert found(make_model, given, image_prompt_types_allowed="SEVL") == []


def test_pictures_in_memory_urls_and_virtual_sources_need_no_file(make_model: MakeModel) -> None:
    class Picture:
        size = (8, 8)

    class Array:
        shape = (8, 8, 3)

        def __bool__(self) -> bool:
            raise ValueError("the truth of an array is ambiguous")

    for start in ([Picture()], Picture(), Array()):
        given = {"image_prompt_type": "S", "image_start": start}
        assert found(make_model, given) == []
        assert ignored(given, params_of(make_model())) == []
    for source in ("https://a.example/b.png", "data:image/png;base64,AAAA"):
        assert found(make_model, {"image_prompt_type": "S", "image_start": source}) == []
    assert found(make_model, {"image_prompt_type": "V", "video_source": "memory|vsource=x"}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("activated_loras", ["a.safetensors"]), ("audio_guide", "a.wav"), ("temporal_upsampling", "rife2"),
     ("postprocess_audio", "mmaudio"), ("skip_steps_cache_type", "tea"), ("prompt_enhancer", "T"), ("NAG_scale", 11),
     ("image_refs", ["a.png"]), ("perturbation_switch", 1), ("sharpness", 2.0), ("freeu", 1),
     ("guide_pictures", ["a.png"]), ("refiner_model", "other")],
)  # fmt: skip
def test_a_feature_that_the_model_lacks_is_refused(make_model: MakeModel, name: str, value: object) -> None:
    [problem] = found(make_model, {name: value}, no_lora=True)
    assert problem.startswith(f"{name}: ") and problem.endswith("is not available for this model (Tester).")


def test_fine_tuning_that_the_model_lacks_is_told(make_model: MakeModel) -> None:
    model = make_model()
    settings = complete({"NAG_tau": 4, "duration_seconds": 4, "embedded_guidance_scale": 6.0, "seed": 3}, model)
    assert sorted(ignored(settings, params_of(model))) == [
        "NAG_tau: 4 has no effect, this model does not use it.",
        "duration_seconds: 4 has no effect, this model does not use it.",
    ]
    assert problems({**settings, "prompt": "a"}, model, params_of(model)) == []


def test_neutral_values_of_what_the_model_lacks_are_silent(make_model: MakeModel) -> None:
    model = make_model(bare=True)
    neutral = {
        "NAG_scale": 1, "guidance2_scale": 5, "force_fps": 0, "activated_loras": [], "image_refs": None,
        "video_guide_outpainting": "#", "slg_switch": 0, "MMAudio_setting": 0, "temporal_upsampling": "",
    }  # fmt: skip
    settings = complete({"prompt": "a", **neutral}, model)
    assert problems(settings, model, params_of(model)) == []
    assert ignored(settings, params_of(model)) == []


def test_what_does_not_matter_is_not_held_to_the_models_bounds(make_model: MakeModel) -> None:
    assert found(make_model, {"image_mode": 1, "video_length": 1}) == []


def test_multipliers_are_checked_where_there_are_loras(make_model: MakeModel) -> None:
    given = {"activated_loras": ["a.sft", "b.sft"], "loras_multipliers": "1 1;2;3"}
    assert found(make_model, given) == [
        'loras_multipliers: "1;2;3" (LoRA 2) has 3 phases, and this model has 2. '
        "Use at most 2 value(s) separated by semicolons."
    ]
    assert found(make_model, {**given, "loras_multipliers": "1 1;2"}) == []


def test_images_and_prompts_pair_where_their_numbers_divide(make_model: MakeModel) -> None:
    given = {"prompt": "a\n\nb\n\nc", "multi_images_gen_type": 1, "image_start": ["data:a", "data:b"]}
    [problem] = found(make_model, given)
    assert problem.startswith("multi_images_gen_type: 2 start images cannot be paired with 3 prompts.")
    assert found(make_model, {**given, "image_start": ["data:a", "data:b", "data:c"]}) == []
    assert found(make_model, {**given, "multi_images_gen_type": 0}) == []


def test_unknown_keys_are_reported_and_kept() -> None:
    settings = {"seed": 1, "sed": 2, "model_type": "a", "settings_version": 2, "slg_switch": 0, "creation_date": ""}
    assert unknown_keys(settings) == ["sed"]
    assert canonical(settings)["sed"] == 2


def test_references_are_asked_for_and_counted(make_model: MakeModel) -> None:
    choices = {"choices": [("People", "I")]}
    [problem] = found(make_model, {}, image_ref_choices=choices, at_least_one_image_ref_needed=True)
    assert problem == "image_refs: it is missing. This model needs a reference image."
    given = {"image_refs": ["data:a", "data:b"], "video_prompt_type": "I"}
    [problem] = found(make_model, given, image_ref_choices=choices, one_image_ref_needed=True)
    assert problem == "image_refs: 2 pictures were given. This model takes exactly one."
