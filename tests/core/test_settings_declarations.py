"""Every setting is declared once, completely, with the baseline of the contract."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.params import GROUPS, Param
from shared.core.settings import BASELINE, DECLARATIONS, Settings, baseline

# wangp.md 2.1, without task, send_cmd, state and plugin_data, which are no settings.
_CONTRACT = """client_id image_mode prompt alt_prompt negative_prompt resolution video_length duration_seconds
pause_seconds batch_size seed force_fps num_inference_steps guidance_scale guidance2_scale guidance3_scale
switch_threshold switch_threshold2 guidance_phases model_switch_phase alt_guidance_scale alt_scale
audio_guidance_scale audio_scale flow_shift sample_solver embedded_guidance_scale repeat_generation
multi_prompts_gen_type multi_images_gen_type skip_steps_cache_type skip_steps_multiplier skip_steps_start_step_perc
activated_loras loras_multipliers image_prompt_type image_start image_end model_mode video_source
keep_frames_video_source input_video_strength video_prompt_type image_refs frames_positions video_guide video_guide2
image_guide keep_frames_video_guide denoising_strength masking_strength video_guide_outpainting
video_guide_outpainting_ratio video_mask image_mask control_net_weight control_net_weight2 control_net_weight_alt
motion_amplitude mask_expand audio_guide audio_guide2 custom_guide audio_source replace_voice_method
replace_voice_sample replace_voice_sample2 audio_prompt_type speakers_locations sliding_window_size
sliding_window_overlap sub_parallel_window_size sub_parallel_window_overlap
sliding_window_color_correction_strength sliding_window_overlap_noise sliding_window_discard_last_frames
sliding_window_trim_first_frames image_refs_relative_size remove_background_images_ref temporal_upsampling
spatial_upsampling film_grain_intensity film_grain_saturation postprocess_audio postprocess_audio_prompt
postprocess_audio_neg_prompt RIFLEx_setting NAG_scale NAG_tau NAG_alpha perturbation_switch perturbation_layers
perturbation_start_perc perturbation_end_perc apg_switch cfg_star_switch cfg_zero_step prompt_enhancer
min_frames_if_references override_profile override_attention attention_sparsity temperature custom_settings top_p
top_k self_refiner_setting self_refiner_plan self_refiner_f_uncertainty self_refiner_certain_percentage
output_filename config model_type mode"""
ARGUMENTS = _CONTRACT.split()

# What this program adds for pictures, see docs/pictures.md.
_PICTURES = """styles wildcards_in_order fixed_seed sharpness adaptive_cfg adm_scaler_positive
adm_scaler_negative adm_scaler_end noise_schedule performance clip_skip vae_file refiner_model refiner_switch
refiner_swap freeu freeu_b1 freeu_b2 freeu_s1 freeu_s2 guide_pictures guide_kinds guide_weights guide_stops
guide_preprocess canny_low_threshold canny_high_threshold control_softness vary_upscale upscale_factor upscale_tile
paste_back inpaint_field keep_initial_latent invert_mask mask_model mask_prompt mask_cloth mask_sam mask_box_threshold
mask_text_threshold mask_detections enhance describe_kind image_format metadata_scheme"""
PICTURE_SETTINGS = _PICTURES.split()

# wangp.md 2.3
EXPECTED = {
    "image_mode": 0, "denoising_strength": 1.0, "video_guide_outpainting": "#", "image_refs_relative_size": 50,
    "remove_background_images_ref": 1, "speakers_locations": "0:45 55:100", "resolution": "832x480", "batch_size": 1,
    "video_length": 81, "force_fps": "", "num_inference_steps": 30, "seed": -1, "guidance_phases": 1,
    "model_switch_phase": 1, "switch_threshold": 0, "guidance_scale": 5, "guidance2_scale": 5, "guidance3_scale": 5,
    "audio_guidance_scale": 1, "embedded_guidance_scale": 6.0, "alt_guidance_scale": 1.0, "alt_scale": 0.0,
    "temperature": 0.8, "top_p": 0.9, "top_k": 50, "flow_shift": 3, "NAG_scale": 1, "NAG_tau": 3.5, "NAG_alpha": 0.5,
    "repeat_generation": 1, "multi_images_gen_type": 0, "multi_prompts_gen_type": "PG", "skip_steps_cache_type": "",
    "skip_steps_multiplier": 1.75, "skip_steps_start_step_perc": 0, "film_grain_saturation": 0.5,
    "perturbation_switch": 0, "perturbation_layers": [9], "perturbation_start_perc": 10, "perturbation_end_perc": 90,
    "cfg_zero_step": -1, "self_refiner_certain_percentage": 0.999, "min_frames_if_references": 1,
    "motion_amplitude": 1.0, "sliding_window_size": 129, "sliding_window_overlap": 5, "sub_parallel_window_size": 0,
    "sub_parallel_window_overlap": 17, "keep_intermediate_sliding_windows": 1, "RIFLEx_setting": 0,
    "override_profile": -1, "attention_sparsity": 1.0, "activated_loras": [], "model_mode": None, "image_start": None,
}  # fmt: skip


def test_every_argument_of_the_contract_is_declared() -> None:
    assert set(ARGUMENTS) - set(DECLARATIONS) == set()
    own = {"keep_intermediate_sliding_windows", *PICTURE_SETTINGS}
    assert set(DECLARATIONS) - set(ARGUMENTS) == own
    assert len(ARGUMENTS) == 118 - 4


def test_defaults_are_the_baseline_of_the_contract() -> None:
    assert {name: BASELINE[name] for name in EXPECTED} == EXPECTED


@pytest.mark.parametrize("param", DECLARATIONS.values(), ids=lambda param: param.name)
def test_a_declaration_is_complete(param: Param) -> None:
    assert param.label and param.group in GROUPS
    assert param.help.endswith(".") and len(param.help) > 15
    assert param.check(param.default) is None
    assert param.check(param.neutral) is None
    if param.type in ("int", "float"):
        assert param.minimum is not None and param.maximum is not None and param.step is not None
    if param.type == "choice":
        assert param.choices


@pytest.mark.parametrize(
    ("name", "unit"),
    [("resolution", "px"), ("video_length", "frames"), ("force_fps", "fps"), ("duration_seconds", "s"),
     ("sliding_window_overlap", "frames"), ("mask_expand", "px"), ("perturbation_start_perc", "%"),
     ("num_inference_steps", "steps"), ("skip_steps_start_step_perc", "%")],
)  # fmt: skip
def test_what_measures_has_a_unit(name: str, unit: str) -> None:
    assert DECLARATIONS[name].unit == unit


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("seed", -5, "a whole number from -1 to 999999999"),
        ("num_inference_steps", 0, "a whole number from 1 to 100 (steps)"),
        ("num_inference_steps", True, None),
        ("num_inference_steps", 20.5, "a whole number from 1 to 100 (steps)"),
        ("num_inference_steps", "many", "a whole number from 1 to 100 (steps)"),
        ("guidance_scale", float("nan"), "a number from 1 to 20"),
        ("guidance_scale", 20.1, "a number from 1 to 20"),
        ("flow_shift", 0.5, "a number from 1 to 25"),
        ("multi_images_gen_type", 2, "0 or 1"),
        ("RIFLEx_setting", 3, "0, 1 or 2"),
        ("resolution", "big", 'width x height in pixels, such as "832x480"'),
        ("video_length", 0, 'a number of frames from 1 to 20000, or a duration such as "5s"'),
        ("image_prompt_type", "SQ", "the letters S (start image)"),
        ("force_fps", "fast", '"auto", "control", "source"'),
        ("activated_loras", "a.safetensors", "a list of texts"),
        ("perturbation_layers", ["nine"], "a list of whole numbers"),
        ("image_start", 5, "a picture or the path of one, or a list of them"),
        ("keep_frames_video_source", "0", "one whole number other than 0"),
        ("remove_background_images_ref", 7, "0 (off) or 1 (on)"),
        ("prompt", 5, "a text"),
        ("custom_settings", [1], "an object"),
    ],
)  # fmt: skip
def test_an_error_names_the_setting_the_value_and_what_is_accepted(name: str, value: object, accepted: str) -> None:
    problem = DECLARATIONS[name].check(value)
    if accepted is None:
        assert problem is None
        return
    assert problem is not None
    assert problem.startswith(f"{name}: ")
    assert "is not accepted" in problem and accepted in problem
    shown = value if isinstance(value, str) else repr(value)
    assert str(shown) in problem


@pytest.mark.parametrize(
    ("name", "value", "today"),
    [
        ("multi_prompts_gen_type", 0, "G"), ("multi_prompts_gen_type", 1, "W"), ("multi_prompts_gen_type", 2, "FG"),
        ("multi_prompts_gen_type", "", "FG"), ("multi_prompts_gen_type", "P", "PG"),
        ("force_fps", 0, ""), ("force_fps", 24, "24"), ("force_fps", 24.0, "24"), ("force_fps", 23.976, "23.976"),
        ("perturbation_layers", "8,9,10", [8, 9, 10]), ("perturbation_layers", "9", [9]),
        ("switch_threshold", 0.9, 900), ("switch_threshold", 875, 875),
        ("skip_steps_multiplier", 2, 2.0), ("num_inference_steps", 30.0, 30), ("resolution", (832, 480), "832x480"),
        ("resolution", "832 X 480", "832x480"), ("apg_switch", True, 1), ("seed", None, -1),
    ],
)  # fmt: skip
def test_earlier_forms_are_accepted(name: str, value: object, today: object) -> None:
    param = DECLARATIONS[name]
    assert param.check(value) is None
    assert param.normalize(value) == today


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "42", 42), ("guidance_scale", "4.5", 4.5), ("apg_switch", "on", 1), ("apg_switch", "false", 0),
        ("video_length", "49", 49), ("video_length", "5s", "5s"), ("multi_prompts_gen_type", "fg", "FG"),
        ("image_mode", "1", 1), ("activated_loras", "a.safetensors, b.sft", ["a.safetensors", "b.sft"]),
        ("activated_loras", '["a,b.sft"]', ["a,b.sft"]), ("perturbation_layers", "8,9", [8, 9]),
        ("image_start", "a b,c.png", "a b,c.png"), ("image_refs", '["a.png", "b.png"]', ["a.png", "b.png"]),
        ("custom_settings", '{"tone": 3}', {"tone": 3}), ("override_profile", "3.5", 3.5), ("image_start", "", None),
    ],
)  # fmt: skip
def test_text_becomes_a_value(name: str, text: str, value: object) -> None:
    assert DECLARATIONS[name].coerce(text) == value


@pytest.mark.parametrize(
    ("name", "text"), [("seed", "x"), ("seed", "-7"), ("apg_switch", "maybe"), ("prompt_enhancer", "%")]
)
def test_text_that_is_no_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        DECLARATIONS[name].coerce(text)


def test_settings_are_read_and_written_by_name() -> None:
    data = {"seed": 7, "force_fps": 24}
    settings = Settings(data)
    assert (settings.seed, settings.force_fps, settings.video_length) == (7, "24", 81)
    settings.seed = 8
    assert data["seed"] == 8
    with pytest.raises(AttributeError, match="speed"):
        _ = settings.speed
    with pytest.raises(AttributeError, match="speed"):
        settings.speed = 1


def test_the_baseline_is_fresh_each_time() -> None:
    baseline()["perturbation_layers"].append(1)
    assert baseline()["perturbation_layers"] == [9]
