"""Where Qwen-Image's pipelines differ from other picture pipelines."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from shared.core.contracts import WindowRequest, WindowResult
from shared.core.custom_settings import custom_values
from shared.core.errors import SettingsError
from shared.diffusion.latents import encoded_picture
from shared.diffusion.pictures import PicturePipeline

# The pipelines' own measures of a picture that is edited or taken apart: side of a square of that area, in pixels.
_EDIT_SIDE_PX = 1024
_LAYERS_SIDES_PX = (640, 1024)
_MULTIPLE_PX = 32
DEFAULT_LAYERS = 4


class QwenEdit(PicturePipeline):
    """Qwen-Image-Edit: edits one picture, or the masked part of one."""

    edit_side_px = _EDIT_SIDE_PX

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if window.source is None and not window.references:
            raise SettingsError("image_refs: it is missing. This model needs the picture that it edits.")

    def size_made(self, window: WindowRequest) -> tuple[int, int]:
        """A repaint is made at about a million pixels, whatever is asked for."""
        if window.mask is None:
            return window.width, window.height
        return size_of_area(self.edit_side_px, window.width / window.height)


class QwenLayers(PicturePipeline):
    """Qwen-Image-Layered: takes a picture apart into layers, each with what it covers."""

    def size_made(self, window: WindowRequest) -> tuple[int, int]:
        """The pipeline knows two areas; the picture's own shape is kept."""
        height, width = window.references[0].shape[:2]
        return size_of_area(self._side(window), width / height)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        arguments = super().arguments(window)
        arguments["image"] = Image.fromarray(window.references[0]).convert("RGBA")
        return arguments | {"layers": self._layers(window), "resolution": self._side(window)}

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """The layers over one another as the picture; each by itself with its alpha in `layers`."""
        layers = np.stack([_uint8(layer) for layer in output.images[0]])
        made = WindowResult([_stacked(layers)[None]], layers=tuple(layers))
        size = (window.width, window.height)
        picture = np.asarray(Image.fromarray(made.frames[0][0]).resize(size, Image.Resampling.LANCZOS))
        return replace(made, frames=[picture[None]])

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """The layers side by side; the first latent frame is the given picture."""
        width, height = self.size_made(window)
        pipe = self.pipe
        unpacked = pipe._unpack_latents(latents, height, width, self._layers(window), pipe.vae_scale_factor)
        return unpacked[0][:, 1:]

    def encode_picture(self, picture: np.ndarray) -> torch.Tensor:
        """uint8 (1,H,W,3) as latents, opaque."""
        return encoded_picture(self.pipe.vae, with_alpha(picture))

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if not window.references:
            raise SettingsError("image_refs: it is missing. This model needs the picture that it takes apart.")

    def _layers(self, window: WindowRequest) -> int:
        return int(custom_values(window.settings, self.model).get("layers", DEFAULT_LAYERS))

    def _side(self, window: WindowRequest) -> int:
        small, large = _LAYERS_SIDES_PX
        return small if math.sqrt(window.width * window.height) < (small + large) / 2 else large


class Qwen21(PicturePipeline):
    """Qwen-Image 2.1: from a text, with up to four pictures to look at."""

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        arguments = super().arguments(window)
        arguments["output_resolution"] = round(math.sqrt(window.width * window.height) / _MULTIPLE_PX) * _MULTIPLE_PX
        own = self.pipe.config.sample_sigmas
        if own is not None and len(own) != window.num_inference_steps:
            # The checkpoint's own schedule is for that many steps only.
            count = window.num_inference_steps
            arguments["sigmas"] = np.linspace(1.0, 1 / count, count).tolist()
        return arguments

    def encode_picture(self, picture: np.ndarray) -> torch.Tensor:
        """uint8 (1,H,W,3) as latents, opaque."""
        return encoded_picture(self.pipe.vae, with_alpha(picture))


def size_of_area(side_px: int, ratio: float) -> tuple[int, int]:
    """Width and height of that ratio with the area of a square, in the multiples that the pipelines use."""
    width = math.sqrt(side_px * side_px * ratio)
    height = width / ratio
    return round(width / _MULTIPLE_PX) * _MULTIPLE_PX, round(height / _MULTIPLE_PX) * _MULTIPLE_PX


def with_alpha(picture: np.ndarray) -> np.ndarray:
    """uint8 (1,H,W,3) as (1,H,W,4), opaque."""
    return np.concatenate([picture, np.full_like(picture[..., :1], 255)], axis=-1)


def _uint8(layer: torch.Tensor) -> np.ndarray:
    """A layer (4,H,W) of floats in 0..1 as uint8 (H,W,4)."""
    return layer.float().clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def _stacked(layers: np.ndarray) -> np.ndarray:
    """Layers (L,H,W,4), the lowest first, as one picture (H,W,3) on white."""
    picture = np.full((*layers.shape[1:3], 3), 255.0, np.float32)
    for layer in layers:
        alpha = layer[..., 3:].astype(np.float32) / 255
        picture = layer[..., :3] * alpha + picture * (1 - alpha)
    return np.rint(picture).astype(np.uint8)
