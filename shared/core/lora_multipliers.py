"""The multiplier grammar: how strong each LoRA is, by guidance phase, branch and step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.core.errors import SettingsError

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

MOST_PHASES = 3

Value = tuple[float, ...]
Branches = tuple[Value, ...]


@dataclass(frozen=True)
class LoraMultiplier:
    """The strengths of one LoRA.

    `phases` holds one entry a guidance phase, each with one value list a branch of the model (one, where the model
    has no branches). A `shared` multiplier spans all steps and has a single phase.
    """

    phases: tuple[Branches, ...]
    shared: bool

    def at_steps(self, phase_steps: Sequence[int], branch: int = 0) -> list[float]:
        """One strength a step, for phases of so many steps each."""
        if self.shared:
            return spread(_branch(self.phases[0], branch), sum(phase_steps))
        strengths: list[float] = []
        for index, steps in enumerate(phase_steps):
            phase = self.phases[min(index, len(self.phases) - 1)]
            strengths += spread(_branch(phase, branch), steps)
        return strengths

    def is_zero(self, phases: Sequence[int], branch: int = 0) -> bool:
        """Whether nothing of the LoRA is asked for in these phases (all of them have it where it is shared)."""
        chosen = [0] if self.shared else [min(phase, len(self.phases) - 1) for phase in phases]
        return not any(value for phase in chosen for value in _branch(self.phases[phase], branch))


def model_shape(model: ModelDef | None) -> tuple[int, int]:
    """(phases, branches) that a multiplier may have for a model; without one, the most that any model takes."""
    if model is None:
        return MOST_PHASES, 0
    phases = int(model.get("lora_multiplier_phases", model.get("guidance_max_phases", 1)) or 1)
    return max(phases, 1), int(model.get("lora_multiplier_branches", 0) or 0)


def count_phase_steps(timesteps: Sequence[float], thresholds: Sequence[float]) -> list[int]:
    """Steps of each phase: phase k + 1 begins with the first step whose timestep is at or below threshold k."""
    counts = [0] * (len(thresholds) + 1)
    phase = 0
    for timestep in timesteps:
        while phase < len(thresholds) and timestep <= thresholds[phase]:
            phase += 1
        counts[phase] += 1
    return counts


def spread(values: Sequence[float], num_steps: int) -> list[float]:
    """The values dealt evenly over the steps: [1, 0] over 5 steps is [1, 1, 1, 0, 0]."""
    return [values[int(step * len(values) / num_steps)] for step in range(num_steps)]


def parse_multipliers(
    text: str | Sequence[str | float],
    num_loras: int,
    *,
    phases: int = 1,
    branches: int = 0,
    model_switch_phase: int = 1,
) -> list[LoraMultiplier]:
    """One multiplier a LoRA; missing ones are 1.0, superfluous ones are ignored.

    Where a text gives fewer phases than the model has, its last is repeated, or its first when `model_switch_phase`
    is 2. Raises SettingsError.
    """
    tokens = [str(item) for item in text] if not isinstance(text, str) else split_tokens(text)
    parsed = [
        _parse_token(_Token(token, number), phases, branches, model_switch_phase)
        for number, token in enumerate(tokens, start=1)
    ]
    multipliers = parsed[:num_loras]
    neutral = LoraMultiplier((((1.0,),) * max(branches, 1),), shared=True)
    return multipliers + [neutral] * (num_loras - len(multipliers))


def split_tokens(text: str) -> list[str]:
    """The tokens of both sides in order, without remarks."""
    accelerator, user = split_sides(text)
    return _side_tokens(accelerator) + _side_tokens(user)


def split_sides(text: str) -> tuple[str, str]:
    """(accelerator side, user side); a text without a bar is all the user's. Raises SettingsError."""
    plain_bars = sum(line.count("|") for line in text.splitlines() if not line.lstrip().startswith("#"))
    if plain_bars > 1:
        raise SettingsError(f"loras_multipliers: {plain_bars} bars were given. Use at most one |.")
    if plain_bars == 0:
        return "", text
    before: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "|" in line and not line.lstrip().startswith("#"):
            left, _, right = line.partition("|")
            return "\n".join([*before, left]), "\n".join([right, *lines[number + 1 :]])
        before.append(line)
    return "", text


def override_user_side(text: str, override: str) -> str:
    """`override` in place of the user's side of `text`; with a bar of its own it takes the place of both."""
    accelerator, _ = split_sides(text)
    return f"{accelerator.strip()}|{override}" if accelerator.strip() and "|" not in override else override


def extract_loras_side(
    loras: Sequence[str], multipliers: str, side: Literal["before", "after"]
) -> tuple[list[str], str]:
    """The LoRAs and the multiplier text of the accelerators ("before" the bar) or of the user ("after" it)."""
    accelerator, user = split_sides(multipliers)
    count = len(_side_tokens(accelerator))
    if side == "before":
        return list(loras[:count]), accelerator.strip()
    return list(loras[count:]), user.strip()


