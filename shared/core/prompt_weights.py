"""Weights in prompts: `(word:1.3)` counts more, `(word:0.7)` less, `(word)` a little more; `\\(` is a bracket."""

from __future__ import annotations

import re

EMPHASIS = 1.1

_WEIGHT = re.compile(r":\s*([+-]?\d*\.?\d+)\s*$")
_BRACKET = re.compile(r"\\[()]|[()]")


def parse_weights(text: str) -> list[tuple[str, float]]:
    """The text as (part, weight) in order; nested weights multiply, neighbours of one weight are joined."""
    weights, starts = [1.0], [0]
    parts: list[tuple[str, float]] = []
    position = 0

    def add(piece: str) -> None:
        parts.append((piece, weights[-1]))

    for match in _BRACKET.finditer(text):
        add(text[position : match.start()])
        position = match.end()
        if match[0].startswith("\\"):
            add(match[0][1])
        elif match[0] == "(":
            weights.append(weights[-1])
            starts.append(len(parts))
        elif len(weights) > 1:
            _close(parts, starts.pop())
            weights.pop()
        else:
            add(")")
    add(text[position:])
    for start in starts[1:]:
        piece, weight = parts[start]
        parts[start] = "(" + piece, weight
    return _joined(parts)


def has_weights(text: str) -> bool:
    """Whether any part of the text counts more or less than the others."""
    return any(weight != 1 for _, weight in parse_weights(text))


def without_weights(text: str) -> str:
    """The words alone."""
    return "".join(part for part, _ in parse_weights(text))


def _close(parts: list[tuple[str, float]], start: int) -> None:
    """Weigh the parts of a bracket that has ended by the number at its end."""
    last, weight = parts[-1]
    found = _WEIGHT.search(last)
    factor = float(found[1]) if found else EMPHASIS
    if found:
        parts[-1] = last[: found.start()], weight
    parts[start:] = [(piece, own * factor) for piece, own in parts[start:]]


def _joined(parts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    joined: list[tuple[str, float]] = []
    for piece, weight in parts:
        if not piece:
            continue
        if joined and joined[-1][1] == weight:
            joined[-1] = joined[-1][0] + piece, weight
        else:
            joined.append((piece, weight))
    return joined
