"""Whole tasks of SDXL with what Fooocus asks of it, from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes import tiny_sdxl
from tests.models.test_pictures_task import Studio

SMALL = {"resolution": "32x32", "num_inference_steps": 3, "sample_solver": "euler"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    root = tmp_path_factory.mktemp("sdxl_tasks")
    (root / "defaults").mkdir()
    for name in ("sdxl", "sdxl_refiner"):
        tiny_sdxl.save(name, root / "ckpts" / name)
        block = {"name": name, "architecture": name, "folder": name}
        (root / "defaults" / f"{name}.json").write_text(json.dumps({"model": block, "resolution": "32x32"}))
    tiny_sdxl.save_controlnet(root / "ckpts" / "controlnet-union-sdxl-1.0")
    adapter = tiny_sdxl.save_ip_adapter(root / "ckpts", root / "ckpts" / "IP-Adapter" / "models" / "image_encoder")
    adapter.rename(root / "ckpts" / "ip-adapter-plus_sdxl_vit-h.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "photo.png")
    return Studio(root)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_all_of_fooocus_steering_in_one_task(studio: Studio, tmp_path: Path) -> None:
    photo = str(studio.services.root / "photo.png")
    (plain,) = studio.make("sdxl", **SMALL)
    (steered,) = studio.make(
        "sdxl", **SMALL, styles=["SAI Anime", "Fooocus Sharp"], sharpness=2.0, adm_scaler_positive=1.5,
        adm_scaler_negative=0.8, adaptive_cfg=3.0, freeu=1, clip_skip=1, refiner_model="sdxl_refiner",
        refiner_switch=0.7, guide_pictures=[photo, photo], guide_kinds=["ImagePrompt", "PyraCanny"],
        noise_schedule="karras", metadata_scheme="fooocus",
    )  # fmt: skip
    assert pixels(steered).shape == (32, 32, 3) and not np.array_equal(pixels(plain), pixels(steered))
    with Image.open(steered) as image:
        written = json.loads(image.info["parameters"])
    assert written["refiner_model"] == "sdxl_refiner" and written["adm_guidance"] == "(1.5, 0.8, 0.3)"
    (again,) = studio.make("sdxl", **SMALL)
    assert np.array_equal(pixels(plain), pixels(again)), "nothing of the task before is left"


def test_a_picture_is_varied_enlarged_and_repainted(studio: Studio, tmp_path: Path) -> None:
    photo = str(studio.services.root / "photo.png")
    (varied,) = studio.make("sdxl", **SMALL, image_guide=photo, vary_upscale="vary_subtle")
    (larger,) = studio.make("sdxl", **SMALL, image_guide=photo, vary_upscale="upscale_2", performance="Speed",
                            upscale_tile=32)  # fmt: skip
    (wider,) = studio.make("sdxl", **SMALL, image_guide=photo, video_guide_outpainting="0 0 30 30")
    assert pixels(varied).shape == (32, 40, 3) and pixels(larger).shape == (48, 60, 3)
    assert pixels(wider).shape == (24, 48, 3) and np.array_equal(pixels(wider)[:, 9:39], pixels(Path(photo)))


def test_a_refiner_that_is_not_there_is_named(studio: Studio) -> None:
    finished, _ = studio.run("sdxl", **SMALL, refiner_model="nothing")
    assert finished.outcome == "failed" and '"nothing" is not known' in str(finished.error)


def test_what_another_model_lacks_is_refused_by_name(studio: Studio) -> None:
    finished, _ = studio.run("sdxl_refiner", **SMALL, performance="Speed", refiner_model="sdxl")
    told = str(finished.error)
    assert "performance: " in told and "refiner_model: " in told and "image_guide: it is missing" in told
