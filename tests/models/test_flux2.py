"""FLUX.2 keeps the contract on tiny checkpoints; its references, pictures and masks have effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.flux2 import handler
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.errors import SettingsError
from tests.fakes.tiny_flux2 import save
from tests.models.contract import run
from tests.models.picture_contract import (
    PictureContract,
    assert_looks_at_references,
    assert_repaints,
    assert_starts_from,
    distance,
)


class Flux2Contract(PictureContract):
    handler = handler
    save = staticmethod(save)
    references = 2

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": [f"{index}.png" for index in range(11)], "NAG_scale": 2}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        pictures = [Image.fromarray(reference) for reference in window.references]
        return {**super().bare_arguments(window), "image": pictures}

    def test_it_looks_at_the_references(self, pipeline: Pipeline) -> None:
        assert_looks_at_references(pipeline, self.request(), 2)


class TestFlux2Dev(Flux2Contract):
    architecture = "flux2_dev"

    def request(self) -> WindowRequest:
        return replace(super().request(), settings={"embedded_guidance_scale": 4.0})

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "guidance_scale": 4.0}

    def test_a_reference_too_small_to_read_is_refused(self, pipeline: Pipeline) -> None:
        window = replace(self.request(), references=(np.zeros((32, 64, 3), np.uint8),))
        with pytest.raises(SettingsError, match="image_refs: a picture of 64x32"):
            run(pipeline, window)


class TestFlux2Klein(Flux2Contract):
    architecture = "flux2_klein_4b"

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "guidance_scale": 1.0}

    def test_it_starts_from_a_picture(self, pipeline: Pipeline) -> None:
        assert_starts_from(pipeline, replace(self.request(), references=()))

    def test_it_repaints_with_a_reference(self, pipeline: Pipeline) -> None:
        window = self.request()
        assert_repaints(pipeline, replace(window, references=window.references[:1]))


class TestFlux2KleinKV(Flux2Contract):
    architecture = "flux2_klein_9b_kv"

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": [f"{index}.png" for index in range(11)], "image_mask": "a.png"}


class TestFlux2KleinBase(Flux2Contract):
    architecture = "flux2_klein_base_4b"
    references = 0

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"width": window.width, "height": window.height, "guidance_scale": self.guidance}

    def test_guidance_has_effect(self, pipeline: Pipeline) -> None:
        window = self.request()
        assert distance(run(pipeline, window), run(pipeline, replace(window, guidance_scale=1.0))) > 0
