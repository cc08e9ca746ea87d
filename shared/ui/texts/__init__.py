"""Every text of the page, a JSON file a language; labels and help of settings in English are their declarations'.

A file holds `page` (what Python says), `panels` (what the browser's scripts say), and for languages other than
English `settings` (label and help by the setting's name), `groups`, `units`, `terms`
and `phases` (by their English words).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from shared.core.params import GROUP_LABELS, Param

FOLDER = Path(__file__).parent
USUAL = "en"
COOKIE = "wangp-language"

_plugin_texts: dict[str, dict[str, str]] = {}

_AMOUNTS = r"(?P<needed>[\d.]+) of (?P<available>[\d.]+) GB"
_MEMORY = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (f"Needs {_AMOUNTS} graphics memory", "memory_card"),
        (f"Needs {_AMOUNTS} memory", "memory_main"),
        (f", {_AMOUNTS} main memory", "memory_beside"),
        (r", weights in (?P<kinds>.+)$", "memory_weights"),
    )
)

current_language: ContextVar[str] = ContextVar("language", default=USUAL)


@cache
def languages() -> dict[str, str]:
    """The languages that there are: id and their own name."""
    return {path.stem: str(texts_of(path.stem)["name"]) for path in sorted(FOLDER.glob("*.json"))}


@cache
def texts_of(language: str) -> Mapping[str, Any]:
    """A language's whole file."""
    found: Mapping[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def say(name: str, /, language: str = "", **values: object) -> str:
    """The text called `name`, with its {places} filled, in the visitor's language; English where that lacks it."""
    text = texts_of(language or current_language.get())["page"].get(name) or texts_of(USUAL)["page"][name]
    return str(text).format(**values)


def panel_texts(language: str = "") -> dict[str, str]:
    """The texts of the panels that the browser draws."""
    return {**texts_of(USUAL)["panels"], **texts_of(language or current_language.get())["panels"]}


def phases() -> Mapping[str, str]:
    """The visitor's words for what a running task does, by the English words that the program begins with."""
    return _part("phases")


def setting_label(param: Param) -> str:
    """A setting's label with its unit; where a model names it in its own way, that name."""
    label = _label(param.name, param.label)
    unit = _part("units").get(param.unit, param.unit)
    return f"{label} ({unit})" if unit and unit not in label.lower() else label


def setting_help(param: Param) -> str:
    """What a setting does."""
    return str(_part("settings").get(param.name, {}).get("help") or param.help)


def program_text(param: Param) -> tuple[str, str]:
    """Label and help of a setting of the program."""
    own = _part("program").get(param.name, {})
    return str(own.get("label") or param.label), str(own.get("help") or param.help)


def memory_line(text: str) -> str:
    """The line on a task's need of memory, which the program makes in English, in the visitor's language."""
    if current_language.get() == USUAL:
        return text
    for pattern, key in _MEMORY:
        text = pattern.sub(lambda found, key=key: say(key, **found.groupdict()), text)  # type: ignore[misc]
    return text


def group_label(group: str) -> str:
    """The name of a group of settings."""
    return str(_part("groups").get(group) or GROUP_LABELS[group])  # type: ignore[index]


def term(text: str) -> str:
    """A choice's label in the visitor's language; as it is where the language lacks it."""
    return str(_part("terms").get(text, text))


def _label(name: str, english: str) -> str:
    return str(_part("terms").get(english) or _part("settings").get(name, {}).get("label") or english)


def _part(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = texts_of(current_language.get()).get(name, {})
    return found


def language_of(headers: Iterable[tuple[str, str]], usual: str = "") -> str:
    """The language of a request: the one chosen on the page (a cookie), `usual`, what the browser asks for, English."""
    given = {name.lower(): value for name, value in headers}
    asked = re.split(r"[,;]", given.get("accept-language", ""))
    for wanted in (_chosen(given.get("cookie", "")), usual, *asked):
        short = wanted.strip().lower().split("-")[0]
        if short in languages():
            return short
    return USUAL


def _chosen(cookie: str) -> str:
    try:
        found = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def translate_component(component: dict[str, Any]) -> None:
    """Bring the English texts of a component, as Gradio describes it to the browser, into the visitor's language."""
    props = component["props"]
    name = str(props.get("elem_id") or "")
    known = _by_english()
    is_button = component.get("type") in ("button", "uploadbutton", "downloadbutton")
    for key in ("label", "info", "placeholder", *(("value",) if is_button else ())):
        text = props.get(key)
        if isinstance(text, str) and text in known:
            props[key] = known[text]
    own = _part("settings").get(name)
    if own:
        props["label"] = _label(name, str(props.get("label") or ""))
        if props.get("info"):
            props["info"] = own["help"]
    if name.startswith("group_"):
        props["label"] = group_label(name.removeprefix("group_"))
    choices = props.get("choices")
    if isinstance(choices, list):
        props["choices"] = [[term(str(choice[0])), *choice[1:]] for choice in choices]


def _by_english() -> dict[str, str]:
    table = texts_of(current_language.get())["page"]
    own = {text: table[name] for name, text in texts_of(USUAL)["page"].items() if name in table}
    return {**_plugin_texts.get(current_language.get(), {}), **own}


def add_texts(told: Mapping[str, Mapping[str, str]]) -> None:
    """Texts of a plugin, by language and name: its components are built in English and translated by these."""
    english = told.get(USUAL, {})
    for language, table in told.items():
        known = _plugin_texts.setdefault(language, {})
        known.update({text: table[name] for name, text in english.items() if name in table})
