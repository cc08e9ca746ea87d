"""What a task will make, before anything is loaded: its clips, their samples, their seeds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.errors import SettingsError
from shared.core.prompts import PromptUnit

MAX_SEED = 999_999_999
WINDOW_SEED_STRIDE = 1_000_003

ONE_CLIP_MODES = ("W", "PW", "FG")


@dataclass(frozen=True)
class Clip:
    """One result to be made (as often as samples are asked for).

    `prompts`: one a sliding window, the last repeats. `image_ends`: none, one for the end of the clip, or one a window.
    """

    prompts: tuple[PromptUnit, ...]
    image_start: Any = None
    image_ends: tuple[Any, ...] = ()

    def pictures(self) -> dict[str, list[Any]]:
        """The pictures by the setting that gave them."""
        found = {"image_start": [] if self.image_start is None else [self.image_start], "image_end": [*self.image_ends]}
        return {name: pictures for name, pictures in found.items() if pictures}


def plan_clips(
    prompts: Sequence[Sequence[PromptUnit]], starts: Sequence[Any], ends: Sequence[Any], *, mode: str, pairwise: bool
) -> list[Clip]:
    """Match prompts (one or more a clip, see core/prompts.split_clips) with start and end images.

    Several start images give a clip each: every combination with the prompts, or with `pairwise` the first with the
    first (the counts must divide). As many end images as start images go with those; one serves all; in the modes of
    a single clip (`mode` W, PW, FG) more are for the windows in turn. Raises SettingsError where counts do not match.
    """
    texts = [tuple(units) for units in prompts]
    pictures = _pair_images(starts, ends, mode in ONE_CLIP_MODES)
    if pairwise and len(pictures) > 1 and len(texts) > 1:
        pairs = _pair_up(texts, pictures)
    else:
        pairs = [(text, picture) for text in texts for picture in pictures]
    return [Clip(text, start, image_ends) for text, (start, image_ends) in pairs]


def _pair_images(starts: Sequence[Any], ends: Sequence[Any], single: bool) -> list[tuple[Any, tuple[Any, ...]]]:
    if len(ends) == len(starts) and len(ends) > 1:
        return [(start, (end,)) for start, end in zip(starts, ends, strict=True)]
    if len(ends) <= 1 or single:
        return [(start, tuple(ends)) for start in (starts or [None])]
    if len(starts) <= 1:
        return [(starts[0] if starts else None, (end,)) for end in ends]
    raise SettingsError(
        f"image_end: {len(ends)} images for {len(starts)} start images. Give one end image for all, or one for each."
    )


def _pair_up(texts: list[Any], pictures: list[Any]) -> list[tuple[Any, Any]]:
    longer, shorter = max(len(texts), len(pictures)), min(len(texts), len(pictures))
    if longer % shorter:
        raise SettingsError(
            f"multi_images_gen_type: {len(texts)} prompts and {len(pictures)} images cannot be paired. "
            f"Use counts of which one divides the other, or 0 for every combination."
        )
    text_each, picture_each = longer // len(texts), longer // len(pictures)
    return [(texts[i // text_each], pictures[i // picture_each]) for i in range(longer)]


def resolve_seed(seed: int) -> int:
    """`seed`, or a random one for -1."""
    return random.SystemRandom().randint(0, MAX_SEED) if seed < 0 else seed


def sample_seed(seed: int, number: int) -> int:
    """Seed of a clip's sample (from 1): the first has the task's own, each next one more."""
    return (seed + number - 1) % (MAX_SEED + 1)


def window_seed(seed: int, window_no: int) -> int:
    """Seed of a window (from 1): the first has the sample's own, so that a clip of one window needs nothing else."""
    return (seed + (window_no - 1) * WINDOW_SEED_STRIDE) % (MAX_SEED + 1)
