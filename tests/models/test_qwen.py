"""Qwen-Image keeps the contract on tiny checkpoints; its pictures, masks, references and layers have effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from diffusers.pipelines.qwenimage import (
    pipeline_qwenimage_edit,
    pipeline_qwenimage_edit_inpaint,
    pipeline_qwenimage_edit_plus,
    pipeline_qwenimage_layered,
)
from PIL import Image

from models.qwen import handler, pipeline
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.errors import SettingsError
from tests.fakes.tiny_qwen import save, save_control
from tests.models.contract import run
from tests.models.picture_contract import (
    SIDE_PX,
    ControlContract,
    PictureContract,
    assert_looks_at_references,
    assert_repaints,
    assert_starts_from,
    distance,
    picture,
)


@pytest.fixture(scope="module", autouse=True)
def tiny_sizes() -> Any:
    """The edit pipelines bring pictures to about a million pixels, which takes long here: tiny ones stand for them."""
    own = pipeline_qwenimage_edit.calculate_dimensions

    def tiny(area: float, ratio: float) -> Any:
        return own(SIDE_PX * SIDE_PX, ratio)

    with pytest.MonkeyPatch.context() as patch:
        for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_inpaint):
            patch.setattr(module, "calculate_dimensions", tiny)
        for module in (pipeline_qwenimage_edit_plus, pipeline_qwenimage_layered):
            patch.setattr(module, "calculate_dimensions", lambda area, ratio: tiny(area, ratio)[:2])
        patch.setattr(pipeline.QwenEdit, "edit_side_px", SIDE_PX)
        patch.setattr(pipeline, "size_of_area", lambda side_px, ratio: (SIDE_PX, SIDE_PX))
        yield


class QwenContract(PictureContract):
    handler = handler
    save = staticmethod(save)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {
            "width": window.width, "height": window.height, "true_cfg_scale": window.guidance_scale,
            "negative_prompt": window.negative_prompt,
        }  # fmt: skip


class TestQwenImage(QwenContract):
    architecture = "qwen_image_20B"

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png"], "image_start": ["a.png"]}

    def test_guidance_and_negative_prompt_have_effect(self, pipeline: Pipeline) -> None:
        window = self.request()
        assert distance(run(pipeline, window), run(pipeline, replace(window, guidance_scale=1.0))) > 0
        assert distance(run(pipeline, window), run(pipeline, replace(window, negative_prompt="ball"))) > 0

    def test_it_starts_from_a_picture(self, pipeline: Pipeline) -> None:
        assert_starts_from(pipeline, self.request())

    def test_it_repaints(self, pipeline: Pipeline) -> None:
        assert_repaints(pipeline, self.request())


class TestQwenControl(ControlContract, QwenContract):
    architecture = "qwen_image_control_20B"
    base = "qwen_image_20B"
    control_class = "QwenImageControlNetModel"
    save_control = staticmethod(save_control)
    bare_class = "QwenImageControlNetPipeline"


class TestQwenEdit(QwenContract):
    architecture = "qwen_image_edit_20B"
    references = 1

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png", "b.png"]}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "image": Image.fromarray(window.references[0])}

    def test_it_looks_at_the_reference(self, pipeline: Pipeline) -> None:
        assert_looks_at_references(pipeline, self.request())

    def test_it_repaints(self, pipeline: Pipeline) -> None:
        assert_repaints(pipeline, replace(self.request(), references=()))

    def test_without_a_picture_it_is_refused(self, pipeline: Pipeline) -> None:
        with pytest.raises(SettingsError, match="image_refs: it is missing"):
            run(pipeline, replace(self.request(), references=()))


class TestQwenEditPlus(QwenContract):
    architecture = "qwen_image_edit_plus_20B"
    references = 2

    def unsupported(self) -> dict[str, Any]:
        return {"image_mask": "mask.png"}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        pictures = [Image.fromarray(reference) for reference in window.references]
        return {**super().bare_arguments(window), "image": pictures}

    def test_it_looks_at_each_reference(self, pipeline: Pipeline) -> None:
        assert_looks_at_references(pipeline, self.request(), 2)

    def test_too_many_references_are_refused(self, pipeline: Pipeline) -> None:
        four = tuple(picture(index) for index in range(4))
        with pytest.raises(SettingsError, match="image_refs: 4 pictures were given"):
            run(pipeline, replace(self.request(), references=four))


class TestQwenLayered(QwenContract):
    architecture = "qwen_image_layered_20B"
    references = 1
    layers = 2

    def request(self) -> WindowRequest:
        return replace(super().request(), settings={"custom_settings": {"layers": self.layers}})

    def bare(self, folder: Any, window: WindowRequest) -> np.ndarray:
        self.seen = super().bare(folder, window)[0]
        return stacked(self.seen)[None]

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        image = Image.fromarray(window.references[0]).convert("RGBA")
        given = super().bare_arguments(window)
        return {
            "image": image, "layers": self.layers, "resolution": 640, "true_cfg_scale": given["true_cfg_scale"],
            "negative_prompt": given["negative_prompt"],
        }  # fmt: skip

    def test_each_layer_comes_with_its_alpha(self, pipeline: Pipeline) -> None:
        result = pipeline(self.request(), lambda step: None, lambda: False)
        assert [layer.shape for layer in result.layers] == [(SIDE_PX, SIDE_PX, 4)] * self.layers

    def test_it_looks_at_the_picture(self, pipeline: Pipeline) -> None:
        assert_looks_at_references(pipeline, self.request())


class TestQwenImage21(QwenContract):
    architecture = "qwen_image_2_1"
    references = 1

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        image = Image.fromarray(window.references[0])
        return {**super().bare_arguments(window), "image": image, "output_resolution": SIDE_PX}

    def bare(self, folder: Any, window: WindowRequest) -> np.ndarray:
        return on_white(super().bare(folder, window)[0])[None]

    def test_it_looks_at_the_reference(self, pipeline: Pipeline) -> None:
        assert_looks_at_references(pipeline, self.request())

    def test_it_makes_a_picture_from_the_text_alone(self, pipeline: Pipeline) -> None:
        made = run(pipeline, replace(self.request(), references=(), guidance_scale=1.0))
        assert made.shape == (1, SIDE_PX, SIDE_PX, 3)


def on_white(picture: np.ndarray) -> np.ndarray:
    """Floats (H,W,4) as the rounded picture on white: floats (H,W,3)."""
    pixels = np.rint(picture * 255)
    alpha = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)) / 255


def stacked(layers: np.ndarray) -> np.ndarray:
    """Layers (L,H,W,4) of floats over one another on white: floats (H,W,3)."""
    made = np.full((*layers.shape[1:3], 3), 255.0)
    for layer in np.rint(layers * 255):
        alpha = layer[..., 3:] / 255
        made = layer[..., :3] * alpha + made * (1 - alpha)
    return np.rint(made) / 255
