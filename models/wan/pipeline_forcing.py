"""SkyReels V2 by diffusion forcing: each latent frame has its own noise level, given frames have none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from models.wan.pipeline_patch import replaced
from shared.core.contracts import Step, WindowRequest, WindowResult
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.latents import encoded_clip

_MAX_BLOCK = 5


class SkyReelsForcing(DiffusersPipeline):
    """A loaded SkyReels V2 model on a SkyReelsV2DiffusionForcingPipeline."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._latents: torch.Tensor | None = None

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        given = 0 if window.prefix is None else len(window.prefix)
        if given >= window.num_frames:
            raise SettingsError(
                f"video_length: {window.num_frames} frames leave nothing to make after {given} given frames. "
                "Ask for a longer clip or a shorter overlap."
            )

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window. Raises Cancelled, SettingsError, OutOfMemory."""

        def with_latents(step: Step) -> None:
            latents, self._latents = self._latents, None
            on_step(step if latents is None else replace(step, latents=latents))

        with self._given(window), torch.random.fork_rng(devices=[]):
            # The noise on given frames is drawn from the global generator.
            torch.manual_seed(window.seed)
            return super().__call__(window, with_latents, is_cancelled)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """The order of the frames and the noise on given ones, beside what every pipeline takes."""
        step = int(window.settings.get("model_mode") or 0)
        return {
            **super().arguments(window),
            "base_num_frames": window.num_frames,
            "ar_step": step,
            "causal_block_size": self._block(window) if step else 1,
            "addnoise_condition": window.overlap_noise,
            "fps": round(window.fps or self.model.fps),
            "callback_on_step_end": self._keep_latents,
        }

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """The frames, the given ones first as they are."""
        result = super().result(output, window)
        first = _first_frames(window)
        if first is not None:
            for clip in result.frames:
                clip[: len(first)] = first
        return result

    def _block(self, window: WindowRequest) -> int:
        """Latent frames that are denoised together: whole blocks must fill the clip and its given part."""
        first = _first_frames(window)
        counts = [self._latent_frames(window.num_frames)]
        counts += [] if first is None else [self._latent_frames(len(first))]
        shared = math.gcd(*counts)
        return max(size for size in range(1, _MAX_BLOCK + 1) if shared % size == 0)

    def _latent_frames(self, num_frames: int) -> int:
        return (num_frames - 1) // int(self.pipe.vae_scale_factor_temporal) + 1

    def _keep_latents(self, pipe: Any, index: int, t: Any, values: dict[str, Any]) -> dict[str, Any]:
        """Called by diffusers after each step: the first sample is kept for the preview."""
        self._latents = values["latents"][0]
        return values

    @contextmanager
    def _given(self, window: WindowRequest) -> Iterator[None]:
        """Within it, the clip starts with the frames that `window` gives."""
        first = _first_frames(window)
        if first is None:
            yield
            return
        pipe, prepare = self.pipe, self.pipe.prepare_latents

        def with_first(*positional: Any, **named: Any) -> tuple[Any, ...]:
            latents, count, _, _ = prepare(*positional, **named)
            known = encoded_clip(pipe.vae, first).to(latents).expand(latents.shape[0], -1, -1, -1, -1)
            return latents, count, known, known.shape[2]

        with replaced(pipe, "prepare_latents", with_first):
            yield


def _first_frames(window: WindowRequest) -> np.ndarray | None:
    """The frames (F,H,W,3) that the clip begins with."""
    if window.prefix is not None:
        return np.asarray(window.prefix)
    return None if window.image_start is None else np.asarray(window.image_start)[None]
