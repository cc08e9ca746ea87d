"""Performance presets, presets, sizes and picture prompts as pure functions."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.guide_kinds import guide_problems, guide_uses
from shared.core.performance import PRESETS as PERFORMANCES
from shared.core.performance import apply_performance, performance_settings
from shared.core.picture_presets import PRESETS
from shared.core.picture_sizes import (
    ASPECT_RATIOS,
    fold_seed,
    grown_pixels,
    outpainting_text,
    parse_aspect_ratio,
    scaled_to_side,
    shape_side,
)
from shared.core.settings import DECLARATIONS
from shared.core.styles import style_names
from shared.core.units import parse_outpainting


def test_the_presets_have_the_steps_of_the_contract() -> None:
    steps = {name: (preset.steps, preset.upscale_steps) for name, preset in PERFORMANCES.items()}
    assert steps == {"Quality": (60, 36), "Speed": (30, 18), "Extreme Speed": (8, 8), "Lightning": (4, 4),
                     "Hyper-SD": (4, 4)}  # fmt: skip
    assert [value for _, value in DECLARATIONS["performance"].choices] == ["", *PERFORMANCES]


def test_a_fast_preset_brings_its_lora_and_switches_guidance_off() -> None:
    settings = apply_performance({"performance": "Hyper-SD", "activated_loras": ["a"], "loras_multipliers": "0.5"})
    assert settings["guidance_scale"] == 1 and settings["sharpness"] == 0 and settings["refiner_model"] == ""
    assert settings["sample_solver"] == "dpmpp_sde_gpu" and settings["loras_multipliers"].split() == ["0.5", "0.8"]
    assert len(settings["activated_loras"]) == 2
    assert apply_performance(settings) == settings
    assert apply_performance({"performance": "Speed", "vary_upscale": "upscale_2"})["num_inference_steps"] == 18
    assert performance_settings("") == {}


@pytest.mark.parametrize("name", ["anime", "default", "initial", "lcm", "lightning", "playground_v2.5", "pony_v6",
                                  "realistic", "sai"])  # fmt: skip
def test_a_preset_holds_settings_that_are_accepted(name: str) -> None:
    for setting, value in PRESETS[name].items():
        assert DECLARATIONS[setting].check(value) is None or setting in ("sample_solver", "noise_schedule")
    assert set(PRESETS[name]["styles"]) <= set(style_names())


def test_aspect_ratios_are_read_in_every_spelling() -> None:
    assert len(ASPECT_RATIOS) == 26
    for text in ("1152*896", "1152×896", "1152x896", "1152×896 <span>9:7</span>", " 1152 * 896 "):
        assert parse_aspect_ratio(text) == "1152x896"
    for text in ("", "wide", "1152", "*896"):
        with pytest.raises(SettingsError, match="aspect_ratios_selection"):
            parse_aspect_ratio(text)


def test_outpainting_by_side_and_distance_ends_at_exact_pixels() -> None:
    text = outpainting_text(["Left", "Right"], {}, (64, 48))
    assert grown_pixels(parse_outpainting(text), (64, 48)) == (0, 0, 19, 19)
    text = outpainting_text(["Top", "Left"], {"Top": 7, "Left": 13}, (651, 333))
    assert grown_pixels(parse_outpainting(text), (651, 333)) == (7, 0, 13, 0)
    with pytest.raises(SettingsError, match="Use Top, Bottom, Left, Right"):
        outpainting_text(["left"], {}, (64, 48))


def test_a_seed_of_any_size_becomes_one_of_ours() -> None:
    assert fold_seed(-1) == -1 and fold_seed(7) == 7
    assert fold_seed(9184898499127133921) == 499127133921 % 10**9


def test_sizes_for_varying_keep_the_shape() -> None:
    assert shape_side((1152, 896)) == 1024 and shape_side((100, 100)) == 128
    width, height = scaled_to_side((300, 200), 1024)
    assert abs(width / height - 1.5) < 0.01 and abs(width * height - 1024**2) < 2000


def test_a_picture_prompt_has_the_usual_numbers_of_its_kind() -> None:
    uses = guide_uses({"guide_kinds": ["FaceSwap", "CPDS"], "guide_weights": "0 0.4", "guide_stops": "0.2"}, 3)
    assert [(use.kind, use.weight, use.stop) for use in uses] == [
        ("FaceSwap", 0.75, 0.2), ("CPDS", 0.4, 0.5), ("ImagePrompt", 0.6, 0.5),
    ]  # fmt: skip
    told = guide_problems({"guide_pictures": ["a"] * 5, "guide_kinds": ["Depth"], "guide_stops": "2"})
    assert [sentence.split(":")[0] for sentence in told] == ["guide_pictures", "guide_kinds", "guide_stops"]
