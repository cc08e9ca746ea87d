"""Tiny pipelines of several families, built in memory, and how each is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.model_def import ModelDef
from shared.diffusion.abilities import abilities
from tests.fakes import tiny_ltx, tiny_qwen, tiny_wan

SCALE = 5.0
_CLIP = {"prompt": "a red ball", "negative_prompt": "blurry", "width": 32, "height": 32, "num_frames": 5}


@dataclass(frozen=True)
class Case:
    """A tiny pipeline: `build` makes it, `arguments` are those of its call."""

    build: Callable[[], Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: str = "guidance_scale"

    def pipe(self) -> Any:
        """The pipeline, quiet."""
        pipe = self.build()
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def run(self, pipe: Any, steps: int = 3, scale: float = SCALE, **changes: Any) -> torch.Tensor:
        """The latents that come out."""
        arguments = {**self.arguments, self.scale: scale, "num_inference_steps": steps, "output_type": "latent"}
        with torch.inference_mode():
            return pipe(**{**arguments, **changes}, generator=torch.Generator().manual_seed(7))[0]


CASES: dict[str, Case] = {
    "wan": Case(tiny_wan.BUILDERS["t2v"], _CLIP),
    "wan two experts": Case(tiny_wan.BUILDERS["t2v_2_2"], _CLIP),
    "wan from a picture": Case(tiny_wan.BUILDERS["i2v"], {**_CLIP, "image": Image.new("RGB", (32, 32), "red")}),
    "ltx": Case(tiny_ltx.BUILDERS["ltxv_13B"], {**_CLIP, "num_frames": 9}),
    "qwen": Case(
        tiny_qwen.BUILDERS["qwen_image_20B"],
        {"prompt": "a red ball", "negative_prompt": "blurry", "width": 64, "height": 64},
        "true_cfg_scale",
    ),
}


def model_of(pipe: Any, **definition: Any) -> ModelDef:
    """A definition that says what the table says of this pipeline."""
    keys = {**abilities((type(pipe).__name__,)), "text_length": 512, **definition}
    return ModelDef(model_type="tiny", name="Tiny", architecture="tiny", family="tiny", model=keys)


def window_of(steps: int = 3, guidance_scale: float = SCALE, **settings: Any) -> WindowRequest:
    """A request with these settings."""
    return WindowRequest(
        prompt="a red ball", negative_prompt="blurry", width=32, height=32, num_frames=5, num_inference_steps=steps,
        guidance_scale=guidance_scale, seed=7, settings=settings,
    )  # fmt: skip
