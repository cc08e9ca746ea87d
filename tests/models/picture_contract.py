"""What every picture family must keep beyond the common contract, and the ways its tests have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from shared.core.contracts import LoadOptions, Pipeline, WindowRequest
from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.diffusion.loading import read_index
from shared.diffusion.processors import processors_without_torchvision
from tests.fakes.model_defs import family_model
from tests.models.contract import STEPS, PipelineContract, run

SIDE_PX = 64


class PictureContract(PipelineContract):
    """Subclasses say `architecture`, how it is saved, what the bare pipeline is given beside the usual."""

    architecture: str
    definition: dict[str, Any] = {}
    save: Callable[[str, Path], Path]
    guidance = 3.0
    bare_class = ""
    """Class of the bare pipeline; empty: what the checkpoint names."""
    references = 0

    def build(self, root: Path) -> ModelDef:
        """Write the tiny checkpoint."""
        type(self).save(self.architecture, root / self.architecture)
        return family_model(self.handler, self.architecture, **self.definition)

    def request(self) -> WindowRequest:
        """A picture of 64 x 64 with the references that the model needs."""
        return WindowRequest(
            prompt="a red ball", negative_prompt="the a", width=SIDE_PX, height=SIDE_PX, num_frames=1,
            num_inference_steps=STEPS, guidance_scale=self.guidance, seed=7, image_mode=True,
            references=tuple(picture(index) for index in range(self.references)),
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        """The bare pipeline's picture."""
        pipe = bare_pipeline(folder, self.bare_class)
        output = pipe(
            prompt=window.prompt, num_inference_steps=window.num_inference_steps, output_type="np",
            generator=torch.Generator("cpu").manual_seed(window.seed), **self.bare_arguments(window),
        )  # fmt: skip
        return np.asarray(output.images[0])[None]

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        """What the bare pipeline is given beside prompt, steps and seed."""
        return {"width": window.width, "height": window.height}


class TextToImage(PictureContract):
    """A model that takes nothing but text."""

    def unsupported(self) -> dict[str, Any]:
        """Pictures are refused by name."""
        return {"image_refs": ["a.png"], "image_guide": "a.png", "image_mask": "a.png"}


class Guided(TextToImage):
    """One with true guidance."""

    def test_guidance_has_effect_and_one_is_none(self, pipeline: Pipeline) -> None:
        window = self.request()
        unguided = run(pipeline, replace(window, guidance_scale=1.0))
        assert distance(run(pipeline, window), unguided) > 0


class ControlContract(PictureContract):
    """A model with a ControlNet beside it; subclasses say the checkpoint's `base` and how the ControlNet is saved."""

    base = ""
    control_class = ""
    save_control: Callable[[Path], Path]
    strength = 0.8

    def build(self, root: Path) -> ModelDef:
        """Write the tiny checkpoint and its ControlNet."""
        type(self).save(self.base, root / self.base)
        type(self).save_control(root / "control")
        spec = {"class": self.control_class, "repo": "", "folder": "control"}
        parts = {"controlnet": spec}
        return family_model(self.handler, self.architecture, folder=self.base, extra_parts=parts, **self.definition)

    def request(self) -> WindowRequest:
        """A picture under control."""
        settings = {"control_net_weight": self.strength, "embedded_guidance_scale": 3.5}
        return replace(super().request(), control=picture()[None], settings=settings)

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        """The bare pipeline's picture."""
        control = getattr(diffusers, self.control_class).from_pretrained(folder.parent / "control")
        pipe = bare_pipeline(folder, self.bare_class, controlnet=control)
        output = pipe(
            prompt=window.prompt, num_inference_steps=window.num_inference_steps, output_type="np",
            generator=torch.Generator("cpu").manual_seed(window.seed), control_image=Image.fromarray(window.control[0]),
            controlnet_conditioning_scale=self.strength, **self.bare_arguments(window),
        )  # fmt: skip
        return np.asarray(output.images[0])[None]

    def test_the_control_picture_and_its_strength_have_effect(self, pipeline: Pipeline) -> None:
        window = self.request()
        made = run(pipeline, window)
        assert distance(made, run(pipeline, replace(window, control=picture(3)[None]))) > 0
        assert distance(made, run(pipeline, replace(window, settings={"control_net_weight": 0.1}))) > 0

    def test_without_a_control_picture_it_is_the_plain_model(self, pipeline: Pipeline) -> None:
        window = replace(self.request(), control=None)
        assert distance(run(pipeline, window), run(pipeline, self.request())) > 0
        assert_starts_from(pipeline, window)

    def test_it_repaints_under_control_or_says_that_it_cannot(self, model: ModelDef, pipeline: Pipeline) -> None:
        if model.get("pipeline_repaint_with_control"):
            assert_repaints(pipeline, self.request())
            return
        with pytest.raises(SettingsError, match="image_mask: this model repaints without a control picture"):
            assert_repaints(pipeline, self.request())
        assert_repaints(pipeline, replace(self.request(), control=None))


def bare_pipeline(folder: Path, name: str = "", **parts: Any) -> Any:
    """The pipeline as diffusers loads it."""
    index = read_index(family_free(folder), folder)
    pipeline_class = getattr(diffusers, name or index["_class_name"])
    parts = {**processors_without_torchvision(folder, index), **parts}
    pipe = pipeline_class.from_pretrained(folder, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def family_free(folder: Path) -> ModelDef:
    """A definition of no family, for errors to name."""
    return ModelDef(model_type=folder.name, name=folder.name, architecture=folder.name, family="")


def picture(seed: int = 0, side_px: int = SIDE_PX) -> np.ndarray:
    """Coloured patches, uint8 (side,side,3)."""
    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((side_px, side_px), Image.Resampling.NEAREST))


def left_half() -> np.ndarray:
    """A mask (64,64): the left half is made anew."""
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    mask[:, : SIDE_PX // 2] = 255
    return mask


def loaded(family: Any, model: ModelDef, root: Path) -> Pipeline:
    """The model through its handler, as the program loads it."""
    return family.load(model, [str(root)], LoadOptions())


def assert_starts_from(pipeline: Pipeline, window: WindowRequest) -> None:
    """A little denoising leaves more of the picture given than much, and another picture gives another result."""
    little = replace(window, source=picture(1)[None], denoising_strength=0.34)
    much = replace(little, denoising_strength=1.0)
    assert distance(run(pipeline, little), run(pipeline, much)) > 0
    assert distance(run(pipeline, little), run(pipeline, replace(little, source=picture(2)[None]))) > 0


def assert_repaints(pipeline: Pipeline, window: WindowRequest) -> None:
    """What the mask keeps is kept to the last bit, the rest is made anew."""
    source, mask = picture(1), left_half()
    made = run(pipeline, replace(window, source=source[None], mask=mask[None]))[0]
    assert np.array_equal(made[mask == 0], source[mask == 0])
    assert not np.array_equal(made[mask == 255], source[mask == 255])


def assert_looks_at_references(pipeline: Pipeline, window: WindowRequest, count: int = 1) -> None:
    """Another reference picture gives another result."""
    first = replace(window, references=tuple(picture(index) for index in range(count)))
    other = replace(window, references=(*first.references[:-1], picture(9)))
    assert distance(run(pipeline, first), run(pipeline, other)) > 0


def distance(left: np.ndarray, right: np.ndarray) -> int:
    """The largest difference of two pictures in steps of a pixel."""
    return int(np.abs(left.astype(int) - right).max())
