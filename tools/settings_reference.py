"""Writes docs/settings.md from the declarations: `python tools/settings_reference.py [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared.core.params import GROUP_LABELS, GROUPS, Param  # noqa: E402
from shared.core.settings import DECLARATIONS, SETTINGS_VERSION  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"

INTRODUCTION = f"""# Settings

Every setting of a generation, as the page, the command line (`--set name=value`), Python and settings files take it.
This page is written from the declarations in `shared/core/declarations/` by `python tools/settings_reference.py`.

A settings file is one JSON object:

```json
{{
    "settings_version": {SETTINGS_VERSION},
    "model_type": "starter",
    "prompt": "a big red ball moving right in front of a blue sky",
    "resolution": "128x128",
    "seed": 7
}}
```

- What a file leaves out has the model's default: the value here, unless the model's own definition says otherwise.
- A model has its own bounds and choices, often narrower than those here.
- A value that is not accepted is refused with a sentence that names the setting, the value and what is accepted.
- A feature that a model lacks is refused when it is used; fine tuning that a model lacks is told and has no effect.
- A key that is no setting is kept and told.
- Files of earlier versions are read: see [earlier names](#earlier-names) at the end.

"Only for models where" names keys of a model's definition, "has an effect when" other settings.
"""


def reference() -> str:
    """The whole page."""
    sections = [INTRODUCTION, contents()]
    for group in GROUPS:
        params = [param for param in DECLARATIONS.values() if param.group == group]
        if params:
            sections.append(f"## {GROUP_LABELS[group]}\n")
            sections += [entry(param) for param in params]
    return "\n".join([*sections, earlier_names()])


def contents() -> str:
    """One line a group with links to its settings."""
    lines = []
    for group in GROUPS:
        names = [param.name for param in DECLARATIONS.values() if param.group == group]
        links = ", ".join(f"[{name}](#{name.lower()})" for name in names)
        lines.append(f"**{GROUP_LABELS[group]}**: {links}\n")
    return "\n".join(lines)


def entry(param: Param) -> str:
    """One setting."""
    lines = [f"### {param.name}", "", f"*{param.label}.* {param.help}", "", f"- Accepted: {accepted(param)}"]
    lines += choices(param)
    lines.append(f"- Default: `{json.dumps(param.default, ensure_ascii=False)}`")
    if (words := param.applies.words()) != "always":
        lines.append(f"- Only for models where {words}")
    if (words := param.visible_if.words()) != "always":
        lines.append(f"- Has an effect when {words}")
    if param.aliases:
        lines.append("- Earlier name: " + ", ".join(f"`{alias}`" for alias in param.aliases))
    return "\n".join(lines) + "\n"


def accepted(param: Param) -> str:
    """What is accepted, without the choices that follow as a list of their own."""
    return "one of these values" if param.type == "choice" else param.accepted()


def choices(param: Param) -> Iterable[str]:
    """The choices with their labels; for a text they are suggestions."""
    if not param.choices or (param.type == "text" and param.name == "resolution"):
        return
    for label, value in param.choices:
        yield f"  - `{json.dumps(value)}`: {label}"


def earlier_names() -> str:
    """The table of names and forms of earlier versions."""
    rows = [(alias, param.name) for param in DECLARATIONS.values() for alias in param.aliases]
    rows += [
        ("tea_cache_setting", 'skip_steps_cache_type "tea" and skip_steps_multiplier'),
        ("MMAudio_setting", 'postprocess_audio "mmaudio"'),
        ("multi_prompts_gen_type 0, 1, 2", '"G", "W", "FG"'),
        ("image_prompt_type 0, 1", '"S", "SE"'),
        ("force_fps 24", '"24" (0 is "")'),
        ("switch_threshold 0.9", "900"),
        ('slg_layers "8,9"', "perturbation_layers [8, 9]"),
    ]
    table = "\n".join(f"| `{old}` | {new} |" for old, new in rows)
    return f"## Earlier names\n\n| then | today |\n|---|---|\n{table}\n"


def main() -> int:
    """Write the page, or with --check tell whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the page is out of date")
    is_check = parser.parse_args().check
    text = reference()
    if is_check:
        return int(not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
