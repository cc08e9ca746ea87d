"""Macros: `! {Name}="v1","v2" : {Other}="w"` lines, and the lines below them written out once a value."""

from __future__ import annotations

import re

from shared.core.errors import SettingsError

_VARIABLE = re.compile(r"\{\s*([^\W\d][\w \-]*?)\s*\}")
_SPEAKER = re.compile(r"\s*Speaker\s*\d*\s*\{[^}]*\}\s*:", re.IGNORECASE)
_VALUE = re.compile(r'\s*"([^"]*)"\s*')


def expand_macros(text: str, paragraphs: bool = False) -> str:
    """The text with its macros written out.

    A line that starts with ! declares variables; the lines up to the next such line are written as often as the
    longest list of values is long, shorter lists start over. With `paragraphs`, a blank line parts the copies.
    Raises SettingsError with what is wrong in which line.
    """
    blocks: list[tuple[dict[str, list[str]], list[str]]] = [({}, [])]
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("!"):
            blocks.append((parse_macro(line, number), []))
            continue
        variables, lines = blocks[-1]
        if not line.lstrip().startswith("#"):
            _check_variables(line, number, variables)
        lines.append(line)
    separator = "\n\n" if paragraphs else "\n"
    return separator.join(copy for variables, lines in blocks for copy in _copies(variables, lines))


def has_macros(text: str) -> bool:
    """Whether any line declares variables."""
    return any(line.startswith("!") for line in text.splitlines())


def parse_macro(line: str, number: int = 1) -> dict[str, list[str]]:
    """The values of each variable that a `!` line declares. Raises SettingsError."""
    body = line.removeprefix("!").strip()
    if body.count('"') % 2:
        raise _error(number, "a quotation mark is not closed")
    outside = re.sub(r'"[^"]*"', "", body)
    if outside.count("{") != outside.count("}"):
        raise _error(number, "a brace is not closed")
    variables: dict[str, list[str]] = {}
    for declaration in _split_outside_quotes(body, ":"):
        name, values = _parse_declaration(declaration, number)
        variables[name] = values
    return variables


def _parse_declaration(text: str, number: int) -> tuple[str, list[str]]:
    name_part, equals, values_part = text.partition("=")
    match = re.fullmatch(r"\s*\{\s*([^{}]+?)\s*\}\s*", name_part)
    if not equals:
        raise _error(number, f"{text.strip() or 'a variable'} has no =, write {{Name}}=\"value\"")
    if match is None:
        raise _error(number, f'{name_part.strip()} is not a variable, write {{Name}}="value"')
    return match[1], _parse_values(values_part, match[1], number)


def _parse_values(text: str, name: str, number: int) -> list[str]:
    values: list[str] = []
    position = 0
    while position < len(text):
        found = _VALUE.match(text, position)
        if found is None:
            reason = "no value in quotation marks" if not values else "something between its values"
            raise _error(number, f"{{{name}}} has {reason}")
        values.append(found[1])
        position = found.end()
        if position == len(text):
            return values
        if text[position] != ",":
            raise _error(number, f"{{{name}}} lacks a comma between its values")
        position += 1
    raise _error(number, f"{{{name}}} has no value in quotation marks" if not values else f"{{{name}}} ends on a comma")


def _split_outside_quotes(text: str, separator: str) -> list[str]:
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _check_variables(line: str, number: int, variables: dict[str, list[str]]) -> None:
    if _SPEAKER.match(line):
        return
    for name in _VARIABLE.findall(line):
        if name not in variables:
            known = ", ".join(f"{{{known}}}" for known in variables) or "none is declared above it"
            raise _error(number, f"the variable {{{name}}} is not known ({known})")


def _copies(variables: dict[str, list[str]], lines: list[str]) -> list[str]:
    template = "\n".join(lines)
    if not variables:
        return [template] if lines else []
    if not template.strip():
        return []
    count = max(len(values) for values in variables.values())
    return [_filled(template.strip("\n"), variables, index) for index in range(count)]


def _filled(template: str, variables: dict[str, list[str]], index: int) -> str:
    def value_of(match: re.Match[str]) -> str:
        values = variables.get(match[1])
        return match[0] if values is None else values[index % len(values)]

    return _VARIABLE.sub(value_of, template)


def _error(number: int, what: str) -> SettingsError:
    return SettingsError(f"prompt: in line {number}, {what}.")
