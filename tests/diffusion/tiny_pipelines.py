"""Tiny pipelines of several families, built in memory, and how each is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.model_def import ModelDef
from shared.diffusion.abilities import abilities
from tests.fakes import (
    tiny_flux,
    tiny_flux2,
    tiny_general,
    tiny_hunyuan,
    tiny_kandinsky5,
    tiny_ltx,
    tiny_ltx2,
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
_WAN = {**_CLIP, "max_sequence_length": 32}
_WITHOUT_LENGTH = {name: value for name, value in _WAN.items() if name != "num_frames"}
_RED = Image.new("RGB", (32, 32), "red")
_LARGE_RED = Image.new("RGB", (64, 64), "red")
_WITHOUT_SIZE = {"prompt": "a red ball", "negative_prompt": "blurry"}
_SOUND = {
    **_CLIP, "negative_prompt": "the a", "width": 64, "height": 64, "num_frames": 17, "frame_rate": 25,
    "max_sequence_length": 32, "audio_guidance_scale": 4.0, "modality_scale": 2.0, "stg_scale": 0.5,
    "spatio_temporal_guidance_blocks": [1], "guidance_rescale": 0.7,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A tiny pipeline: `build` makes it, `arguments` are those of its call.

    `scale` is the argument that has the guidance; "": it is the guider's. `tolerance` is how far mixing from outside
    may be from the pipeline's own, where its formula rounds what is equal. `area` is the function of diffusers that
    brings given pictures to a million pixels: they stay small.
    """

    build: Callable[[], Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: str = "guidance_scale"
    tolerance: float = 0.0
    output_type: str = "latent"
    area: str = ""
    area_parts: tuple[Any, ...] = (64, 64, None)

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
        arguments = {**self.arguments, "num_inference_steps": steps, "output_type": self.output_type}
        if self.scale:
            arguments[self.scale] = scale
        else:
            pipe.guider = pipe.guider.new(guidance_scale=scale)
        with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
            if self.area:
                patch.setattr(self.area, lambda area, ratio: self.area_parts)
            made = pipe(**{**arguments, **changes}, generator=torch.Generator().manual_seed(7))[0]
        return made[0] if isinstance(made, list) else made


def _sibling(build: Callable[[], Any], name: str) -> Callable[[], Any]:
    """The pipeline of another class with the parts of the one that `build` makes."""
    return lambda: getattr(diffusers, name)(**build().components)


def _seeded(name: str) -> Callable[[], Any]:
    """A pipeline that runs by one JSON, with the same weights each time."""

    def build() -> Any:
        torch.manual_seed(0)
        return tiny_general.BUILDERS[name]()

    return build


def _small_hidream() -> Any:
    """It brings every size to the area that this names."""
    pipe = tiny_text_to_image.BUILDERS["hidream"]()
    pipe.default_sample_size = 8
    return pipe


def _short_hunyuan() -> Any:
    """It fills every prompt up to this length."""
    pipe = tiny_hunyuan.BUILDERS["hunyuan_1_5_t2v"]()
    pipe.tokenizer_max_length = 440
    return pipe


_QWEN_FILES = "diffusers.pipelines.qwenimage.pipeline_qwenimage"
_flux, _qwen = tiny_flux.BUILDERS["flux"], tiny_qwen.BUILDERS["qwen_image_20B"]
_MASK = Image.new("L", (64, 64), 255)

CASES: dict[str, Case] = {
    "wan": Case(tiny_wan.BUILDERS["t2v"], _WAN),
    "wan two experts": Case(tiny_wan.BUILDERS["t2v_2_2"], _WAN),
    "wan from a picture": Case(tiny_wan.BUILDERS["i2v"], {**_CLIP, "image": _RED}),
    "wan animate": Case(
        tiny_wan.BUILDERS["animate"],
        {**_WITHOUT_LENGTH, "segment_frame_length": 5, "image": _RED, "pose_video": [_RED] * 5,
         "face_video": [_RED] * 5},
    ),
    "skyreels": Case(tiny_wan.BUILDERS["sky_df_1.3B"], {**_WAN, "base_num_frames": 5}),
    "lucy": Case(tiny_wan.BUILDERS["lucy_edit"], {**_WAN, "video": [_RED] * 5}),
    "chrono": Case(tiny_wan.BUILDERS["chrono_edit"], {**_WAN, "image": _RED}),
    "ltx": Case(tiny_ltx.BUILDERS["ltxv_13B"], {**_CLIP, "num_frames": 9, "max_sequence_length": 256}),
    "ltx2": Case(_sibling(tiny_ltx2.BUILDERS["ltx2_19B"], "LTX2ConditionPipeline"), _SOUND, tolerance=2e-4),
    "hunyuan": Case(
        tiny_hunyuan.BUILDERS["hunyuan"], {**_CLIP, "width": 64, "max_sequence_length": 48}, "true_cfg_scale"
    ),
    "hunyuan 1.5": Case(_short_hunyuan, {**_CLIP, "width": 64}, ""),
    "qwen": Case(_qwen, _PICTURE, "true_cfg_scale"),
    "qwen from a picture": Case(
        _sibling(_qwen, "QwenImageImg2ImgPipeline"), {**_PICTURE, "image": _LARGE_RED, "strength": 1.0},
        "true_cfg_scale",
    ),
    "qwen edit": Case(
        tiny_qwen.BUILDERS["qwen_image_edit_20B"], {**_PICTURE, "image": _LARGE_RED}, "true_cfg_scale",
        area=f"{_QWEN_FILES}_edit.calculate_dimensions",
    ),
    "qwen layered": Case(
        tiny_qwen.BUILDERS["qwen_image_layered_20B"],
        {**_WITHOUT_SIZE, "image": _LARGE_RED.convert("RGBA"), "layers": 2, "resolution": 640},
        "true_cfg_scale", output_type="pt",
        area=f"{_QWEN_FILES}_layered.calculate_dimensions", area_parts=(64, 64),
    ),
    "qwen 2.1": Case(
        tiny_qwen.BUILDERS["qwen_image_2_1"], {**_WITHOUT_SIZE, "image": _LARGE_RED, "output_resolution": 64},
        "true_cfg_scale",
    ),
    "flux": Case(_flux, {**_PICTURE, "max_sequence_length": 32}, "true_cfg_scale"),
    "flux repaint": Case(
        _sibling(_flux, "FluxInpaintPipeline"),
        {**_PICTURE, "max_sequence_length": 32, "image": _LARGE_RED, "mask_image": _MASK, "strength": 1.0},
        "true_cfg_scale",
    ),
    "flux kontext": Case(
        tiny_flux.BUILDERS["flux_dev_kontext"],
        {**_PICTURE, "max_sequence_length": 32, "image": _LARGE_RED, "max_area": 64 * 64, "_auto_resize": False},
        "true_cfg_scale",
    ),
    "flux2 klein": Case(tiny_flux2.BUILDERS["flux2_klein_base_4b"], {**_PROMPT, "image": _LARGE_RED}),
    "z image": Case(tiny_z_image.BUILDERS["z_image"], _PICTURE),
    "hidream": Case(_small_hidream, _PICTURE),
    "sdxl": Case(tiny_sdxl.BUILDERS["sdxl"], _PICTURE),
    "kandinsky": Case(tiny_kandinsky5.BUILDERS["k5_lite_t2v"], _LONG_TEXT),
    "chroma": Case(_seeded("ChromaPipeline"), {**_PICTURE, "max_sequence_length": 32}),
    "sana": Case(
        _seeded("SanaPipeline"),
        {**_PICTURE, "width": 32, "height": 32, "use_resolution_binning": False, "max_sequence_length": 16},
    ),
    "krea2": Case(tiny_text_to_image.BUILDERS["krea2"], _PICTURE),
    "ideogram": Case(
        tiny_text_to_image.BUILDERS["ideogram4"], {**_PROMPT, "guidance_schedule": None, "max_sequence_length": 512},
        tolerance=1e-5,
    ),
}  # fmt: skip


@lru_cache
def class_of(name: str) -> str:
    """The diffusers class of a case."""
    return type(CASES[name].build()).__name__


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
