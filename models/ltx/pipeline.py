"""LTX-Video's Pipeline: the media of a window as diffusers' conditions at frames."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.latents import encoded_clip

# It warns of timesteps without sigmas at each run: the pipeline's own way.
logging.getLogger("diffusers.schedulers.scheduling_flow_match_euler_discrete").setLevel(logging.ERROR)

_FULL_NOISE = 1000  # of the setting for the noise on the overlap


class LTXVideo(DiffusersPipeline):
    """A loaded LTX-Video model (see core.contracts.Pipeline)."""

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """See DiffusersPipeline."""
        model = self.model
        arguments = super().arguments(window) | {
            "image": None,
            "strength": None,
            "conditions": self._conditions(window) or None,
            "frame_rate": window.fps or model.fps,
            "guidance_rescale": model.get("guidance_rescale"),
            "image_cond_noise_scale": model.get("given_frames_noise"),
            "decode_timestep": model.get("decode_timestep"),
            "decode_noise_scale": model.get("decode_noise"),
            "timesteps": model.get("timesteps"),
        }
        if model.get("guidance_max_phases") == 0:
            arguments["guidance_scale"] = 1.0
        if window.source is not None and window.denoising_strength < 1:
            source = window.source if window.source.ndim == 4 else window.source[None]
            arguments |= {
                "latents": encoded_clip(self.pipe.vae, source[: window.num_frames]),
                "denoise_strength": window.denoising_strength,
            }
        return arguments

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """See DiffusersPipeline; the tokens of given frames stand before those of the clip."""
        space, time = self.pipe.vae_spatial_compression_ratio, self.pipe.vae_temporal_compression_ratio
        tokens = ((window.num_frames - 1) // time + 1) * (window.height // space) * (window.width // space)
        return super().preview_latents(latents[:, -tokens:], window)

    def _conditions(self, window: WindowRequest) -> list[LTXVideoCondition]:
        strength = float(window.settings.get("input_video_strength", 1.0))
        found = []
        if window.prefix is not None:
            overlap = 1 - window.overlap_noise / _FULL_NOISE
            found += self._continued(window.prefix, min(strength, overlap))
        elif window.image_start is not None:
            found.append(_still(window.image_start, 0, strength))
        found += [_still(picture, frame) for frame, picture in sorted(window.injected.items())]
        if window.image_end is not None:
            found.append(_still(window.image_end, window.num_frames - 1))
        return found

    def _continued(self, prefix: np.ndarray, strength: float) -> list[LTXVideoCondition]:
        """The frames that come before, as far as they fill latent frames; of what is left over the last one."""
        time = self.pipe.vae_temporal_compression_ratio
        whole = (len(prefix) - 1) // time * time + 1
        clip = [Image.fromarray(frame) for frame in prefix[:whole]]
        found = [LTXVideoCondition(video=clip, frame_index=0, strength=strength)]
        if whole < len(prefix):
            found.append(_still(prefix[-1], len(prefix) - 1, strength))
        return found


def _still(picture: np.ndarray, frame: int, strength: float = 1.0) -> LTXVideoCondition:
    return LTXVideoCondition(image=Image.fromarray(picture), frame_index=frame, strength=strength)
