"""Where FLUX.2's pipelines differ from other picture pipelines."""

from __future__ import annotations

import math
from typing import Any

import torch
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.pictures import PicturePipeline

_SMALLEST_SIDE_PX = 64
_LARGEST_RATIO = 8
# What is repainted is brought to this area by the pipeline.
_REPAINT_PIXELS = 1024 * 1024
_MULTIPLE_PX = 16


class Flux2(PicturePipeline):
    """FLUX.2: from a text and the pictures that go with it."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        for picture in window.references:
            height, width = picture.shape[:2]
            short, long = sorted((width, height))
            if short < _SMALLEST_SIDE_PX or long > _LARGEST_RATIO * short:
                raise SettingsError(
                    f"image_refs: a picture of {width}x{height} was given. This model reads pictures with sides from "
                    f"{_SMALLEST_SIDE_PX} px, at most {_LARGEST_RATIO} times as long as wide."
                )

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """Packed latents (1,L,4C) as (C,1,h,w), in the measure of the VAE."""
        width, height = (side // _MULTIPLE_PX for side in self.size_made(window))
        vae = self.pipe.vae
        packed = latents.float().permute(0, 2, 1).reshape(1, -1, height, width)
        mean, variance = (value.view(1, -1, 1, 1).to(packed) for value in (vae.bn.running_mean, vae.bn.running_var))
        packed = packed * torch.sqrt(variance + vae.config.batch_norm_eps) + mean
        return self.pipe._unpatchify_latents(packed)[0][:, None]


class Flux2Klein(Flux2):
    """FLUX.2 Klein, which can start from a picture too, or make a part of one anew."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if window.source is not None and len(window.references) > 1:
            raise SettingsError(
                f"image_refs: {len(window.references)} pictures were given. Beside a picture to start from or to "
                "repaint, this model takes one."
            )

    def size_made(self, window: WindowRequest) -> tuple[int, int]:
        """A repaint is made at a million pixels at most."""
        pixels = window.width * window.height
        if window.source is None or pixels <= _REPAINT_PIXELS:
            return window.width, window.height
        scale = math.sqrt(_REPAINT_PIXELS / pixels)
        width, height = (int(side * scale) // _MULTIPLE_PX * _MULTIPLE_PX for side in (window.width, window.height))
        return width, height

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`: to start from a picture is to repaint all of it."""
        arguments = super().arguments(window)
        if window.source is not None and window.mask is None:
            arguments["mask_image"] = Image.new("L", (window.width, window.height), 255)
        return arguments