def merge_loras_settings(
    old_loras: Sequence[str],
    old_multipliers: str,
    new_loras: Sequence[str],
    new_multipliers: str,
    mode: Literal["merge before", "merge after"] = "merge before",
) -> tuple[list[str], str]:
    """(LoRAs, multiplier text) of a preset merged with those already chosen.

    "merge before" puts the new ones on the accelerator side, in place of the accelerators that were there;
    "merge after" puts them on the user side, in place of the user's. A LoRA that is on the accelerator side is not
    repeated on the user side. Remarks are kept.
    """
    old_before = _Side.of(*extract_loras_side(old_loras, old_multipliers, "before"))
    old_after = _Side.of(*extract_loras_side(old_loras, old_multipliers, "after"))
    new_before = _Side.of(*extract_loras_side(new_loras, new_multipliers, "before"))
    new_after = _Side.of(*extract_loras_side(new_loras, new_multipliers, "after"))
    if mode == "merge before":
        before, after = new_before.joined(new_after.without(new_before.loras)), old_after
    else:
        before, after = old_before, new_before.joined(new_after.without(new_before.loras))
    after = after.without(before.loras)
    text = f"{before.text}|{after.text}" if before.loras else after.text
    return [*before.loras, *after.loras], text


@dataclass(frozen=True)
class _Side:
    """LoRAs with exactly one token each, and the remark lines between them."""

    loras: tuple[str, ...]
    lines: tuple[tuple[str, ...] | str, ...]

    @classmethod
    def of(cls, loras: Sequence[str], text: str) -> _Side:
        lines: list[tuple[str, ...] | str] = []
        left = len(loras)
        for line in text.splitlines():
            if line.lstrip().startswith("#"):
                lines.append(line.strip())
                continue
            tokens = tuple(line.split()[:left])
            left -= len(tokens)
            if tokens:
                lines.append(tokens)
        if left:
            lines.append(("1",) * left)
        return cls(tuple(loras), tuple(lines))

    @property
    def text(self) -> str:
        return "\n".join(line if isinstance(line, str) else " ".join(line) for line in self.lines)

    def joined(self, other: _Side) -> _Side:
        return _Side(self.loras + other.loras, self.lines + other.lines)

    def without(self, loras: Sequence[str]) -> _Side:
        gone = {lora_key(lora) for lora in loras}
        dropped = {index for index, lora in enumerate(self.loras) if lora_key(lora) in gone}
        kept: list[tuple[str, ...] | str] = []
        index = 0
        for line in self.lines:
            if isinstance(line, str):
                kept.append(line)
                continue
            tokens = tuple(token for offset, token in enumerate(line) if index + offset not in dropped)
            index += len(line)
            if tokens:
                kept.append(tokens)
        loras_left = tuple(lora for index, lora in enumerate(self.loras) if index not in dropped)
        return _Side(loras_left, tuple(kept))


def lora_key(path: str) -> str:
    """What makes two LoRA entries the same: the path with / and without leading ./, or the URL without its folder."""
    if "://" in path:
        return path.split("|", 1)[0]
    key = path.replace("\\", "/")
    while key.startswith("./"):
        key = key[2:]
    return key


def _side_tokens(text: str) -> list[str]:
    return [token for line in text.splitlines() if not line.lstrip().startswith("#") for token in line.split()]


@dataclass(frozen=True)
class _Token:
    """A multiplier and the number of its LoRA, for messages."""

    text: str
    number: int

    def refuse(self, reason: str) -> SettingsError:
        """The error that names the place."""
        return SettingsError(f'loras_multipliers: "{self.text}" (LoRA {self.number}) {reason}')


def _parse_token(token: _Token, phases: int, branches: int, model_switch_phase: int) -> LoraMultiplier:
    parts = token.text.split(";")
    if len(parts) > phases:
        raise token.refuse(
            f"has {len(parts)} phases, and this model has {phases}. "
            f"Use at most {phases} value(s) separated by semicolons."
        )
    values = [_parse_phase(part, token, branches) for part in parts]
    if len(parts) == 1:
        return LoraMultiplier((values[0],), shared=True)
    missing = phases - len(values)
    filled = [values[0]] * missing + values if model_switch_phase == 2 else values + [values[-1]] * missing
    return LoraMultiplier(tuple(filled), shared=False)


def _parse_phase(text: str, token: _Token, branches: int) -> Branches:
    parts = text.split(":")
    if len(parts) > 1 and len(parts) != branches:
        allowed = f"exactly {branches}" if branches else "no"
        raise token.refuse(f"has {len(parts)} branches, this model takes {allowed} branch values.")
    values = tuple(tuple(_parse_number(item, token) for item in part.split(",")) for part in parts)
    return values if len(values) > 1 or branches <= 1 else values * branches


def _parse_number(text: str, token: _Token) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        what = f'holds "{text}", which is no number' if text.strip() else "lacks a number"
        raise token.refuse(f"{what}. Use numbers such as 1, 0.8;1 or 0,0.5,1.")
    return number


def _branch(phase: Branches, branch: int) -> Value:
    return phase[min(branch, len(phase) - 1)]


def with_loras(settings: Mapping[str, Any], added: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """`settings` with further LoRAs after theirs, each with its strength; one that is there already keeps its own."""
    loras = [str(entry) for entry in settings.get("activated_loras") or []]
    known = {lora_key(entry) for entry in loras}
    new = [(entry, strength) for entry, strength in added if lora_key(entry) not in known]
    if not new:
        return dict(settings)
    accelerator, user = split_sides(str(settings.get("loras_multipliers") or ""))
    before = _Side.of(*extract_loras_side(loras, accelerator + "|" + user, "before")) if accelerator else _Side((), ())
    own = _Side.of(loras[len(before.loras) :], user)
    strengths = tuple(f"{strength:g}" for _, strength in new)
    text = own.joined(_Side(tuple(entry for entry, _ in new), (strengths,))).text
    return {
        **settings,
        "activated_loras": [*loras, *(entry for entry, _ in new)],
        "loras_multipliers": f"{before.text}|{text}" if before.loras else text,
    }
