"""Editing by words: Lucy rewrites a clip, ChronoEdit a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from models.wan.pipeline_patch import replaced
from shared.core.contracts import Step, WindowRequest, WindowResult
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.outputs import frames_of

# Frames of ChronoEdit's way from a picture to its edit, and of the steps those in which all of them are computed.
_WAY_FRAMES, _WAY_STEPS = 29, 0.2


class LucyEdit(DiffusersPipeline):
    """A loaded Lucy Edit model on a LucyEditPipeline."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if window.control is None:
            raise SettingsError("video_guide: it is missing. This model edits a given clip.")

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window. Raises Cancelled, SettingsError, OutOfMemory."""
        prepare = self.pipe.prepare_latents

        def in_vae_dtype(video: torch.Tensor, *positional: Any, **named: Any) -> Any:
            # The pipeline hands its VAE float32 whatever that is kept in (diffusers 0.42).
            return prepare(video.to(self.pipe.vae.dtype), *positional, **named)

        with replaced(self.pipe, "prepare_latents", in_vae_dtype):
            return super().__call__(window, on_step, is_cancelled)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """The clip, beside what every pipeline takes."""
        return {**super().arguments(window), "video": [Image.fromarray(frame) for frame in window.control]}


class ChronoEdit(DiffusersPipeline):
    """A loaded ChronoEdit model on a ChronoEditPipeline: the edit is the last frame of a short clip."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if not window.references:
            raise SettingsError("image_refs: it is missing. This model edits a given picture.")

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """The picture and the way to its edit, beside what every pipeline takes."""
        thinks = bool(window.settings.get("model_mode"))
        steps = window.num_inference_steps
        return {
            **super().arguments(window),
            "image": Image.fromarray(window.references[0]),
            "num_frames": _WAY_FRAMES if thinks else 5,
            "enable_temporal_reasoning": thinks,
            "num_temporal_reasoning_steps": min(max(round(steps * _WAY_STEPS), 1), steps - 1) if thinks else 0,
        }

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """The last frame of each sample."""
        return WindowResult([clip[-1:] for clip in frames_of(output)])
