"""What helps to write a prompt: what its lines will make, and the prompts of earlier results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import SettingsError
from shared.core.prompt_macros import has_macros
from shared.core.prompts import split_clips
from shared.core.wildcards import unknown_wildcards

READ = 2000
MOST_PROMPTS = 60
MOST_SHOWN = 12


def prompt_plan(prompt: str, mode: str, lists: Mapping[str, list[str]]) -> dict[str, Any]:
    """How many clips a prompt makes and of how many prompts each, with their texts; or what is wrong with it.

    `unknown` are the wildcards for which there is no list.
    """
    try:
        clips = split_clips(prompt, mode)
    except SettingsError as error:
        return {"error": str(error)}
    return {
        "clips": len(clips),
        "windows": max((len(clip) for clip in clips), default=0),
        "has_variables": has_macros(prompt),
        "unknown": unknown_wildcards(prompt, lists),
        "texts": [unit.text for clip in clips for unit in clip][:MOST_SHOWN],
    }


def last_prompts(runtime: Any, words: str) -> list[str]:
    """The last different prompts that hold all of the words, newest first."""
    wanted = words.casefold().split()
    found: dict[str, None] = {}
    for entry in runtime.history.page(limit=READ):
        prompt = str((entry.settings or {}).get("prompt") or entry.prompt or "").strip()
        if prompt and all(word in prompt.casefold() for word in wanted):
            found.setdefault(prompt)
        if len(found) == MOST_PROMPTS:
            break
    return list(found)
