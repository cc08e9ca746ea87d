"""Prompts kept by name with tags, in one JSON file, and word lists that can be edited."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.core.errors import PluginError
from shared.media.atomic import whole_file

MAX_NAME, MAX_TEXT = 120, 20_000
_LIST_NAME = re.compile(r"[\w\-]+(/[\w\-]+)*")


@dataclass(frozen=True)
class SavedPrompt:
    """A prompt to be found again."""

    name: str
    text: str
    negative: str = ""
    tags: tuple[str, ...] = ()


class PromptLibrary:
    """The prompts of a file. Every change is on disk when its method returns; a damaged file is kept beside as .bad."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice = ""
        self._guard = threading.Lock()
        self._prompts = self._load()

    def all(self) -> list[SavedPrompt]:
        """Every prompt, by name."""
        return sorted(self._prompts.values(), key=lambda prompt: prompt.name.casefold())

    def get(self, name: str) -> SavedPrompt:
        """The prompt of this name. Raises PluginError."""
        if name not in self._prompts:
            raise PluginError(f"There is no prompt named {name!r} in the library.")
        return self._prompts[name]

    def search(self, query: str = "", tags: Sequence[str] = ()) -> list[SavedPrompt]:
        """The prompts that have every word of the query (in name, text or tags) and every tag."""
        words = query.casefold().split()
        return [
            prompt for prompt in self.all()
            if set(tags) <= set(prompt.tags) and all(word in _searched(prompt) for word in words)
        ]  # fmt: skip

    def tags(self) -> list[str]:
        """Every tag in use."""
        return sorted({tag for prompt in self._prompts.values() for tag in prompt.tags}, key=str.casefold)

    def save(self, prompt: SavedPrompt, replaces: str = "") -> None:
        """Keep a prompt; one of the same name, and the one it `replaces`, goes. Raises PluginError."""
        name, text = prompt.name.strip(), prompt.text.strip()
        if not name or len(name) > MAX_NAME:
            raise PluginError(f"name: {len(name)} characters long; 1 to {MAX_NAME} are accepted.")
        if not text or len(text) > MAX_TEXT:
            raise PluginError(f"prompt: {len(text)} characters long; 1 to {MAX_TEXT} are accepted.")
        with self._guard:
            prompts = {key: value for key, value in self._prompts.items() if key != replaces}
            prompts[name] = SavedPrompt(name, text, prompt.negative.strip(), _clean_tags(prompt.tags))
            self._write(prompts)

    def remove(self, name: str) -> None:
        """Take a prompt out. Raises PluginError when there is none of this name."""
        self.get(name)
        with self._guard:
            self._write({key: value for key, value in self._prompts.items() if key != name})

    def _write(self, prompts: dict[str, SavedPrompt]) -> None:
        with whole_file(self.path) as temporary:
            told = [asdict(prompt) for prompt in prompts.values()]
            temporary.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
        self._prompts = prompts

    def _load(self) -> dict[str, SavedPrompt]:
        try:
            entries = json.loads(self.path.read_text(encoding="utf-8"))
            prompts = [_prompt_of(entry) for entry in entries]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            kept = self.path.with_suffix(".bad")
            if self.path.is_file():
                self.path.replace(kept)
            self.notice = f"{self.path.name} could not be read ({error}); it was kept as {kept.name}."
            return {}
        return {prompt.name: prompt for prompt in prompts}


def _prompt_of(entry: Any) -> SavedPrompt:
    if not isinstance(entry, dict):
        raise TypeError(f"{entry!r} is no prompt")
    tags = entry.get("tags") or ()
    return SavedPrompt(str(entry["name"]), str(entry["text"]), str(entry.get("negative") or ""), _clean_tags(tags))


def _searched(prompt: SavedPrompt) -> str:
    return " ".join((prompt.name, prompt.text, *prompt.tags)).casefold()


def _clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip() for tag in map(str, tags) if tag.strip()))


def list_path(folder: Path, name: str) -> Path:
    """The file of a word list. Raises PluginError for a name that is none."""
    if not _LIST_NAME.fullmatch(name):
        raise PluginError(
            f"list: {name!r} is no name for a word list. Use letters, digits, - and _, with / for a subfolder."
        )
    return folder / f"{name}.txt"


def save_list(folder: Path, name: str, text: str) -> int:
    """Write a word list, one entry a line; returns the number of entries. Raises PluginError."""
    path = list_path(folder, name)
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(lines).strip() + "\n", encoding="utf-8")
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))
