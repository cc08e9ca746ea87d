"""Extends a prompt with words that suit it, by a small GPT-2 that was trained on prompts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, GPT2LMHeadModel
from transformers.generation.logits_process import LogitsProcessor, LogitsProcessorList

from shared.core.errors import DownloadError

# A text encoder reads this many tokens at a time; the prompt is extended to a multiple of it.
CHUNK_TOKENS = 75
_LIKELIEST = 100


class PromptExpansion:
    """The loaded model. `folder` holds it in transformers' layout; a `positive.txt` in it lists the words allowed.

    Raises DownloadError where it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
            raise DownloadError(
                f"The prompt expansion in {folder} is damaged. Delete that folder or fetch it again. ({exc})"
            ) from exc
        self._allowed = _allowed_tokens(self._tokenizer, folder / "positive.txt")

    def __call__(self, prompt: str, seed: int) -> str:
        """The prompt and what follows it; the same for the same seed."""
        start = _tidy(prompt)
        ids = self._tokenizer(f"{start},", return_tensors="pt").input_ids[:, : self._limit - 1]
        wanted = min(math.ceil(ids.shape[1] / CHUNK_TOKENS) * CHUNK_TOKENS, self._limit)
        if wanted <= ids.shape[1]:
            return start
        with torch.random.fork_rng([]), torch.inference_mode():
            torch.manual_seed(seed % 2**32)
            made = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_length=wanted,
                do_sample=True,
                top_k=_LIKELIEST,
                logits_processor=LogitsProcessorList([_FreshWords(self._allowed)]),
                pad_token_id=self._model.config.eos_token_id,
            )
        return _tidy(str(self._tokenizer.decode(made[0], skip_special_tokens=True))).rstrip(" ,.")

    @property
    def _limit(self) -> int:
        return int(self._model.config.n_positions)


class _FreshWords(LogitsProcessor):
    """Leaves the words that are allowed and have not been said yet."""

    def __init__(self, allowed: torch.Tensor | None) -> None:
        self._allowed = allowed

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (1, words) with the others at minus infinity."""
        scores = scores.clone()
        scores.scatter_(1, input_ids, -math.inf)
        if self._allowed is not None:
            scores = scores.masked_fill(~self._allowed, -math.inf)
        return torch.zeros_like(scores) if bool(torch.isinf(scores).all()) else scores


def _allowed_tokens(tokenizer: Any, words: Path) -> torch.Tensor | None:
    """Which tokens stand for a word of the file, or part two words; None where there is no such file."""
    if not words.is_file():
        return None
    known = {line.strip().lower() for line in words.read_text(encoding="utf-8").splitlines() if line.strip()}
    allowed = torch.zeros(len(tokenizer), dtype=torch.bool)
    for number in range(len(tokenizer)):
        text = tokenizer.decode([number])
        allowed[number] = text.strip().lower() in known or text.strip() == ","
    return allowed if bool(allowed.any()) else None


def _tidy(text: str) -> str:
    """One line, with single blanks and single commas."""
    text = " ".join(text.split())
    while ",," in text.replace(", ,", ",,"):
        text = text.replace(", ,", ",,").replace(",,", ",")
    return text.strip(" ,\n\r\t")
