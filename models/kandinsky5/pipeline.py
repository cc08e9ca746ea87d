"""Kandinsky 5's Pipeline: its latents have their channels last, its pictures any size asked for."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image, ImageOps

from shared.core.contracts import WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline

# The setting that brings the picture, for pipelines that cannot do without one.
_PICTURE_SETTINGS = {"Kandinsky5I2VPipeline": "image_start", "Kandinsky5I2IPipeline": "image_refs"}


class Kandinsky5(DiffusersPipeline):
    """A loaded Kandinsky 5 model (see core.contracts.Pipeline)."""

    def check(self, window: WindowRequest) -> None:
        """See DiffusersPipeline."""
        super().check(window)
        setting = _PICTURE_SETTINGS.get(type(self.pipe).__name__)
        has_picture = window.image_start is not None or window.prefix is not None or len(window.references) > 0
        if setting and not has_picture:
            raise SettingsError(f"{setting}: it is missing. This model starts from a picture.")

    def pipe_for(self, window: WindowRequest) -> Any:
        """See DiffusersPipeline; for pictures it takes the window's size, not the nearest that it was trained for."""
        pipe = super().pipe_for(window)
        if hasattr(pipe, "resolutions"):
            pipe.resolutions = [(window.width, window.height)]
        return pipe

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """See DiffusersPipeline; a picture to edit is cut to the shape of the result rather than pressed into it."""
        arguments = super().arguments(window)
        if window.references and self.model.makes_images and not self.model.makes_video:
            picture = Image.fromarray(window.references[0])
            arguments["image"] = ImageOps.fit(picture, (window.width, window.height), Image.Resampling.LANCZOS)
        return arguments

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """See DiffusersPipeline; (1,T,h,w,C) as (C,T,h,w)."""
        return latents[0].permute(3, 0, 1, 2)
