"""Prompts to embeddings, kept for the next run."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

_KEPT_PROMPTS = 16


class PromptEncoder:
    """Encodes prompts with the text encoder of a pipeline; the last few embeddings are kept on the CPU."""

    def __init__(self, pipe: Any, max_length: int) -> None:
        self.pipe, self.max_length = pipe, max_length
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()

    def encode(self, prompt: str) -> torch.Tensor:
        """Embeddings (1, max_length, D)."""
        device = self.pipe._execution_device
        if prompt in self._kept:
            self._kept.move_to_end(prompt)
            return self._kept[prompt].to(device)
        embeds, _ = self.pipe.encode_prompt(
            prompt=prompt, do_classifier_free_guidance=False, max_sequence_length=self.max_length, device=device
        )
        self._kept[prompt] = embeds.cpu()
        while len(self._kept) > _KEPT_PROMPTS:
            self._kept.popitem(last=False)
        return embeds
