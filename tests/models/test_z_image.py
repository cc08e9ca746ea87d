"""Z-Image keeps the contract on tiny checkpoints; its control pictures, start pictures and masks have effect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from diffusers import ZImageControlNetModel
from PIL import Image
from safetensors.torch import load_file

from models.z_image import handler
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_z_image import CONTROL_CONFIG, save, save_control
from tests.models.contract import run
from tests.models.picture_contract import (
    PictureContract,
    assert_repaints,
    assert_starts_from,
    bare_pipeline,
    distance,
    left_half,
    picture,
)


class ZImageContract(PictureContract):
    handler = handler
    save = staticmethod(save)

    def request(self) -> WindowRequest:
        return replace(super().request(), flow_shift=3.0)


class TestZImageTurbo(ZImageContract):
    architecture = "z_image"

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png"]}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "guidance_scale": 0.0}

    def test_the_shift_has_effect(self, pipeline: Pipeline) -> None:
        window = self.request()
        assert distance(run(pipeline, window), run(pipeline, replace(window, flow_shift=7.0))) > 0

    def test_it_starts_from_a_picture(self, pipeline: Pipeline) -> None:
        assert_starts_from(pipeline, self.request())

    def test_it_repaints(self, pipeline: Pipeline) -> None:
        assert_repaints(pipeline, self.request())


class TestZImageBase(ZImageContract):
    architecture = "z_image_base"
    guidance = 4.0

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        given = {"guidance_scale": window.guidance_scale - 1, "negative_prompt": window.negative_prompt}
        return {**super().bare_arguments(window), **given}

    def test_guidance_of_one_is_none(self, pipeline: Pipeline) -> None:
        window = replace(self.request(), guidance_scale=1.0)
        assert distance(run(pipeline, window), run(pipeline, replace(window, negative_prompt="ball"))) == 0
        assert distance(run(pipeline, window), run(pipeline, self.request())) > 0

    def test_phases_count_guidance_as_a_plain_run_does(self, pipeline: Pipeline) -> None:
        window = self.request()
        phases = {"guidance_phases": 2, "guidance2_scale": 1.0, "switch_threshold": 0}
        assert distance(run(pipeline, window), run(pipeline, replace(window, settings=phases))) <= 2


class TestZImageControl(ZImageContract):
    architecture = "z_image_control"

    def build(self, root: Path) -> ModelDef:
        save("z_image", root / "z_image")
        save_control(root / "control")
        spec = {
            "class": "ZImageControlNetModel", "repo": "", "folder": "control", "file": "control.safetensors",
            "config": CONTROL_CONFIG,
        }  # fmt: skip
        return family_model(handler, self.architecture, folder="z_image", extra_parts={"controlnet": spec})

    def request(self) -> WindowRequest:
        return replace(super().request(), control=picture()[None], settings={"control_net_weight": 0.8})

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        control = ZImageControlNetModel(**CONTROL_CONFIG)
        control.load_state_dict(load_file(folder.parent / "control" / "control.safetensors"), strict=False)
        pipe = bare_pipeline(folder, "ZImageControlNetPipeline", controlnet=control.eval())
        arguments = self.bare_arguments(window)
        output = pipe(
            prompt=window.prompt, num_inference_steps=window.num_inference_steps, output_type="np", **arguments
        )
        return np.asarray(output.images[0])[None]

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        import torch

        return {
            **super().bare_arguments(window), "guidance_scale": 0.0, "controlnet_conditioning_scale": 0.8,
            "control_image": Image.fromarray(window.control[0]),
            "generator": torch.Generator("cpu").manual_seed(window.seed),
        }  # fmt: skip

    def test_the_control_picture_and_its_strength_have_effect(self, pipeline: Pipeline) -> None:
        window = self.request()
        made = run(pipeline, window)
        assert distance(made, run(pipeline, replace(window, control=picture(3)[None]))) > 0
        assert distance(made, run(pipeline, replace(window, settings={"control_net_weight": 0.1}))) > 0

    def test_without_a_control_picture_it_is_the_turbo(self, pipeline: Pipeline) -> None:
        window = replace(self.request(), control=None)
        assert distance(run(pipeline, window), run(pipeline, self.request())) > 0
        assert_starts_from(pipeline, window)

    def test_it_repaints_under_control(self, pipeline: Pipeline) -> None:
        window = self.request()
        assert_repaints(pipeline, window)
        mask = left_half()[None]
        made = [run(pipeline, replace(window, source=picture(1)[None], mask=mask, control=picture(seed)[None]))
                for seed in (0, 3)]  # fmt: skip
        assert distance(*made) > 0
