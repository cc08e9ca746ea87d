"""Prompts to embeddings."""

from __future__ import annotations

from typing import Any

import torch

from shared.diffusion.text_cache import remember_prompts


class PromptEncoder:
    """Encodes prompts with the text encoder of a pipeline, which keeps the last ones."""

    def __init__(self, pipe: Any, max_length: int) -> None:
        self.pipe, self.max_length = pipe, max_length
        remember_prompts(pipe)

    def encode(self, prompt: str) -> torch.Tensor:
        """Embeddings (1, max_length, D)."""
        embeds, _ = self.pipe.encode_prompt(
            prompt=prompt,
            do_classifier_free_guidance=False,
            max_sequence_length=self.max_length,
            device=self.pipe._execution_device,
        )
        return embeds
