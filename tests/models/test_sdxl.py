"""Stable Diffusion XL keeps the contract; its samplers, ControlNet and IP-Adapter do what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import ControlNetUnionModel, StableDiffusionXLPipeline
from PIL import Image
from transformers import CLIPVisionModelWithProjection

from models.sdxl import handler
from models.sdxl.pipeline_samplers import make_sampler
from shared.core.contracts import LoadOptions, WindowRequest
from shared.core.model_def import ModelDef
from shared.core.sampler_names import NEAREST, SAMPLERS, SCHEDULES, schedules_of
from shared.diffusion.driver import DiffusersPipeline
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_sdxl import save, save_controlnet, save_ip_adapter
from tests.models.contract import STEPS, PipelineContract, run

SIDE = 32
PICTURE = Image.new("RGB", (SIDE, SIDE), "red")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


class SdxlContract(PipelineContract):
    handler = handler
    architecture = "sdxl"
    pipeline_class = "StableDiffusionXLPipeline"
    parts = frozenset({"unet", "vae", "text_encoder", "text_encoder_2"})
    batch_tolerance = 2

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return family_model(handler, self.architecture)

    def request(self) -> WindowRequest:
        return WindowRequest("a red ball", SIDE, SIDE, 1, STEPS, 5.0, seed=7, negative_prompt="blurry")

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = self.bare_pipe(folder)
        pipe.set_progress_bar_config(disable=True)
        arguments = {
            "prompt": window.prompt, "negative_prompt": window.negative_prompt, "guidance_scale": 5.0,
            "num_inference_steps": STEPS, "generator": torch.Generator("cpu").manual_seed(window.seed),
            "output_type": "np", **self.bare_arguments(window),
        }  # fmt: skip
        return pipe(**arguments).images

    def bare_pipe(self, folder: Path) -> Any:
        parts = StableDiffusionXLPipeline.from_pretrained(folder).components
        return getattr(diffusers, self.pipeline_class)(**parts)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"width": SIDE, "height": SIDE}


class TestFromText(SdxlContract):
    def unsupported(self) -> dict[str, Any]:
        return {
            "image_refs": [PICTURE], "image_end": [PICTURE], "image_mode": 0, "sample_solver": "unipc",
            "video_prompt_type": "EV", "custom_settings": {"clip_skip": 4}, "noise_schedule": "even",
            "clip_skip": 40,
        }  # fmt: skip


class TestFromAPicture(SdxlContract):
    pipeline_class = "StableDiffusionXLImg2ImgPipeline"
    phases = ("Encoding prompt", *("Denoising",) * 4, "VAE decoding")

    def request(self) -> WindowRequest:
        return replace(super().request(), num_inference_steps=4, source=picture()[None], denoising_strength=0.75)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        image = Image.fromarray(window.source[0])
        return {"image": image, "strength": 0.75, "num_inference_steps": 4}

    def bare_pipe(self, folder: Path) -> Any:
        parts = StableDiffusionXLPipeline.from_pretrained(folder).components
        return diffusers.StableDiffusionXLImg2ImgPipeline(**parts)


class TestTrainedToRepaint(SdxlContract):
    architecture = "sdxl_inpaint"

    def request(self) -> WindowRequest:
        mask = np.full((SIDE, SIDE), 255, np.uint8)
        return replace(super().request(), source=picture()[None], mask=mask)

    def bare_pipe(self, folder: Path) -> Any:
        return diffusers.StableDiffusionXLInpaintPipeline.from_pretrained(folder)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        media = {"image": Image.fromarray(window.source[0]), "mask_image": Image.fromarray(window.mask)}
        return {**super().bare_arguments(window), **media, "strength": 1.0}

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": [PICTURE], "image_mode": 0}


class TestControlled(SdxlContract):
    architecture = "sdxl_control"

    def build(self, root: Path) -> ModelDef:
        save_controlnet(root / "controlnet-union-sdxl-1.0")
        return super().build(root)

    def request(self) -> WindowRequest:
        settings = {"video_prompt_type": "DV", "control_net_weight": 0.8}
        return replace(super().request(), control=picture()[None], settings=settings)

    def bare_pipe(self, folder: Path) -> Any:
        parts = StableDiffusionXLPipeline.from_pretrained(folder).components
        controlnet = ControlNetUnionModel.from_pretrained(folder.parent / "controlnet-union-sdxl-1.0")
        return diffusers.StableDiffusionXLControlNetUnionPipeline(**parts, controlnet=controlnet)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        control = {"control_image": Image.fromarray(window.control[0]), "control_mode": 1}
        return {**super().bare_arguments(window), **control, "controlnet_conditioning_scale": 0.8}

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": [PICTURE], "video_prompt_type": "LV"}


class TestReferences(SdxlContract):
    architecture = "sdxl_ip_adapter"

    def build(self, root: Path) -> ModelDef:
        save_ip_adapter(root, root / "IP-Adapter" / "models" / "image_encoder")
        return super().build(root)

    def request(self) -> WindowRequest:
        settings = {"alt_scale": 0.5, "video_prompt_type": "I"}
        return replace(super().request(), references=[picture(1), picture(2)], settings=settings)

    def bare_pipe(self, folder: Path) -> Any:
        pipe = StableDiffusionXLPipeline.from_pretrained(folder)
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            folder.parent / "IP-Adapter" / "models" / "image_encoder"
        )
        pipe.register_modules(image_encoder=encoder)
        name = "ip-adapter_sdxl_vit-h.safetensors"
        pipe.load_ip_adapter(str(folder.parent), subfolder="", weight_name=name, image_encoder_folder=None)
        pipe.set_ip_adapter_scale(0.5)
        return pipe

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        pictures = [Image.fromarray(pixels) for pixels in window.references]
        return {**super().bare_arguments(window), "ip_adapter_image": [pictures]}

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": [PICTURE] * 5, "image_mode": 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sdxl")


@pytest.fixture(scope="module")
def sdxl(root: Path) -> DiffusersPipeline:
    save("sdxl", root / "sdxl")
    pipeline = handler.load(family_model(handler, "sdxl"), [str(root)], LoadOptions())
    assert isinstance(pipeline, DiffusersPipeline)
    return pipeline


def request(**changes: Any) -> WindowRequest:
    return replace(WindowRequest("a red ball", SIDE, SIDE, 1, 3, 3.0, seed=7), **changes)


@pytest.mark.parametrize("sampler", [name for _, name in SAMPLERS])
def test_every_sampler_gives_the_same_from_the_same_seed(sdxl: DiffusersPipeline, sampler: str) -> None:
    window = request(sample_solver=sampler, settings={"noise_schedule": schedules_of(sampler)[0]})
    frames = run(sdxl, window)
    assert frames.std() > 0
    assert np.array_equal(frames, run(sdxl, window))


@pytest.mark.parametrize("sampler", [name for _, name in SAMPLERS if not name.startswith("dpm_2")])
def test_every_sampler_ends_well_on_each_of_its_schedules(sdxl: DiffusersPipeline, sampler: str) -> None:
    for schedule in (value for _, value in SCHEDULES):
        scheduler = make_sampler(sdxl._scheduler, sampler, schedule)
        scheduler.set_timesteps(4)
        sample = torch.full((1, 1, 2, 2), float(scheduler.init_noise_sigma))
        for t in scheduler.timesteps:
            predicted = torch.tanh(scheduler.scale_model_input(sample, t))
            sample = scheduler.step(predicted, t, sample).prev_sample
        assert bool(torch.isfinite(sample).all()), schedule


def test_samplers_and_schedules_change_the_picture(sdxl: DiffusersPipeline) -> None:
    names = [sampler for _, sampler in SAMPLERS[:8] if sampler not in NEAREST]
    made = {sampler: run(sdxl, request(sample_solver=sampler)).tobytes() for sampler in names}
    assert len(set(made.values())) == len(made)
    karras = run(sdxl, request(sample_solver="euler", settings={"noise_schedule": "karras"}))
    assert not np.array_equal(karras, run(sdxl, request(sample_solver="euler")))


def test_our_ancestral_euler_is_that_of_diffusers_on_its_schedule(sdxl: DiffusersPipeline) -> None:
    ours = make_sampler(sdxl._scheduler, "euler_ancestral", "karras")
    theirs = make_sampler(sdxl._scheduler, "euler_ancestral")
    theirs.set_timesteps(5)
    ours.set_timesteps(5)
    ours.sigmas, ours.timesteps = theirs.sigmas, theirs.timesteps
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * theirs.sigmas[0]
    one, other = sample, sample
    draws = [torch.Generator().manual_seed(1) for _ in range(2)]
    for t in theirs.timesteps:
        predicted = torch.sin(one)
        one = theirs.step(predicted, t, one, generator=draws[0]).prev_sample
        other = ours.step(predicted, t, other, generator=draws[1]).prev_sample
        assert torch.allclose(one, other, atol=1e-5)


def test_without_a_control_picture_the_plain_pipeline_runs(root: Path, sdxl: DiffusersPipeline) -> None:
    save("sdxl_control", root / "sdxl_control")
    save_controlnet(root / "controlnet-union-sdxl-1.0")
    controlled = handler.load(family_model(handler, "sdxl_control"), [str(root)], LoadOptions())
    assert np.array_equal(run(controlled, request()), run(sdxl, request()))


def test_a_controlled_picture_can_be_repainted_too(root: Path) -> None:
    save("sdxl_control", root / "sdxl_control")
    save_controlnet(root / "controlnet-union-sdxl-1.0")
    controlled = handler.load(family_model(handler, "sdxl_control"), [str(root)], LoadOptions())
    mask = np.zeros((1, SIDE, SIDE), np.uint8)
    mask[:, 8:24, 8:24] = 255
    window = request(source=picture()[None], mask=mask, settings={"video_prompt_type": "EVA"})
    plain, followed = run(controlled, window), run(controlled, replace(window, control=picture(5)[None]))
    assert not np.array_equal(plain, followed)
    assert np.array_equal(followed[:, :4], picture()[None, :4])


def test_without_references_the_adapter_has_no_effect(root: Path, sdxl: DiffusersPipeline) -> None:
    save("sdxl_ip_adapter", root / "sdxl_ip_adapter")
    save_ip_adapter(root, root / "IP-Adapter" / "models" / "image_encoder")
    adapted = handler.load(family_model(handler, "sdxl_ip_adapter"), [str(root)], LoadOptions())
    assert np.array_equal(run(adapted, request()), run(sdxl, request()))
    assert not np.array_equal(run(adapted, request(references=[picture()])), run(sdxl, request()))
