"""What a picture prompt can be taken for, with its usual strength and the part of the steps it guides for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class GuideKind:
    """`weight` and `stop` (a part of the steps) where the settings name none; `is_control`: its lines are followed,
    else an adapter looks at it."""

    weight: float
    stop: float
    is_control: bool


@dataclass(frozen=True)
class GuideUse:
    """One picture prompt: its kind, how strongly it guides, until which part of the steps."""

    kind: str
    weight: float
    stop: float

    @property
    def is_control(self) -> bool:
        """Whether a ControlNet follows it."""
        return GUIDE_KINDS[self.kind].is_control


GUIDE_KINDS: Mapping[str, GuideKind] = MappingProxyType(
    {
        "ImagePrompt": GuideKind(0.6, 0.5, False),
        "FaceSwap": GuideKind(0.75, 0.9, False),
        "PyraCanny": GuideKind(1.0, 0.5, True),
        "CPDS": GuideKind(1.0, 0.5, True),
    }
)
MOST_GUIDES = 4
# The numbers that the union ControlNet of SDXL has for the kinds it follows; adapters have none.
GUIDE_MODES: Mapping[str, int | None] = MappingProxyType(
    {"ImagePrompt": None, "FaceSwap": None, "PyraCanny": 3, "CPDS": 2}
)


def guide_uses(settings: Mapping[str, Any], count: int) -> list[GuideUse]:
    """What the settings say about each of `count` picture prompts. A stop or weight of 0 is the usual of its kind."""
    kinds = _listed(settings.get("guide_kinds"))
    weights, stops = _numbers(settings.get("guide_weights")), _numbers(settings.get("guide_stops"))
    uses = []
    for number in range(count):
        name = kinds[number] if number < len(kinds) else "ImagePrompt"
        kind = GUIDE_KINDS[name]
        weight = weights[number] if number < len(weights) else 0.0
        stop = stops[number] if number < len(stops) else 0.0
        uses.append(GuideUse(name, weight or kind.weight, stop or kind.stop))
    return uses


def guide_problems(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the picture prompts of the settings, as sentences."""
    pictures = settings.get("guide_pictures")
    count = len(pictures) if isinstance(pictures, (list, tuple)) else int(pictures is not None)
    found = []
    if count > MOST_GUIDES:
        found.append(f"guide_pictures: {count} pictures were given. At most {MOST_GUIDES} guide a result.")
    unknown = [kind for kind in _listed(settings.get("guide_kinds")) if kind not in GUIDE_KINDS]
    if unknown:
        found.append(f'guide_kinds: "{unknown[0]}" is not accepted. Use {", ".join(GUIDE_KINDS)}.')
    for name, most in (("guide_weights", 2.0), ("guide_stops", 1.0)):
        beyond = [number for number in _numbers(settings.get(name)) if number > most]
        if beyond:
            found.append(f"{name}: {beyond[0]:g} is not accepted. Use numbers from 0 to {most:g}.")
    return found


def _listed(value: Any) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []


def _numbers(value: Any) -> list[float]:
    text = str(value or "").replace(",", " ")
    try:
        return [float(item) for item in text.split()]
    except ValueError:
        return []
