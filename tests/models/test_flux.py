"""FLUX.1 keeps the contract on tiny checkpoints; its pictures, masks and guidance have effect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.flux import handler
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.errors import SettingsError
from shared.core.settings import problems
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_flux import save, save_control
from tests.models.contract import run
from tests.models.picture_contract import (
    SIDE_PX,
    ControlContract,
    PictureContract,
    assert_looks_at_references,
    assert_repaints,
    assert_starts_from,
    distance,
    loaded,
    picture,
)

ALL = np.full((1, SIDE_PX, SIDE_PX), 255, np.uint8)


class FluxContract(PictureContract):
    handler = handler
    save = staticmethod(save)
    guidance = 1.0

    def request(self) -> WindowRequest:
        return replace(super().request(), settings={"embedded_guidance_scale": 3.5})

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "guidance_scale": 3.5}


class TestFluxDev(FluxContract):
    architecture = "flux"

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png"], "audio_guide": "sound.wav"}

    def test_embedded_guidance_has_effect(self, pipeline: Pipeline) -> None:
        window = self.request()
        stronger = replace(window, settings={"embedded_guidance_scale": 9.0})
        assert distance(run(pipeline, window), run(pipeline, stronger)) > 0

    def test_a_negative_prompt_has_effect_with_true_guidance(self, pipeline: Pipeline) -> None:
        window = replace(self.request(), guidance_scale=4.0)
        assert distance(run(pipeline, window), run(pipeline, replace(window, negative_prompt="ball"))) > 0

    def test_it_starts_from_a_picture(self, pipeline: Pipeline) -> None:
        assert_starts_from(pipeline, self.request())

    def test_it_repaints(self, pipeline: Pipeline) -> None:
        assert_repaints(pipeline, self.request())

    def test_less_than_one_step_is_refused(self, pipeline: Pipeline) -> None:
        window = replace(self.request(), source=picture()[None], denoising_strength=0.1)
        with pytest.raises(SettingsError, match=r"denoising_strength: 0\.1 of 3 steps"):
            run(pipeline, window)


class TestFluxControl(ControlContract, FluxContract):
    architecture = "flux_control"
    base = "flux"
    control_class = "FluxControlNetModel"
    save_control = staticmethod(save_control)
    bare_class = "FluxControlNetPipeline"


class TestFluxSchnell(FluxContract):
    architecture = "flux_schnell"

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png"]}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"width": window.width, "height": window.height, "max_sequence_length": 256}


class KontextSizes:
    """Kontext brings pictures to about a million pixels, which takes long here: tiny ones stand for them."""

    @pytest.fixture(scope="class", autouse=True)
    def tiny_sizes(self) -> Any:
        from diffusers.pipelines.flux import pipeline_flux_kontext

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(SIDE_PX, SIDE_PX)])
            yield


class TestFluxKontext(KontextSizes, FluxContract):
    architecture = "flux_dev_kontext"
    references = 1

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png", "b.png"]}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        image = Image.fromarray(window.references[0])
        return {**super().bare_arguments(window), "image": image, "max_area": SIDE_PX * SIDE_PX}

    def test_it_looks_at_the_reference(self, pipeline: Pipeline) -> None:
        assert_looks_at_references(pipeline, self.request())

    def test_it_makes_a_picture_from_the_text_alone(self, pipeline: Pipeline) -> None:
        assert run(pipeline, replace(self.request(), references=())).shape == (1, SIDE_PX, SIDE_PX, 3)

    def test_it_repaints_with_a_pattern(self, pipeline: Pipeline) -> None:
        assert_repaints(pipeline, replace(self.request(), references=()))
        assert_repaints(pipeline, self.request())


class TestFluxFill(FluxContract):
    architecture = "flux_dev_fill"

    def request(self) -> WindowRequest:
        return replace(super().request(), source=picture()[None], mask=ALL)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        pictures = {"image": Image.fromarray(window.source[0]), "mask_image": Image.fromarray(window.mask[0])}
        return {**super().bare_arguments(window), **pictures}

    def test_it_repaints(self, pipeline: Pipeline) -> None:
        assert_repaints(pipeline, self.request())

    def test_without_a_mask_it_is_refused(self, pipeline: Pipeline) -> None:
        model = family_model(handler, "flux_dev_fill")
        assert handler.problems({"prompt": "a", "image_mode": 1}, model)[0].startswith("image_mask:")
        with pytest.raises(SettingsError, match="image_mask"):
            run(pipeline, replace(self.request(), mask=None))

    def test_its_guidance_goes_further_than_that_of_others(self) -> None:
        fill, dev = (family_model(handler, name) for name in ("flux_dev_fill", "flux"))
        for model, is_fine in ((fill, True), (dev, False)):
            params = {param.name: param for param in handler.settings(model)}
            found = problems({"prompt": "a", "embedded_guidance_scale": 30.0}, model, params)
            assert any(text.startswith("embedded_guidance_scale") for text in found) is not is_fine


def test_distilled_models_offer_no_guidance(tmp_path: Path) -> None:
    model = family_model(handler, "flux_schnell")
    names = {param.name for param in handler.settings(model)}
    assert not {"guidance_scale", "embedded_guidance_scale"} & names
    save("flux_schnell", tmp_path / "flux_schnell")
    pipeline = loaded(handler, model, tmp_path)
    window = TestFluxSchnell().request()
    assert distance(run(pipeline, window), run(pipeline, replace(window, guidance_scale=9.0))) == 0
