"""Names of models and LoRAs as clients write them, completed to those that are there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_EXTENSION = re.compile(r"\.(safetensors|sft|ckpt|pth|pt|bin|gguf|json|fooocus\.patch)$", re.IGNORECASE)


def completed(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that a name means; None where none does, or several do.

    A name may lack its folder, its extension or its end, and may differ in case and in `-`, `_`, blanks and dots.
    """
    wanted, names = name.strip(), list(known)
    if not wanted:
        return None
    if wanted in names:
        return wanted
    plain = _plain(wanted)
    matches: tuple[Callable[[str], bool], ...] = (
        lambda other: other == plain,
        lambda other: other.startswith(plain),
        lambda other: plain in other,
    )
    for match in matches:
        found = [other for other in names if plain and match(_plain(other))]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _plain(name: str) -> str:
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"[\s._-]+", "", _EXTENSION.sub("", base)).casefold()
