"""Wishes of the Fooocus APIs as settings, for a model of their kind and for one that has little of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.core.errors import SettingsError
from shared.core.params import Param
from shared.core.settings import DECLARATIONS, problems
from shared.http.fooocus import ControlImage, Enhancement, Wishes, to_settings
from shared.http.naming import completed

SDXL = {name: param for name, param in DECLARATIONS.items() if param.kind != "video"}
SDXL["noise_schedule"] = SDXL["noise_schedule"].with_changes(choices=(("Karras", "karras"),))
LEAN = {name: SDXL[name] for name in (
    "num_inference_steps", "guidance_scale", "sample_solver", "styles", "image_guide", "image_mask",
)}  # fmt: skip
ADVANCED = {
    "adm_scaler_positive": 1.5, "adm_scaler_negative": 0.8, "adm_scaler_end": 0.3, "adaptive_cfg": 7.0, "clip_skip": 2,
    "sampler_name": "dpmpp_2m_sde_gpu", "scheduler_name": "karras", "overwrite_step": -1, "overwrite_width": -1,
    "overwrite_height": -1, "overwrite_switch": -1, "controlnet_softness": 0.25, "freeu_enabled": False,
    "vae_name": "Default (model)", "inpaint_strength": 0.9, "inpaint_respective_field": 0.5,
    "inpaint_erode_or_dilate": -8, "invert_mask_checkbox": True, "overwrite_vary_strength": 0.4,
}  # fmt: skip


def made(params: Mapping[str, Param] = SDXL, **wishes: Any) -> dict[str, Any]:
    wishes = {"prompt": "a star", "advanced": ADVANCED, **wishes}
    settings, warnings = to_settings(Wishes(**wishes), "sdxl", params)
    assert warnings == []
    return settings


def some(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: settings.get(name) for name in names}


def test_a_plain_request() -> None:
    settings = made(style_selections=["SAI Anime"], image_number=3, image_seed=2**62 + 5, save_extension="jpeg")
    assert some(settings, "prompt", "image_mode", "resolution", "repeat_generation", "styles", "image_format") == {
        "prompt": "a star", "image_mode": 1, "resolution": "1152x896", "repeat_generation": 3, "styles": ["SAI Anime"],
        "image_format": "jpg",
    }  # fmt: skip
    assert some(settings, "performance", "sharpness", "guidance_scale", "adaptive_cfg", "noise_schedule") == {
        "performance": "Speed", "sharpness": 2.0, "guidance_scale": 4.0, "adaptive_cfg": 7.0,
        "noise_schedule": "karras",
    }  # fmt: skip
    assert settings["seed"] == (2**62 + 5) % 10**9 and "num_inference_steps" not in settings
    assert problems(settings, None, SDXL) == []


def test_a_fast_performance_fixes_its_own_numbers() -> None:
    settings = made(performance_selection="Lightning", sharpness=9, given={"sharpness"})
    assert settings["performance"] == "Lightning"
    assert not {"sharpness", "guidance_scale", "sample_solver", "adaptive_cfg"} & settings.keys()
    assert settings["clip_skip"] == 2


def test_a_model_of_another_kind_keeps_its_own_numbers() -> None:
    settings = made(LEAN)
    assert not {"guidance_scale", "sample_solver", "sharpness", "performance"} & settings.keys()
    assert settings["num_inference_steps"] == LEAN["num_inference_steps"].default
    fast = made(LEAN, performance_selection="Hyper-SD")
    assert fast["num_inference_steps"] == round(0.4 * LEAN["num_inference_steps"].default)
    assert made(LEAN, advanced={"overwrite_step": 7})["num_inference_steps"] == 7


def test_what_was_asked_for_in_vain_is_told() -> None:
    wishes = Wishes(sharpness=9, guidance_scale=6, given={"sharpness", "guidance_scale"})
    settings, warnings = to_settings(wishes, "starter", LEAN)
    assert settings["guidance_scale"] == 6
    assert warnings == ["sharpness: 9 has no effect, this model does not use it."]


@pytest.mark.parametrize(("text", "size"), [("640*512", "640x512"), ("640×512", "640x512"), ("640x512 5:4", "640x512")])
def test_aspect_ratios_in_all_their_forms(text: str, size: str) -> None:
    assert made(aspect_ratios_selection=text)["resolution"] == size
    assert made(aspect_ratios_selection=text, advanced={"overwrite_width": 800})["resolution"] == "800x512"


def test_an_aspect_ratio_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError):
        made(aspect_ratios_selection="wide")


def test_varying_and_enlarging() -> None:
    vary = made(uov_method="Vary (Subtle)", uov_image="a.png")
    assert some(vary, "image_guide", "vary_upscale", "denoising_strength") == {
        "image_guide": "a.png", "vary_upscale": "vary_subtle", "denoising_strength": 0.4,
    }  # fmt: skip
    custom = made(uov_method="Upscale (Custom)", uov_image="a.png", upscale_value=3.0)
    assert some(custom, "vary_upscale", "upscale_factor", "denoising_strength") == {
        "vary_upscale": "upscale_custom", "upscale_factor": 3.0, "denoising_strength": None,
    }  # fmt: skip
    assert "image_guide" not in made(uov_method="Disabled", uov_image="a.png")


def test_repainting_and_painting_beyond_the_border() -> None:
    inpaint = made(inpaint_image="a.png", inpaint_mask="m.png", inpaint_additional_prompt="a hat")
    assert some(inpaint, "image_mode", "image_mask", "mask_expand", "invert_mask", "inpaint_field", "prompt") == {
        "image_mode": 2, "image_mask": "m.png", "mask_expand": -8, "invert_mask": 1, "inpaint_field": 0.5,
        "prompt": "a hat\na star",
    }  # fmt: skip
    beyond = made(
        inpaint_image="a.png", inpaint_size=(64, 48), outpaint_selections=["Left", "Top"],
        outpaint_distances={"Left": 32},
    )  # fmt: skip
    assert beyond["video_guide_outpainting"].split()[1:] == ["0", "50", "0"]
    assert "denoising_strength" not in beyond and beyond["paste_back"] == 1
    assert "image_guide" not in made(inpaint_image="a.png")


def test_picture_prompts_go_first_and_mix_when_asked() -> None:
    controls = [ControlImage(f"{n}.png", "FaceSwap", 0.9, 0.7) for n in range(5)]
    alone = made(image_prompts=controls, uov_method="Vary (Strong)", uov_image="a.png")
    assert len(alone["guide_pictures"]) == 4 and "vary_upscale" not in alone
    assert alone["guide_weights"] == "0.7 0.7 0.7 0.7" and alone["guide_kinds"] == ["FaceSwap"] * 4
    advanced = {**ADVANCED, "mixing_image_prompt_and_vary_upscale": True}
    mixed = made(image_prompts=controls[:1], uov_method="Vary (Strong)", uov_image="a.png", advanced=advanced)
    assert mixed["guide_pictures"] == ["0.png"] and mixed["vary_upscale"] == "vary_strong"


def test_enhancing() -> None:
    passes = [
        {"enhance_enabled": True, "enhance_mask_dino_prompt": "face", "enhance_prompt": "a smile"},
        {"enhance_enabled": False},
    ]
    enhance = Enhancement("a.png", passes, "Upscale (2x)", "After Last Enhancement", "Last Filled Enhancement Prompts")
    settings = made(enhance=enhance, image_number=4)
    assert settings["image_guide"] == "a.png" and settings["repeat_generation"] == 1
    first, last = settings["enhance"]
    assert some(first, "mask_prompt", "prompt", "mask_model") == {
        "mask_prompt": "face", "prompt": "a smile", "mask_model": "sam",
    }  # fmt: skip
    assert last == {"vary_upscale": "upscale_2", "prompt": "a smile"}


def test_loras_refiner_and_metadata() -> None:
    settings = made(
        loras=[("a.safetensors", 0.5), ("b.safetensors", 1.0)], refiner_model="sdxl_refiner", save_meta=False,
        advanced={"overwrite_switch": 24},
    )  # fmt: skip
    assert settings["activated_loras"] == ["a.safetensors", "b.safetensors"]
    assert settings["loras_multipliers"] == "0.5 1"
    assert settings["metadata_scheme"] == "none" and settings["refiner_switch"] == pytest.approx(0.8)
    assert made(meta_scheme="a111")["metadata_scheme"] == "a1111"


def test_names_are_completed_to_what_is_there() -> None:
    known = ["sdxl/juggernautXL_v8Rundiffusion.safetensors", "a/lcm.safetensors", "b/lcm_v2.safetensors"]
    meant = {
        "juggernautXL_v8Rundiffusion": known[0], "JuggernautXL": known[0], "lcm": known[1],
        "LCM-v2.safetensors": known[2], "l": None, "zzz": None, "": None, "..": None,
    }  # fmt: skip
    assert {name: completed(name, known) for name in meant} == meant
