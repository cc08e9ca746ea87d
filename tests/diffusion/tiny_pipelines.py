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
from tests.fakes import (
    tiny_flux,
    tiny_flux2,
    tiny_kandinsky5,
    tiny_ltx,
    tiny_qwen,
    tiny_sdxl,
    tiny_text_to_image,
    tiny_wan,
    tiny_z_image,
)

SCALE = 5.0
_CLIP = {"prompt": "a red ball", "negative_prompt": "blurry", "width": 32, "height": 32, "num_frames": 5}


_PROMPT = {"prompt": "a red ball", "width": 64, "height": 64}
_PICTURE = {**_PROMPT, "negative_prompt": "blurry"}
_LONG_TEXT = {**_CLIP, "negative_prompt": "the a", "width": 64, "num_frames": 9, "max_sequence_length": 1000}


@dataclass(frozen=True)
class Case:
    """A tiny pipeline: `build` makes it, `arguments` are those of its call; `is_slow` where even tiny takes long."""

    build: Callable[[], Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: str = "guidance_scale"
    is_slow: bool = False

    @property
    def text_length(self) -> int:
        """Tokens of a prompt."""
        return int(self.arguments.get("max_sequence_length", 512))

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
    "wan": Case(tiny_wan.BUILDERS["t2v"], {**_CLIP, "max_sequence_length": 32}),
    "wan two experts": Case(tiny_wan.BUILDERS["t2v_2_2"], {**_CLIP, "max_sequence_length": 32}),
    "wan from a picture": Case(tiny_wan.BUILDERS["i2v"], {**_CLIP, "image": Image.new("RGB", (32, 32), "red")}),
    "ltx": Case(tiny_ltx.BUILDERS["ltxv_13B"], {**_CLIP, "num_frames": 9}),
    "qwen": Case(tiny_qwen.BUILDERS["qwen_image_20B"], _PICTURE, "true_cfg_scale"),
    "flux": Case(tiny_flux.BUILDERS["flux"], {**_PICTURE, "max_sequence_length": 32}, "true_cfg_scale"),
    "flux2 klein": Case(tiny_flux2.BUILDERS["flux2_klein_base_4b"], _PROMPT),
    "z image": Case(tiny_z_image.BUILDERS["z_image"], _PICTURE),
    "hidream": Case(tiny_text_to_image.BUILDERS["hidream"], _PICTURE, is_slow=True),
    "sdxl": Case(tiny_sdxl.BUILDERS["sdxl"], _PICTURE),
    "kandinsky": Case(tiny_kandinsky5.BUILDERS["k5_lite_t2v"], _LONG_TEXT),
    "krea2": Case(tiny_text_to_image.BUILDERS["krea2"], _PICTURE),
}


QUICK = {name: case for name, case in CASES.items() if not case.is_slow}


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
