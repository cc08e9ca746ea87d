"""Where Ideogram 4's pipeline differs from other picture pipelines."""

from __future__ import annotations

from typing import Any

import torch

from shared.core.contracts import WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.guidance_plan import GuidancePlan
from shared.diffusion.pictures import PicturePipeline


class Ideogram4(PicturePipeline):
    """Ideogram 4: from a text, which may be its own structured caption in JSON."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        messages = [{"role": "user", "content": [{"type": "text", "text": window.prompt}]}]
        text = self.pipe.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        count, most = len(self.pipe.tokenizer(text).input_ids), int(self.model.get("text_length"))
        if count > most:
            raise SettingsError(f"prompt: it has {count} tokens. This model reads at most {most}.")

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`: the guidance drops in the last steps."""
        arguments = super().arguments(window)
        scale, (share, lowest) = arguments.pop("guidance_scale"), self.model.get("guidance_polish")
        plan = GuidancePlan((scale,), polish=share, polish_scale=lowest)
        steps = window.num_inference_steps
        return arguments | {"guidance_schedule": [plan.scale(1.0, step, steps) for step in range(steps)]}

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """Packed latents (1,L,4C) as (C,1,h,w), in the measure of the VAE."""
        pipe = self.pipe
        vae, patch = pipe.vae, pipe.patch_size
        width, height = (side // (pipe.vae_scale_factor * patch) for side in (window.width, window.height))
        mean, variance = (value.view(1, 1, -1).to(latents) for value in (vae.bn.running_mean, vae.bn.running_var))
        patches = latents * torch.sqrt(variance + vae.config.batch_norm_eps) + mean
        patches = patches.view(height, width, patch, patch, -1).permute(4, 0, 2, 1, 3)
        return patches.reshape(patches.shape[0], 1, height * patch, width * patch)
