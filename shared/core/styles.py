"""Styles by name: texts that are put around a prompt, from the JSON files in shared/styles/."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from shared.core.errors import SettingsError

EXPANSION, RANDOM = "Fooocus V2", "Random Style"
PLACE = "{prompt}"

_FOLDER = Path(__file__).resolve().parents[1] / "styles"


@dataclass(frozen=True)
class Style:
    """What a style adds: `prompt`, in which {prompt} stands for the user's own, and `negative_prompt`."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


@dataclass(frozen=True)
class StyledPrompt:
    """A prompt with its styles, part by part in order.

    `expands`: a language model shall extend it. `used` are the styles, a random one by its own name.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    expands: bool = False
    used: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def styles() -> Mapping[str, Style]:
    """Every style by name, in the order of the files and in them."""
    found: dict[str, Style] = {}
    for path in sorted(_FOLDER.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            style = Style(entry["name"], entry.get("prompt") or "", entry.get("negative_prompt") or "")
            found[style.name] = style
    return MappingProxyType(found)


def style_names() -> tuple[str, ...]:
    """The names that `styles` of the settings takes: the prompt expansion and the random style first."""
    return EXPANSION, RANDOM, *styles()


def style_problem(names: Sequence[str]) -> str | None:
    """What is wrong with a list of styles, as a sentence; None where nothing is."""
    unknown = [name for name in names if name not in style_names()]
    if not unknown:
        return None
    return f'styles: there is no "{unknown[0]}". Use names of the list of styles, such as SAI Anime.'


def random_style(seed: int) -> str:
    """The style that a seed draws."""
    return random.Random(seed).choice(list(styles()))


def apply_styles(prompt: str, negative: str, names: Sequence[str] = (), seed: int = 0) -> StyledPrompt:
    """`prompt` and `negative` with the styles put around them.

    Of several lines the first is what the styles speak of, the others are further parts. A prompt that no style takes
    up in its {prompt} stands before the styles. Raises SettingsError for a name that is not known.
    """
    problem = style_problem(names)
    if problem is not None:
        raise SettingsError(problem)
    (own, *extra), (avoided, *extra_avoided) = _lines(prompt), _lines(negative)
    used = tuple(random_style(seed) if name == RANDOM else name for name in names if name != EXPANSION)
    chosen = [styles()[name] for name in used]
    takes_up = any(PLACE in style.prompt for style in chosen)
    positive = [] if takes_up else [own]
    for style in chosen:
        positive += style.prompt.replace(PLACE, own).splitlines()
    unwanted = [line for style in chosen for line in style.negative_prompt.splitlines()]
    expands = EXPANSION in names and bool(own)
    return StyledPrompt(
        _parts([*positive, *extra]), _parts([avoided, *unwanted, *extra_avoided]), expands, used
    )


def _lines(text: str) -> list[str]:
    """The lines with something in them; at least one."""
    return [line.strip() for line in text.splitlines() if line.strip()] or [""]


def _parts(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.strip() for line in lines if line.strip())
