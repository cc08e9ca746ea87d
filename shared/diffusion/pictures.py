"""Runs diffusers' picture pipelines: from a text, from a picture, with references, a control picture or a mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from shared.core.contracts import WindowRequest, WindowResult
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.masks import put_back


class PicturePipeline(DiffusersPipeline):
    """A loaded picture pipeline.

    Definition keys: `guidance_max_phases` 0: the network was distilled and takes no guidance. `references_maximum`:
    pictures that it takes. `pipeline_without_control`: the class to run without a control picture, where the
    checkpoint's needs one.
    """

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        count, most = len(window.references), self.model.get("references_maximum")
        if most is not None and count > most:
            raise SettingsError(f"image_refs: {count} pictures were given. This model takes at most {most}.")
        if (
            self.model.get("pipeline_repaint_with_control") == ""
            and window.mask is not None
            and window.control is not None
        ):
            raise SettingsError("image_mask: this model repaints without a control picture. Leave one of the two out.")
        steps = window.num_inference_steps
        if window.source is not None and int(steps * window.denoising_strength) < 1:
            raise SettingsError(
                f"denoising_strength: {window.denoising_strength:g} of {steps} steps is less than one step. "
                f"Use at least {1 / steps:.2g}."
            )

    def pipe_for(self, window: WindowRequest) -> Any:
        """The pipeline for this window, on the same weights."""
        plain = self.model.get("pipeline_without_control")
        if plain and window.control is None:
            keys = ("pipeline_repaint", "pipeline_from_picture")
            wanted = window.mask is not None, window.source is not None
            name = next((self.model.get(key) for key, is_wanted in zip(keys, wanted, strict=True) if is_wanted), plain)
            return self.sibling(str(name or plain))
        if plain and window.mask is not None:
            return self.sibling(str(self.model.get("pipeline_repaint_with_control")))
        return self.pipe if plain else super().pipe_for(window)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        if self.model.get("guidance_max_phases") == 0:
            window = replace(window, guidance_scale=1.0)
        arguments = super().arguments(window)
        if window.source is not None and window.references:
            pictures = [Image.fromarray(picture) for picture in window.references]
            arguments["image_reference"] = pictures if len(pictures) > 1 else pictures[0]
        if window.control is not None:
            arguments["controlnet_conditioning_scale"] = window.settings.get("control_net_weight")
        return arguments

    def size_made(self, window: WindowRequest) -> tuple[int, int]:
        """Width and height (pixels) that the pipeline works at; the result is brought to the size asked for."""
        return window.width, window.height

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """Latents of the first sample as (C,T,h,w)."""
        width, height = self.size_made(window)
        return super().preview_latents(latents, replace(window, width=width, height=height))

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """The picture at the size asked for; what a mask keeps is put back as it was."""
        result = super().result(output, window)
        frames = [_fitted(_opaque(clip), window) for clip in result.frames]
        if window.mask is not None and window.source is not None:
            source = window.source if window.source.ndim == 4 else window.source[None]
            mask = window.mask if window.mask.ndim == 3 else window.mask[None]
            frames = [put_back(clip, source[:1], mask[:1]) for clip in frames]
        return replace(result, frames=frames)


def _opaque(clip: np.ndarray) -> np.ndarray:
    """Pictures (F,H,W,4) with alpha, over white; others as they are."""
    if clip.shape[-1] != 4:
        return clip
    alpha = clip[..., 3:].astype(np.float32) / 255
    return np.rint(clip[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _fitted(clip: np.ndarray, window: WindowRequest) -> np.ndarray:
    """Pictures (F,H,W,3) at the size of the window: some pipelines round it to sizes of their own."""
    if clip.shape[1:3] == (window.height, window.width):
        return clip
    size = (window.width, window.height)
    return np.stack([np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)) for picture in clip])
