"""Wan VACE: whatever is given (control, kept frames, pictures at frames) is one clip with a mask of what to make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from models.wan.pipeline_experts import second_guidance, set_boundary
from shared.core.contracts import Step, WindowRequest, WindowResult
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

# The grey of what is to be made, and the two levels of the mask.
_BLANK, _MADE, _KEPT = 127, 255, 0


class WanVace(DiffusersPipeline):
    """A loaded VACE model on a WanVACEPipeline."""

    def __init__(self, pipe: Any, model: ModelDef, *, keeps_weights: bool = True) -> None:
        super().__init__(pipe, model, keeps_weights=keeps_weights)
        self._boundary_ratio = pipe.config.boundary_ratio

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if window.source is not None:
            raise SettingsError("video_prompt_type: G (start of the denoising) is not available for this model.")
        given = 0 if window.prefix is None else len(window.prefix)
        if given >= window.num_frames > 1:
            raise SettingsError(
                f"video_length: {window.num_frames} frames leave nothing to make after {given} given frames. "
                "Ask for a longer clip or a shorter overlap."
            )

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window. Raises Cancelled, SettingsError, OutOfMemory."""
        set_boundary(self.pipe, self._boundary_ratio, window)
        return super().__call__(window, on_step, is_cancelled)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """The clip, its mask and the references, beside what every pipeline takes."""
        clip, mask = conditions(window)
        size = window.width, window.height
        return {
            **super().arguments(window),
            "video": None if clip is None else [Image.fromarray(frame) for frame in clip],
            "mask": None if mask is None else [Image.fromarray(frame) for frame in mask],
            "reference_images": [on_white(picture, size) for picture in window.references] or None,
            "conditioning_scale": float(window.settings.get("control_net_weight", 1.0)),
            "guidance_scale_2": second_guidance(self._boundary_ratio, window),
        }

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """The latents without those of the references, which come first."""
        return super().preview_latents(latents[:, :, len(window.references) :], window)


def conditions(window: WindowRequest) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The clip (F,H,W,3) that conditions a window and its mask (F,H,W), 255 where it is made; None for nothing given.

    What is fixed (kept frames, start, end, pictures at frames) lies over the control.
    """
    fixed: dict[int, Any] = dict(enumerate(() if window.prefix is None else window.prefix))
    for number, picture in ((0, window.image_start), (window.num_frames - 1, window.image_end)):
        if picture is not None:
            fixed.setdefault(number, picture)
    fixed |= {number: picture for number, picture in window.injected.items() if number not in fixed}
    if window.control is None and not fixed:
        return None, None
    shape = (window.num_frames, window.height, window.width)
    clip = np.full((*shape, 3), _BLANK, np.uint8) if window.control is None else np.array(window.control)
    mask = np.full(shape, _MADE, np.uint8) if window.control_mask is None else np.array(window.control_mask)
    for number, picture in fixed.items():
        clip[number], mask[number] = picture, _KEPT
    return clip, mask


def on_white(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A reference on a white canvas of `size` (width, height), in the middle, no larger than it."""
    image = Image.fromarray(picture)
    if image.size == size:
        return image
    scale = min(1.0, size[0] / image.width, size[1] / image.height)
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", size, "white")
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas
