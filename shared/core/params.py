"""`Param`: the one declaration of a setting, from which form, validation, doors and reference page are derived."""

from __future__ import annotations

import copy
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from shared.core.conditions import ALWAYS, Rule
from shared.core.errors import SettingsError

ParamType = Literal[
    "int", "float", "bool_int", "text", "choice", "letters", "media", "media_list", "list", "dict", "text_or_int"
]
MediaKind = Literal["", "image", "video", "audio"]
Group = Literal[
    "prompt", "media", "video", "guidance", "sampling", "lora", "control", "repaint", "windows", "sound",
    "postprocessing", "speed", "output", "advanced",
]  # fmt: skip

GROUPS: tuple[str, ...] = get_args(Group)
GROUP_LABELS: Mapping[str, str] = {
    "prompt": "Prompt",
    "media": "Pictures and clips",
    "video": "Size and length",
    "guidance": "Guidance",
    "sampling": "Sampling",
    "lora": "LoRA",
    "control": "Control",
    "repaint": "Repaint and enlarge",
    "windows": "Sliding windows",
    "sound": "Sound",
    "postprocessing": "Finishing",
    "speed": "Speed",
    "output": "Output",
    "advanced": "Advanced",
}

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_NOT_GIVEN: Any = object()


@dataclass(frozen=True)
class Param:
    """One setting: what it holds, what is accepted, how it is shown, when it applies.

    `choices` are (label, value) pairs, for `letters` (label, letter). `pattern` is a regular expression that a text
    must match whole, `accepts` says the same in words. `visible_if` is tested on the settings (a hidden setting has
    no effect and is left out of exports), `applies` on the model definition. `neutral` is the value that asks for
    nothing (the default, where not given). `unsupported` says what happens when a model lacks the setting and it
    is used: features are refused, fine tuning of a feature is only told. `older` brings forms of earlier versions
    to today's, `aliases` are earlier names. `kind` is what a media setting holds, `item` what a list holds.
    """

    name: str
    type: ParamType
    default: Any
    label: str
    help: str
    group: Group
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[tuple[str, Any], ...] = ()
    visible_if: Rule = ALWAYS
    applies: Rule = ALWAYS
    neutral: Any = _NOT_GIVEN
    unsupported: Literal["refuse", "tell"] = "tell"
    pattern: str = ""
    accepts: str = ""
    aliases: tuple[str, ...] = ()
    older: Callable[[Any], Any] | None = None
    kind: MediaKind = ""
    item: Literal["text", "int", "object"] = "text"
    multiline: bool = False

    def __post_init__(self) -> None:
        if self.neutral is _NOT_GIVEN:
            object.__setattr__(self, "neutral", self.default)

    def with_changes(self, **changes: Any) -> Param:
        """A copy for one model: other bounds, choices, default ..."""
        return replace(self, **changes)

    @property
    def is_media(self) -> bool:
        """Whether the setting holds pictures, clips or sounds."""
        return self.type in ("media", "media_list")

    def fresh_default(self) -> Any:
        """The default, as an object that the caller may change."""
        return copy.deepcopy(self.default)

    def is_neutral(self, value: Any) -> bool:
        """Whether `value` asks for nothing."""
        if value is None or (isinstance(value, (str, list, tuple, dict)) and len(value) == 0):
            return True
        if self.is_media:
            return False
        value = self.normalize(value)
        return _same(value, self.neutral) or _same(value, self.default)

    def normalize(self, value: Any) -> Any:
        """`value` in today's form: earlier forms converted, whole floats as int, None as the default.

        What cannot be converted comes back as it is, for `check` to complain about.
        """
        if value is None:
            return self.fresh_default()
        if self.older is not None:
            value = self.older(value)
        if isinstance(value, bool) and self.type in ("int", "bool_int", "choice", "text_or_int"):
            return int(value)
        if self.type in ("int", "bool_int", "text_or_int") and isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    def check(self, value: Any) -> str | None:
        """What is wrong with `value`, as a sentence that names the setting, the value and what is accepted."""
        if value is None:
            return None
        value = self.normalize(value)
        if self._is_accepted(value):
            return None
        return f"{self.name}: {shown(value)} is not accepted. Use {self.accepted()}."

    def accepted(self) -> str:
        """The accepted values in words: `a whole number from 1 to 100`."""
        if self.accepts:
            return self.accepts
        return _ACCEPTED[self.type](self)

    def coerce(self, text: str) -> Any:
        """The value that a command-line or form text stands for. Raises SettingsError."""
        try:
            value = _COERCE[self.type](self, text.strip())
        except (ValueError, TypeError):
            value = text
        problem = self.check(value)
        if problem:
            raise SettingsError(problem)
        return self.normalize(value)

    def _is_accepted(self, value: Any) -> bool:
        match self.type:
            case "int" | "float":
                return self._is_number(value)
            case "bool_int":
                return isinstance(value, int) and value in (0, 1)
            case "choice":
                return any(_same(value, accepted) for _, accepted in self.choices)
            case "text":
                return isinstance(value, str) and self._matches(value)
            case "letters":
                return isinstance(value, str) and self._has_only_letters(value)
            case "text_or_int":
                return self._matches(value) if isinstance(value, str) else self._is_number(value)
            case "list":
                accepted = {"int": int, "text": str, "object": dict}[self.item]
                return isinstance(value, (list, tuple)) and all(type(item) is accepted for item in value)
            case "dict":
                return isinstance(value, Mapping)
            case "media":
                values = value if isinstance(value, (list, tuple)) else [value]
                return len(values) <= 1 and all(self._is_media_value(item) for item in values)
        values = value if isinstance(value, (list, tuple)) else [value]
        return all(self._is_media_value(item) for item in values)

    def _is_number(self, value: Any) -> bool:
        kinds = (int, float) if self.type == "float" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            return False
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)

    def _matches(self, value: str) -> bool:
        return not self.pattern or re.fullmatch(self.pattern, value) is not None

    def _has_only_letters(self, value: str) -> bool:
        if self.pattern:
            return self._matches(value)
        letters = {letter for _, choice in self.choices for letter in str(choice)}
        return not letters or set(value) <= letters

    def _is_media_value(self, value: Any) -> bool:
        if isinstance(value, (str, os.PathLike)):
            return bool(str(value).strip())
        if isinstance(value, tuple):
            return len(value) > 0 and self._is_media_value(value[0])
        return self.kind in ("", "image") and (hasattr(value, "size") or hasattr(value, "shape"))


