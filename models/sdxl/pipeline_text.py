"""Prompts of any length and with weights for SDXL's two text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from shared.core.prompt_weights import has_weights, parse_weights

# Beside the start and end marks, an encoder reads so many tokens at a time.
CHUNK_TOKENS = 75
# A chunk ends at a comma where one is so near to its end.
_LOOK_BACK = 20

Tokens = list[tuple[int, float]]


def needs_own_encoding(pipe: Any, texts: Sequence[str]) -> bool:
    """Whether any text has weights, or is longer than an encoder reads at once."""
    if any(has_weights(text) for text in texts):
        return True
    return any(len(pipe.tokenizer_2(text, add_special_tokens=False).input_ids) > CHUNK_TOKENS for text in texts)


def encode(pipe: Any, prompt: str, negative: str, layer: int) -> dict[str, torch.Tensor]:
    """The arguments of the pipeline that stand for its prompts, read at `layer` from the end (2: as it was trained).

    Long texts are read in chunks; weights multiply the tokens, whose mean is kept.
    """
    made: dict[str, list[torch.Tensor]] = {"": [], "negative_": []}
    pooled: dict[str, torch.Tensor] = {}
    encoders = [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
    for tokenizer, encoder in encoders:
        if encoder is None:
            continue
        texts = {"": _chunks(tokenizer, prompt), "negative_": _chunks(tokenizer, negative)}
        most = max(len(chunks) for chunks in texts.values())
        for side, chunks in texts.items():
            states, first = _read(tokenizer, encoder, chunks + [[]] * (most - len(chunks)), layer, pipe)
            made[side].append(states)
            pooled[side] = first
    return {
        f"{side}{name}": value
        for side in made
        for name, value in (
            ("prompt_embeds", torch.cat(made[side], dim=-1)),
            ("pooled_prompt_embeds", pooled[side]),
        )
    }


def _chunks(tokenizer: Any, text: str) -> list[Tokens]:
    """The tokens of a text with their weights, in chunks; at least one, which may be empty."""
    tokens: Tokens = []
    for part, weight in parse_weights(text):
        tokens += [(token, weight) for token in tokenizer(part, add_special_tokens=False).input_ids]
    commas = set(tokenizer(",", add_special_tokens=False).input_ids)
    chunks: list[Tokens] = []
    while len(tokens) > CHUNK_TOKENS:
        end = CHUNK_TOKENS
        for place in range(CHUNK_TOKENS - 1, CHUNK_TOKENS - 1 - _LOOK_BACK, -1):
            if tokens[place][0] in commas:
                end = place + 1
                break
        chunks.append(tokens[:end])
        tokens = tokens[end:]
    return [*chunks, tokens]


def _read(
    tokenizer: Any, encoder: Any, chunks: list[Tokens], layer: int, pipe: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """States (1, 77 x chunks, C) and the pooled output of the first chunk."""
    start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    pieces, pooled = [], None
    for chunk in chunks:
        room = CHUNK_TOKENS - len(chunk)
        ids = [start, *(token for token, _ in chunk), end, *[pad] * room]
        weights = [1.0, *(weight for _, weight in chunk), 1.0, *[1.0] * room]
        given = torch.tensor([ids], device=pipe._execution_device)
        output = encoder(given, output_hidden_states=True)
        pooled = output[0] if pooled is None else pooled
        states = output.hidden_states
        pieces.append(_weighted(states[-min(layer, len(states))], weights))
    assert pooled is not None
    return torch.cat(pieces, dim=1), pooled


def _weighted(states: torch.Tensor, weights: list[float]) -> torch.Tensor:
    if all(weight == 1 for weight in weights):
        return states
    mean = states.float().mean()
    factors = torch.tensor(weights, device=states.device, dtype=torch.float32)[None, :, None]
    weighted = states.float() * factors
    return (weighted * (mean / weighted.mean())).to(states.dtype)
