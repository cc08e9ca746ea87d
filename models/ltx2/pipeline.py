"""LTX-2's Pipeline: the media of a window as diffusers' conditions at latent frames, and the sound that comes along."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.ltx2 import LTX2VideoCondition
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.custom_settings import custom_values
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.guidance_plan import pipeline_guidance

# It names a default for a missing audio scheduler, and the like, at each run.
logging.getLogger("diffusers.pipelines.ltx2.pipeline_ltx2_condition").setLevel(logging.ERROR)

_FULL_NOISE = 1000  # of the setting for the noise on the overlap


class LTX2(DiffusersPipeline):
    """A loaded LTX-2 model (see core.contracts.Pipeline)."""

    def check(self, window: WindowRequest) -> None:
        """See DiffusersPipeline; the decoder mirrors at its borders and needs two latents to a side."""
        super().check(window)
        least = 2 * self.pipe.vae_spatial_compression_ratio
        if min(window.width, window.height) < least:
            raise SettingsError(
                f"resolution: {window.width}x{window.height} is too small for this model. Use at least {least} a side."
            )

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """See DiffusersPipeline."""
        guidance = self._guided(window) if self.model.get("guidance_max_phases") else self._unguided()
        return super().arguments(window) | {
            "conditions": self._conditions(window) or None,
            "frame_rate": window.fps or self.model.fps,
            "sigmas": self.model.get("sigmas"),
            **guidance,
        }

    def scheduler(self, window: WindowRequest) -> Any:
        """See DiffusersPipeline; noise levels of the model's own are taken as they are."""
        scheduler = super().scheduler(window)
        if not self.model.get("sigmas"):
            return scheduler
        return type(scheduler).from_config(scheduler.config, use_dynamic_shifting=False, shift_terminal=None)

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """See DiffusersPipeline; the tokens of given frames stand after those of the clip."""
        space, time = self.pipe.vae_spatial_compression_ratio, self.pipe.vae_temporal_compression_ratio
        tokens = ((window.num_frames - 1) // time + 1) * (window.height // space) * (window.width // space)
        return super().preview_latents(latents[:, :tokens], window)

    def _guided(self, window: WindowRequest) -> dict[str, Any]:
        settings, rescale = window.settings, float(self.model.get("guidance_rescale", 0.0))
        unity = float(settings.get("alt_guidance_scale") or 1)
        blocks = float(custom_values(settings, self.model).get("block_guidance", 0.0))
        return {
            "guidance_scale": pipeline_guidance(window),
            "audio_guidance_scale": float(settings.get("audio_guidance_scale") or window.guidance_scale),
            "modality_scale": unity,
            "audio_modality_scale": unity,
            "stg_scale": blocks,
            "audio_stg_scale": blocks,
            "spatio_temporal_guidance_blocks": self.model.get("perturbed_blocks"),
            "guidance_rescale": rescale,
            "audio_guidance_rescale": rescale,
        }

    @staticmethod
    def _unguided() -> dict[str, Any]:
        on_its_own = dict.fromkeys(("guidance_scale", "modality_scale"), 1.0)
        off = dict.fromkeys(("stg_scale", "guidance_rescale"), 0.0)
        return {f"{prefix}{name}": value for prefix in ("", "audio_") for name, value in (on_its_own | off).items()}

    def _conditions(self, window: WindowRequest) -> list[LTX2VideoCondition]:
        strength = float(window.settings.get("input_video_strength", 1.0))
        found = []
        if window.prefix is not None:
            overlap = 1 - window.overlap_noise / _FULL_NOISE
            found += self._continued(window.prefix, min(strength, overlap))
        elif window.image_start is not None:
            found.append(self._still(window.image_start, 0, strength))
        found += [self._still(picture, frame) for frame, picture in sorted(window.injected.items())]
        if window.image_end is not None:
            found.append(self._still(window.image_end, window.num_frames - 1))
        return found

    def _continued(self, prefix: np.ndarray, strength: float) -> list[LTX2VideoCondition]:
        """The frames that come before, as far as they fill latent frames; of what is left over the last one."""
        time = self.pipe.vae_temporal_compression_ratio
        whole = (len(prefix) - 1) // time * time + 1
        found = [LTX2VideoCondition([Image.fromarray(frame) for frame in prefix[:whole]], 0, strength)]
        if whole < len(prefix):
            found.append(self._still(prefix[-1], len(prefix) - 1, strength))
        return found

    def _still(self, picture: np.ndarray, frame: int, strength: float = 1.0) -> LTX2VideoCondition:
        """A picture at a frame: at the first of the frames that share a latent frame with it."""
        latent_frame = -(-frame // self.pipe.vae_temporal_compression_ratio)
        return LTX2VideoCondition(Image.fromarray(picture), latent_frame, strength)
