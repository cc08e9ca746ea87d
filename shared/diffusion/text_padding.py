"""Texts of different lengths brought to one, for networks that are told which tokens count."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_TEXTS, _MASK = "encoder_hidden_states", "encoder_hidden_states_mask"


def padded(*passes: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments of some passes with texts (B, L, D) of one length; those that are as long already stay as they
    are."""
    lengths = {options[_TEXTS].shape[1] for options in passes}
    masks = [options.get(_MASK) for options in passes]
    if len(lengths) == 1 and all(mask is None for mask in masks):
        return list(passes)
    longest = max(lengths)
    return [{**options, **_lengthened(options[_TEXTS], options.get(_MASK), longest)} for options in passes]


def _lengthened(texts: torch.Tensor, mask: torch.Tensor | None, length: int) -> dict[str, Any]:
    """Texts and their mask (B, L), with tokens at the end that nobody looks at."""
    known = torch.ones(texts.shape[:2]) if mask is None else mask.expand(texts.shape[0], -1)
    missing = length - texts.shape[1]
    longer = nn.functional.pad(known.to(texts.device, torch.bool), (0, missing))
    return {_TEXTS: nn.functional.pad(texts, (0, 0, 0, missing)), _MASK: longer}
