"""The refiner takes over where it should, as bare diffusers hands over; another VAE takes the place of the model's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from models.sdxl import handler
from models.sdxl.pipeline_refiner import switch_level
from models.sdxl.pipeline_samplers import make_sampler
from shared.core.contracts import LoadOptions, Pipeline, WindowRequest
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_sdxl import save
from tests.models.contract import run

SIDE, STEPS = 32, 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("refiner")
    save("sdxl", root / "sdxl")
    save("sdxl_refiner", root / "sdxl_refiner")
    return root


def with_refiner(name: str = "sdxl_refiner") -> ModelDef:
    model = family_model(handler, "sdxl")
    return replace(model, model=MappingProxyType({**model.model, "refined_by": family_model(handler, name)}))


@pytest.fixture(scope="module")
def refined(root: Path) -> Pipeline:
    return handler.load(with_refiner(), [str(root)], LoadOptions())


def request(**settings: Any) -> WindowRequest:
    settings = {"refiner_switch": 0.6, **settings}
    return WindowRequest("a red ball", SIDE, SIDE, 1, STEPS, 4.0, seed=7, negative_prompt="blurry", settings=settings)


def test_the_files_of_both_are_needed() -> None:
    paths = [file.path for file in handler.files(with_refiner())]
    assert paths == ["sdxl", "sdxl_refiner"]


def test_a_joint_handover_is_that_of_bare_diffusers(root: Path, refined: Pipeline) -> None:
    made = run(refined, request())
    base = StableDiffusionXLPipeline.from_pretrained(root / "sdxl")
    refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(root / "sdxl_refiner")
    base.scheduler.set_timesteps(STEPS)
    times = base.scheduler.timesteps.tolist()
    shared = {"prompt": "a red ball", "negative_prompt": "blurry", "num_inference_steps": STEPS, "guidance_scale": 4.0}
    for pipe in (base, refiner):
        pipe.set_progress_bar_config(disable=True)
    latents = base(
        **shared, width=SIDE, height=SIDE, denoising_end=1 - int(times[2]) / 1000, output_type="latent",
        generator=torch.Generator().manual_seed(7),
    ).images  # fmt: skip
    theirs = refiner(
        **shared, image=latents, denoising_start=1 - int(times[2]) / 1000, output_type="np",
        generator=torch.Generator().manual_seed(7),
    ).images  # fmt: skip
    assert np.abs(np.rint(theirs * 255) - made).max() <= 1


@pytest.mark.parametrize("solver", ["", "euler", "dpmpp_2m_sde", "dpmpp_2m"])
@pytest.mark.parametrize("schedule", ["", "karras", "sgm_uniform"])
def test_the_part_of_the_steps_is_kept_on_every_schedule(root: Path, solver: str, schedule: str) -> None:
    checkpoint = StableDiffusionXLPipeline.from_pretrained(root / "sdxl").scheduler
    for part in (0.2, 0.6, 0.8):
        scheduler = make_sampler(checkpoint, solver, schedule)
        level = switch_level(scheduler, replace(request(), num_inference_steps=10), part)
        cut = round(1000 - level * 1000)
        times = scheduler.timesteps
        assert int((times >= cut).sum()) == round(10 * part) and int((times < cut).sum()) == 10 - round(10 * part)


def test_each_way_of_handing_over_and_each_switch_is_another_picture(refined: Pipeline) -> None:
    made = [run(refined, request(refiner_swap=swap)) for swap in ("joint", "separate", "vae")]
    made += [run(refined, request(refiner_switch=switch)) for switch in (0.2, 0.8)]
    assert len({picture.tobytes() for picture in made}) == 5
    assert np.array_equal(made[0], run(refined, request()))


def test_without_a_step_for_it_the_first_makes_all(root: Path, refined: Pipeline) -> None:
    alone = handler.load(family_model(handler, "sdxl"), [str(root)], LoadOptions())
    assert np.array_equal(run(refined, request(refiner_switch=1.0)), run(alone, request()))


def test_a_model_of_the_same_kind_refines_as_well(root: Path) -> None:
    shutil.copytree(root / "sdxl", root / "sdxl_control", dirs_exist_ok=True)
    model = family_model(handler, "sdxl")
    other = replace(family_model(handler, "sdxl"), model_type="other")
    same = handler.load(
        replace(model, model=MappingProxyType({**model.model, "refined_by": other})), [str(root)], LoadOptions()
    )
    alone = handler.load(model, [str(root)], LoadOptions())
    assert np.abs(run(same, request()).astype(int) - run(alone, request())).max() <= 1


@pytest.mark.parametrize("way", ["picture", "mask"])
def test_a_given_picture_is_refined_too(refined: Pipeline, way: str) -> None:
    source = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((1, SIDE, SIDE), np.uint8)
    mask[:, 8:24, 8:24] = 255
    changes = {"denoising_strength": 0.8} if way == "picture" else {"mask": mask}
    window = replace(request(), source=source, **changes)
    made = run(refined, window)
    assert not np.array_equal(made, run(refined, replace(window, settings={"refiner_switch": 1.0})))
    if way == "mask":
        assert np.array_equal(made[:, :4], source[:, :4])


def test_another_vae_takes_the_place_of_the_models(root: Path) -> None:
    vae = AutoencoderKL.from_pretrained(root / "sdxl" / "vae")
    torch.nn.init.normal_(vae.decoder.conv_out.weight, std=0.5)
    (root / "vae").mkdir(exist_ok=True)
    vae.save_pretrained(root / "other")
    shutil.copy(root / "other" / "diffusion_pytorch_model.safetensors", root / "vae" / "mine.safetensors")
    model = family_model(handler, "sdxl")
    made = run(handler.load(handler.for_task(model, {"vae_file": "mine"}), [str(root)], LoadOptions()), request())
    bare = StableDiffusionXLPipeline.from_pretrained(root / "sdxl", vae=vae)
    bare.set_progress_bar_config(disable=True)
    theirs = bare(
        "a red ball", negative_prompt="blurry", width=SIDE, height=SIDE, num_inference_steps=STEPS, guidance_scale=4.0,
        generator=torch.Generator().manual_seed(7), output_type="np",
    ).images  # fmt: skip
    assert np.abs(np.rint(theirs * 255) - made).max() <= 1
