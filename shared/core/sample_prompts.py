"""What the model reads for one sample: its wildcards filled, its arrays picked, its styles put around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.styles import StyledPrompt, apply_styles
from shared.core.wildcards import fill_wildcards, has_changing_parts, pick_from_arrays

JOINT = ", "


@dataclass(frozen=True)
class SampleNumbers:
    """Which sample it is: its seed, and its place among the samples from 0."""

    seed: int = 0
    index: int = 0


def picked(text: str, settings: Mapping[str, Any], lists: Mapping[str, list[str]], sample: SampleNumbers) -> str:
    """The text as one sample has it, without styles; the very same text where nothing in it changes."""
    if not has_changing_parts(text):
        return text
    in_order = bool(settings.get("wildcards_in_order"))
    chosen = pick_from_arrays(text, sample.index)
    return fill_wildcards(chosen, lists, sample.seed, index=sample.index, in_order=in_order)


def styled(prompt: str, negative: str, settings: Mapping[str, Any], sample: SampleNumbers) -> StyledPrompt:
    """`prompt` and `negative` with the styles of the settings; without styles, each is one part as it was."""
    names = settings.get("styles") or ()
    if not names:
        return StyledPrompt((prompt,), (negative,))
    return apply_styles(prompt, negative, names, sample.seed)
