"""When something applies: small declarative tests over a model definition or over a settings dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Relation = Literal["set", "equals", "at_least", "has_letter", "always"]


def is_given(value: Any) -> bool:
    """Whether a value asks for something: not nothing, zero or empty. Pictures and arrays always do."""
    plain = (bool, int, float, str, list, tuple, dict, set, frozenset)
    return value is not None and (bool(value) if isinstance(value, plain) else True)


def makes_own_mask(settings: Mapping[str, Any]) -> bool:
    """Whether the mask of a repainted picture comes from elsewhere than a file: found in it, or around it."""
    margins = str(settings.get("video_guide_outpainting") or "").strip()
    is_grown = bool(margins) and not margins.startswith("#")
    return bool(settings.get("mask_model") or settings.get("enhance")) or is_grown


class Lookup(Protocol):
    """What a condition is tested on: a dict of settings, or a ModelDef."""

    def get(self, key: str, default: Any, /) -> Any:
        """The value of `key`."""


@dataclass(frozen=True)
class Condition:
    """One test of one key; `condition(settings)` tells whether it holds. Combine with `&`, `|` and `~`."""

    key: str = ""
    relation: Relation = "always"
    value: Any = None
    default: Any = None

    def __call__(self, source: Lookup) -> bool:
        found = source.get(self.key, self.default) if self.key else None
        found = self.default if found is None else found
        match self.relation:
            case "set":
                return is_given(found)
            case "equals":
                return bool(found == self.value)
            case "at_least":
                return isinstance(found, (int, float)) and found >= self.value
            case "has_letter":
                return isinstance(found, str) and any(letter in found for letter in self.value)
        return True

    def __and__(self, other: Rule) -> Group:
        return Group("and", (self, other))

    def __or__(self, other: Rule) -> Group:
        return Group("or", (self, other))

    def __invert__(self) -> Group:
        return Group("not", (self,))

    def words(self) -> str:
        """The test as a phrase for the reference page."""
        match self.relation:
            case "set":
                return f"`{self.key}` is set"
            case "equals":
                return f"`{self.key}` is {self.value!r}"
            case "at_least":
                return f"`{self.key}` is at least {self.value}"
            case "has_letter":
                return f"`{self.key}` has " + " or ".join(f"`{letter}`" for letter in self.value)
        return "always"


@dataclass(frozen=True)
class Group:
    """Conditions joined by `and` or `or`, or the opposite (`not`) of one."""

    join: Literal["and", "or", "not"]
    parts: tuple[Rule, ...]

    def __call__(self, source: Lookup) -> bool:
        match self.join:
            case "and":
                return all(part(source) for part in self.parts)
            case "or":
                return any(part(source) for part in self.parts)
        return not self.parts[0](source)

    def __and__(self, other: Rule) -> Group:
        return Group("and", (self, other))

    def __or__(self, other: Rule) -> Group:
        return Group("or", (self, other))

    def __invert__(self) -> Group:
        return Group("not", (self,))

    def words(self) -> str:
        """The test as a phrase for the reference page."""
        if self.join == "not":
            return _opposite(self.parts[0])
        phrases = [self._phrase(part) for part in self.parts if part.words() != "always"]
        return f" {self.join} ".join(phrases) or "always"

    def _phrase(self, part: Rule) -> str:
        is_mixed = isinstance(part, Group) and part.join not in (self.join, "not")
        return f"({part.words()})" if is_mixed else part.words()


def _opposite(rule: Rule) -> str:
    if isinstance(rule, Condition) and rule.relation in ("set", "equals"):
        return rule.words().replace("` is ", "` is not ", 1)
    return f"not ({rule.words()})" if rule.words() != "always" else "never"


Rule = Condition | Group

ALWAYS = Condition()


def is_set(key: str, default: Any = None) -> Condition:
    """`key` holds something other than nothing, zero or an empty text."""
    return Condition(key, "set", default=default)


def equals(key: str, value: Any, default: Any = None) -> Condition:
    """`key` is `value`; where the key is absent, `default` stands for it."""
    return Condition(key, "equals", value, default)


def at_least(key: str, value: float, default: float = 0) -> Condition:
    """`key` is a number of `value` or more."""
    return Condition(key, "at_least", value, default)


def has_letter(key: str, letters: str, default: str = "") -> Condition:
    """The flag text `key` holds one of the `letters`."""
    return Condition(key, "has_letter", letters, default)