def shown(value: Any, limit: int = 80) -> str:
    """`value` as it is quoted in an error: short, and a text in quotes."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def number_text(value: float | None) -> str:
    """A bound without superfluous zeros: `1`, `0.5`."""
    return "" if value is None else f"{value:.10g}"


def _same(left: Any, right: Any) -> bool:
    numbers = (int, float)
    if isinstance(left, numbers) != isinstance(right, numbers):
        return False
    return bool(left == right)


def _number_words(param: Param) -> str:
    words = "a whole number" if param.type in ("int", "text_or_int") else "a number"
    unit = f" ({param.unit})" if param.unit else ""
    if param.minimum is not None and param.maximum is not None:
        return f"{words} from {number_text(param.minimum)} to {number_text(param.maximum)}{unit}"
    if param.minimum is not None:
        return f"{words} of {number_text(param.minimum)} or more{unit}"
    return words + unit


def _choice_words(param: Param) -> str:
    values = [shown(value) if value != "" else f'"" ({label})' for label, value in param.choices]
    return values[0] if len(values) == 1 else ", ".join(values[:-1]) + " or " + values[-1]


def _letter_words(param: Param) -> str:
    letters = [f"{value} ({label})" for label, value in param.choices if value]
    return "the letters " + ", ".join(letters) if letters else "a text of flag letters"


def _media_words(param: Param) -> str:
    one = {"image": "a picture or the path of one", "video": "the path of a clip", "audio": "the path of a sound"}
    words = one.get(param.kind, "the path of a picture, clip or sound")
    return words + ", or a list of them" if param.type == "media_list" else words


_ACCEPTED: Mapping[str, Callable[[Param], str]] = {
    "int": _number_words,
    "float": _number_words,
    "text_or_int": _number_words,
    "bool_int": lambda param: "0 (off) or 1 (on)",
    "choice": _choice_words,
    "text": lambda param: "a text",
    "letters": _letter_words,
    "media": _media_words,
    "media_list": _media_words,
    "list": lambda param: {"int": "a list of whole numbers", "text": "a list of texts",
                           "object": "a list of objects of names and values"}[param.item],
    "dict": lambda param: "an object of names and values",
}


def _coerce_bool(param: Param, text: str) -> int:
    if text.lower() in _TRUE:
        return 1
    if text.lower() in _FALSE:
        return 0
    raise ValueError(text)


def _coerce_choice(param: Param, text: str) -> Any:
    for _, value in param.choices:
        if text == str(value):
            return value
    for label, value in param.choices:
        if text.casefold() in (label.casefold(), str(value).casefold()):
            return value
    return text


def _coerce_list(param: Param, text: str) -> list[Any]:
    if text.startswith("["):
        return list(json.loads(text))
    items = [item.strip() for item in re.split(r"[,\n]", text) if item.strip()]
    return [int(item) for item in items] if param.item == "int" else items


def _coerce_media(param: Param, text: str) -> Any:
    if text.startswith("[") and param.type == "media_list":
        return list(json.loads(text))
    return text or None


_COERCE: Mapping[str, Callable[[Param, str], Any]] = {
    "int": lambda param, text: int(text),
    "float": lambda param, text: float(text),
    "text_or_int": lambda param, text: int(text) if re.fullmatch(r"-?\d+", text) else text,
    "bool_int": _coerce_bool,
    "choice": _coerce_choice,
    "text": lambda param, text: text,
    "letters": lambda param, text: text,
    "media": _coerce_media,
    "media_list": _coerce_media,
    "list": _coerce_list,
    "dict": lambda param, text: json.loads(text),
}
