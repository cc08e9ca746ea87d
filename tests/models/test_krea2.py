"""Krea 2 keeps the contract on tiny checkpoints."""

from __future__ import annotations

from typing import Any

from models.krea2 import handler
from shared.core.contracts import WindowRequest
from tests.fakes.tiny_text_to_image import save
from tests.models.picture_contract import Guided, TextToImage


class TestKrea2Raw(Guided):
    handler = handler
    save = staticmethod(save)
    architecture = "krea2"

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        given = {"guidance_scale": window.guidance_scale - 1, "negative_prompt": window.negative_prompt}
        return {**super().bare_arguments(window), **given}


class TestKrea2Turbo(TextToImage):
    handler = handler
    save = staticmethod(save)
    architecture = "krea2_turbo"

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "guidance_scale": 0.0}
