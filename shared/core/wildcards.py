"""Prompts that change from sample to sample: `__name__` from word lists, `[[a, b, c]]` in turn, `<lora:name:0.8>`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

_WILDCARD = re.compile(r"__([\w\-]+(?:[./][\w\-]+)*)__")
_ARRAY = re.compile(r"\[\[([^\[\]]+)\]\]")
_LORA = re.compile(r"<lora:([^:<>]+)(?::\s*([+-]?\d*\.?\d+)\s*)?>")

# A list may name other lists; one that names itself ends here.
MOST_ROUNDS = 64


class Wildcards(Mapping[str, list[str]]):
    """The word lists of a folder by name: `colours` is colours.txt, `animals/birds` is birds.txt in animals.

    A list has one entry a line; lines that start with # are remarks. Files are read when they are asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> list[str]:
        path = self._folder / f"{name}.txt"
        if ".." in Path(name).parts or not path.is_file():
            raise KeyError(name)
        lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
        return [line for line in lines if line and not line.startswith("#")]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(sorted(path.relative_to(self._folder).with_suffix("").as_posix() for path in self._files()))

    def __len__(self) -> int:
        return len(self._files())

    def _files(self) -> list[Path]:
        return list(self._folder.rglob("*.txt")) if self._folder.is_dir() else []


def has_changing_parts(text: str) -> bool:
    """Whether the text has wildcards or arrays, and so may differ from sample to sample."""
    return bool(_WILDCARD.search(text) or _ARRAY.search(text))


def fill_wildcards(
    text: str, lists: Mapping[str, list[str]], seed: int = 0, *, index: int = 0, in_order: bool = False
) -> str:
    """The text with an entry for each `__name__`, of which some may hold wildcards again.

    `in_order`: the entry number `index` (starting over at the end); else one that `seed` draws. The name of a list
    that is not there stays as it is written.
    """
    draw = random.Random(seed)

    def entry(match: re.Match[str]) -> str:
        entries = lists.get(match[1])
        if not entries:
            return match[0]
        return entries[index % len(entries)] if in_order else draw.choice(entries)

    for _ in range(MOST_ROUNDS):
        filled = _WILDCARD.sub(entry, text)
        if filled == text:
            break
        text = filled
    return text


def unknown_wildcards(text: str, lists: Mapping[str, list[str]]) -> list[str]:
    """The names in the text for which there is no list."""
    return [name for name in dict.fromkeys(_WILDCARD.findall(text)) if not lists.get(name)]


def pick_from_arrays(text: str, index: int) -> str:
    """The text with one element of each `[[a, b, c]]`: for index 0, 1, 2 ... a, b, c; a second array moves on when
    the first starts over."""
    turn = 1

    def element(match: re.Match[str]) -> str:
        nonlocal turn
        elements = [part.strip() for part in match[1].split(",")]
        chosen = elements[index // turn % len(elements)]
        turn *= len(elements)
        return chosen

    return _ARRAY.sub(element, text)


def combinations(text: str) -> int:
    """How many different texts the arrays make; 1 without arrays."""
    count = 1
    for elements in _ARRAY.findall(text):
        count *= len(elements.split(","))
    return count


def take_loras(text: str) -> tuple[str, list[tuple[str, float]]]:
    """The text without its `<lora:name:weight>`, and these as (name, weight); the weight is 1 where none is given."""
    found = [(name.strip(), float(weight) if weight else 1.0) for name, weight in _LORA.findall(text)]
    if not found:
        return text, []
    bare = re.sub(r"[ \t]+(?=[ \t,])", "", _LORA.sub("", text))
    return "\n".join(re.sub(r",(\s*,)+", ",", line).strip(" ,") for line in bare.splitlines()), found


def each_line(text: str, change: Callable[[str], str]) -> str:
    """`change` applied to the lines, of which those that start with # or ! stay as they are."""
    lines = text.splitlines()
    return "\n".join(line if line.lstrip().startswith(("#", "!")) else change(line) for line in lines)
