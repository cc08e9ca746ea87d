"""Prompts of several lines: which text makes which clip or window, macros, and window commands."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from shared.core.errors import SettingsError
from shared.core.prompt_macros import expand_macros

PromptMode = Literal["G", "PG", "W", "PW", "FG"]

ENHANCED_PREFIX = "!enhanced!\n"
COMMANDS = ("duration", "overlap", "new_shot", "loras_mult")

_COMMAND_BLOCK = re.compile(r"\[\s*/([^\]]*)\]")


@dataclass(frozen=True)
class WindowDuration:
    """How long a window's new part is: `value` frames, seconds or percent of the whole clip; overlap not counted."""

    value: float
    unit: Literal["frames", "s", "%"]

    def frames(self, fps: float, total_frames: int) -> int:
        """The duration in frames, at least one."""
        match self.unit:
            case "s":
                return max(round(self.value * fps), 1)
            case "%":
                return max(round(self.value * total_frames / 100), 1)
        return max(int(self.value), 1)


@dataclass(frozen=True)
class WindowCommands:
    """What a prompt asks of its window: `overlap` None = the task's, "model" = the model's own, else frames.

    `new_shot` starts afresh (overlap 0). `extra` holds the model's own commands with their values.
    """

    duration: WindowDuration | None = None
    overlap: int | Literal["model"] | None = None
    new_shot: bool = False
    loras_mult: str | None = None
    extra: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return self != WindowCommands()


@dataclass(frozen=True)
class PromptUnit:
    """The text of one clip or one window without its commands, and as it was written."""

    text: str
    commands: WindowCommands = WindowCommands()
    source: str = ""


def split_prompt(text: str, mode: str = "PG", extra_commands: Collection[str] = ()) -> list[PromptUnit]:
    """The units of a prompt in order: lines (G, W), paragraphs (PG, PW) or the whole (FG).

    Lines that start with # are left out, macros are written out, commands taken out of the text. An empty prompt
    has no units. `extra_commands` are the model's own command names. Raises SettingsError.
    """
    plain = without_comments(expand_macros(text.removeprefix(ENHANCED_PREFIX), paragraphs=mode in ("PG", "PW")))
    match mode:
        case "FG":
            parts = [plain]
        case "G" | "W":
            parts = plain.splitlines()
        case "PG" | "PW":
            parts = re.split(r"\n[ \t]*\n", plain.replace("\r\n", "\n"))
        case _:
            raise SettingsError(f'multi_prompts_gen_type: "{mode}" is not accepted. Use G, PG, W, PW or FG.')
    return [parse_unit(part, extra_commands) for part in parts if part.strip()]


def split_clips(text: str, mode: str = "PG", extra_commands: Collection[str] = ()) -> list[list[PromptUnit]]:
    """The clips that a prompt asks for, each with the prompts of its windows: [[a], [b]] for G, [[a, b]] for W."""
    units = split_prompt(text, mode, extra_commands)
    if mode in ("W", "PW"):
        return [units] if units else []
    return [[unit] for unit in units]


def without_comments(text: str) -> str:
    """The text without the lines whose first character is #."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def parse_unit(text: str, extra_commands: Collection[str] = ()) -> PromptUnit:
    """One unit with its `[/command, ...]` blocks taken out. Raises SettingsError for a command nobody knows."""
    commands: dict[str, str] = {}
    for block in _COMMAND_BLOCK.findall(text):
        for item in re.split(r",\s*(?=/)", "/" + block):
            name, _, value = item.strip().removeprefix("/").partition("=")
            commands[name.strip()] = value.strip()
    bare = re.sub(r"[ \t]{2,}", " ", _COMMAND_BLOCK.sub(" ", text)) if commands else text
    return PromptUnit(bare.strip(), _commands(commands, extra_commands), text.strip())


def _commands(given: dict[str, str], extra_commands: Collection[str]) -> WindowCommands:
    unknown = [name for name in given if name not in COMMANDS and name not in extra_commands]
    if unknown:
        known = ", ".join(f"/{name}" for name in (*COMMANDS, *extra_commands))
        raise SettingsError(f"prompt: the command /{unknown[0]} is not known. Use {known}.")
    new_shot = "new_shot" in given
    return WindowCommands(
        duration=_duration(given["duration"]) if "duration" in given else None,
        overlap=0 if new_shot else _overlap(given["overlap"]) if "overlap" in given else None,
        new_shot=new_shot,
        loras_mult=given.get("loras_mult"),
        extra=tuple((name, value) for name, value in given.items() if name not in COMMANDS),
    )


def _duration(text: str) -> WindowDuration:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|%)?", text)
    number = float(match[1]) if match else 0.0
    unit = (match[2] if match else None) or "frames"
    if number <= 0 or (unit == "frames" and not number.is_integer()) or (unit == "%" and number > 100):
        raise SettingsError(f'prompt: /duration={text} is not accepted. Use 33 (frames), 5s or 20%.')
    return WindowDuration(number, "s" if unit == "s" else "%" if unit == "%" else "frames")


def _overlap(text: str) -> int | Literal["model"]:
    if not text:
        return "model"
    if not text.isdecimal():
        raise SettingsError(f"prompt: /overlap={text} is not accepted. Use a number of frames, or /overlap alone.")
    return int(text)
