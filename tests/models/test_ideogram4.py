"""Ideogram 4 keeps the contract on a tiny checkpoint; its guidance drops at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.ideogram4 import handler
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.errors import SettingsError
from tests.fakes.tiny_text_to_image import save
from tests.models.contract import run
from tests.models.picture_contract import Guided


class TestIdeogram4(Guided):
    handler = handler
    save = staticmethod(save)
    architecture = "ideogram4"
    definition = {"text_length": 64}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        guidance = {"guidance_scale": window.guidance_scale, "guidance_schedule": None}
        return {**super().bare_arguments(window), **guidance, "max_sequence_length": 64}

    def test_the_last_steps_have_less_guidance(self, pipeline: Any) -> None:
        window = replace(self.request(), guidance_scale=7.0, num_inference_steps=48)
        assert pipeline.arguments(window)["guidance_schedule"] == [7.0] * 45 + [3.0] * 3

    def test_a_prompt_too_long_to_read_is_refused(self, pipeline: Pipeline) -> None:
        with pytest.raises(SettingsError, match="prompt: it has"):
            run(pipeline, replace(self.request(), prompt="a red ball " * 20))
