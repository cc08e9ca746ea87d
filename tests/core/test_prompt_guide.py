"""The examples of docs/prompts.md are what the program understands."""

from __future__ import annotations

import re
from pathlib import Path

from shared.core.lora_multipliers import parse_multipliers
from shared.core.prompts import COMMANDS, split_prompt


def examples(root: Path) -> list[tuple[str, str]]:
    text = (root / "docs" / "prompts.md").read_text(encoding="utf-8")
    return re.findall(r"```prompt-(\w+)\n(.*?)```", text, re.DOTALL)


def test_the_macro_example_gives_the_lines_shown(root: Path) -> None:
    (_, macro), (_, written) = [found for found in examples(root) if found[0] == "G"]
    lines = [unit.text for unit in split_prompt(macro, "G")]
    assert lines == written.splitlines() and len(lines) == 3


def test_the_window_example_is_understood(root: Path) -> None:
    [(_, text)] = [found for found in examples(root) if found[0] == "W"]
    units = split_prompt(text, "W")
    assert [unit.commands.duration.frames(16, 200) for unit in units if unit.commands.duration] == [32, 48, 80]
    assert [unit.commands.overlap for unit in units] == [None, 5, 0]


def test_every_window_command_and_multiplier_form_is_explained(root: Path) -> None:
    text = (root / "docs" / "prompts.md").read_text(encoding="utf-8")
    assert all(f"`/{command}" in text for command in COMMANDS)
    for form in ("0.8", "1;0", "0,0.5,1", "0,1;0.5", "1;0 0.5|0.8"):
        assert f"| `{form}` |".replace("|0", "\\|0") in text
        assert len(parse_multipliers(form, 3, phases=2)) == 3
