"""Settings as Fooocus and A1111 write them into pictures: found there, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.core.metadata_schemes import scheme_text, settings_from_scheme
from shared.media.images import save_image
from shared.media.metadata import read_settings

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
SETTINGS: dict[str, Any] = {
    "type": "WanGP v1 by DeepBeepMeep - SDXL", "model_type": "sdxl", "prompt": 'a fox, "quick" and brown: ünï',
    "negative_prompt": "rain, snow", "styles": ["SAI Anime", "Fooocus Sharp"], "performance": "Quality",
    "num_inference_steps": 60, "guidance_scale": 4.5, "sharpness": 2.0, "adm_scaler_positive": 1.5,
    "adm_scaler_negative": 0.8, "adm_scaler_end": 0.3, "sample_solver": "dpmpp_2m_sde_gpu",
    "noise_schedule": "karras", "seed": 77, "clip_skip": 2, "freeu": 1, "freeu_b1": 1.1, "freeu_b2": 1.2,
    "freeu_s1": 0.9, "freeu_s2": 0.8, "activated_loras": ["animals/fur.safetensors"], "loras_multipliers": "0.75",
    "full_prompt": "anime artwork of a fox", "full_negative_prompt": "rain, photo", "metadata_scheme": "fooocus",
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["fooocus", "a1111"])
@pytest.mark.parametrize("codec", ["png", "jpeg_90", "webp_90"])
def test_both_programs_find_their_own(tmp_path: Path, scheme: str, codec: str) -> None:
    path = save_image(PIXELS, tmp_path / "made", codec, SETTINGS, scheme)
    assert read_settings(path) == SETTINGS
    with Image.open(path) as image:
        if codec == "png":
            text, told = image.info["parameters"], image.info["fooocus_scheme"]
            assert np.array_equal(np.asarray(image), PIXELS)
        else:
            exif = image.getexif()
            text, told = exif[0x9286], exif[0x927C]
            own = exif.get_ifd(0x8769)[0x9286]
            whole = own[8:].decode("utf-16-le" if own.startswith(b"UNICODE") else "ascii")
            assert whole.encode("ascii", "replace").decode() == text
            text = whole
            assert str(exif[0x0131]).startswith("WanGP")
    assert told == scheme and text == scheme_text(SETTINGS, scheme, (64, 48))


def test_without_a_scheme_a_file_is_what_it_was(tmp_path: Path) -> None:
    path = save_image(PIXELS, tmp_path / "plain", "png", SETTINGS)
    with Image.open(path) as image:
        assert set(image.info) == {"comment"}


def test_fooocus_text_has_its_keys_in_order() -> None:
    data = json.loads(scheme_text(SETTINGS, "fooocus", (64, 48)))
    assert list(data) == sorted(data)
    assert data["resolution"] == "(64, 48)" and data["adm_guidance"] == "(1.5, 0.8, 0.3)" and data["seed"] == "77"
    assert data["styles"] == "['SAI Anime', 'Fooocus Sharp']" and data["lora_combined_1"] == "fur.safetensors : 0.75"
    assert {"full_prompt", "full_negative_prompt", "base_model", "refiner_model", "vae", "version"} <= set(data)


def test_what_fooocus_wrote_becomes_settings() -> None:
    found = settings_from_scheme(scheme_text(SETTINGS, "fooocus", (64, 48)))
    assert found is not None
    kept = {name: SETTINGS[name] for name in found if name in SETTINGS and name != "activated_loras"}
    assert {name: value for name, value in found.items() if name in kept} == kept
    assert found["resolution"] == "64x48" and found["activated_loras"] == ["fur.safetensors"]
    assert set(kept) >= {"prompt", "negative_prompt", "styles", "performance", "num_inference_steps", "seed",
                         "sample_solver", "noise_schedule", "adm_scaler_positive", "freeu_b1"}  # fmt: skip
    older = {"base_model": "x", "prompt": "a", "seed": "9184898499127133921", "styles": "['SAI Anime']",
             "lora_combined_1": "a.safetensors : 0.5", "sampler": 5}  # fmt: skip
    found = settings_from_scheme(json.dumps(older))
    assert found == {"prompt": "a", "seed": 499127133921 % 10**9, "styles": ["SAI Anime"],
                     "activated_loras": ["a.safetensors"], "loras_multipliers": "0.5"}  # fmt: skip


def test_what_a1111_wrote_becomes_settings() -> None:
    found = settings_from_scheme(scheme_text(SETTINGS, "a1111", (64, 48)))
    assert found is not None
    assert found["prompt"] == SETTINGS["prompt"] and found["negative_prompt"] == SETTINGS["negative_prompt"]
    assert found["num_inference_steps"] == 60 and found["seed"] == 77 and found["styles"] == SETTINGS["styles"]
    theirs = (
        "a fox <lora:fur:0.5>,\nin snow\nNegative prompt: rain\n"
        "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 512x768, Model hash: abc, Clip skip: 2"
    )
    assert settings_from_scheme(theirs) == {
        "prompt": "a fox <lora:fur:0.5>,\nin snow", "negative_prompt": "rain", "num_inference_steps": 20,
        "guidance_scale": 7, "seed": 5, "resolution": "512x768", "clip_skip": 2, "sample_solver": "dpmpp_2m",
        "noise_schedule": "karras",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "a sentence", "{}", '{"prompt": "a"}', "[1]", "{" * 5000, "Steps of a dance"])
def test_another_text_is_of_neither(text: str) -> None:
    assert settings_from_scheme(text) is None


def test_a_picture_of_another_program_brings_its_settings(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48")
    Image.fromarray(PIXELS).save(tmp_path / "theirs.png", pnginfo=info)
    assert read_settings(tmp_path / "theirs.png") == {
        "prompt": "a fox", "negative_prompt": "", "num_inference_steps": 20, "guidance_scale": 7, "seed": 5,
        "resolution": "64x48",
    }  # fmt: skip
