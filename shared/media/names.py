"""Names of the files that a generation makes: `<date>_seed<seed>_<prompt>`, or the user's `output_filename` template.

A template mixes text with `{date}`, `{date(YYYY-MM-DD)}`, `{seed}`, `{resolution}`, `{num_inference_steps}` or
`{steps}`, `{prompt}`, `{prompt(30)}` (its first 30 characters), `{flow_shift}`, `{video_length}` or `{frames}`,
`{guidance_scale}` or `{cfg}`, `{number}` (the result's place in its task, from 0). A date format knows
YYYY YY MM DD HH (0..23) hh (01..12) mm ss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.core.paths import disk_errors, safe_name, unique_path

PROMPT_BYTES = 100
NAME_BYTES = 180
ENHANCED_MARK = "!enhanced!"
ORIGINAL_MARK = "#!PROMPT!:"
DEFAULT_TEMPLATE = "{date}_seed{seed}_{prompt}"
FIELDS: Mapping[str, str] = {
    "date": "", "prompt": "prompt", "seed": "seed", "resolution": "resolution",
    "num_inference_steps": "num_inference_steps", "steps": "num_inference_steps", "flow_shift": "flow_shift",
    "video_length": "video_length", "frames": "video_length", "guidance_scale": "guidance_scale",
    "cfg": "guidance_scale", "number": "number",
}  # fmt: skip

_PLACEHOLDER = re.compile(r"\{\s*(\w+)\s*(?:\(([^(){}]*)\))?\s*\}")
_DATE_PART = re.compile("YYYY|YY|MM|DD|HH|hh|mm|ss")


def output_path(folder: str | Path, settings: Mapping[str, Any], extension: str, when: datetime | None = None) -> Path:
    """A free path in `folder` (made when absent) for a file with these settings; `extension` begins with a dot.

    The name is safe on every file system. A name that is taken gets `_2`, `_3` ...
    """
    folder = Path(folder)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return unique_path(folder / (output_name(settings, when or datetime.now()) + extension))


def output_name(settings: Mapping[str, Any], when: datetime) -> str:
    """The file name without its extension. A placeholder that is not known stays as it is written."""
    template = str(settings.get("output_filename") or "").strip() or DEFAULT_TEMPLATE
    name = _PLACEHOLDER.sub(lambda match: _value(match, settings, when), template)
    return safe_name(name.strip(" _") or when.strftime("%Y-%m-%d-%Hh%Mm%Ss"), NAME_BYTES)


def template_problem(template: str) -> str | None:
    """What is wrong with an `output_filename` template, as a sentence for the user; None when nothing is."""
    accepted = ", ".join(f"{{{name}}}" for name in FIELDS)
    for name, argument in _PLACEHOLDER.findall(template):
        if name not in FIELDS:
            return (
                f"output_filename: {{{name}}} is not known. Accepted: {accepted}, {{date(YYYY-MM-DD)}}, {{prompt(30)}}."
            )
        if argument and name == "prompt" and not argument.strip().isdecimal():
            return f"output_filename: {{prompt({argument})}} needs a number of characters, such as {{prompt(30)}}."
        if argument and name not in ("prompt", "date"):
            return f"output_filename: {{{name}}} takes nothing in brackets; {{{name}({argument})}} was given."
    rest = _PLACEHOLDER.sub("", template)
    if "{" in rest or "}" in rest:
        return f"output_filename: a brace is not closed in {template!r}. Accepted: {accepted}."
    return None


def _value(match: re.Match[str], settings: Mapping[str, Any], when: datetime) -> str:
    name, argument = match[1], (match[2] or "").strip()
    if name not in FIELDS:
        return match[0]
    if name == "date":
        return format_date(when, argument)
    value = settings.get(FIELDS[name])
    if name != "prompt":
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    text = prompt_words(str(value or ""))
    if argument.isdecimal():
        return text[: int(argument)].strip()
    return text.encode()[:PROMPT_BYTES].decode("utf-8", "ignore").strip()


def format_date(when: datetime, pattern: str = "") -> str:
    """A date in the letters YYYY YY MM DD HH hh mm ss; without a pattern as 2026-01-31-23h59m58s."""
    if not pattern:
        return when.strftime("%Y-%m-%d-%Hh%Mm%Ss")
    parts = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S"}
    return _DATE_PART.sub(lambda match: when.strftime(parts[match[0]]), pattern)


def prompt_words(prompt: str) -> str:
    """The prompt in one line, as the user wrote it: of an enhanced prompt the original, without comment lines."""
    text = prompt.removeprefix(ENHANCED_MARK).strip()
    for line in text.splitlines():
        if line.startswith(ORIGINAL_MARK):
            return " ".join(line.removeprefix(ORIGINAL_MARK).split())
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return " ".join(" ".join(lines).split())


def numbered(path: Path, number: int) -> Path:
    """The path of picture `number` (from 1) of a batch: `_<number>` before the extension."""
    return path.with_name(f"{path.stem}_{number}{path.suffix}")
