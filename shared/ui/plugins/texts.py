"""The texts of a plugin that speaks several languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from shared.ui.texts import USUAL, add_texts, current_language


class PluginTexts:
    """The file `texts.json` of a plugin's folder: by language, the texts by name. English is always there."""

    def __init__(self, folder: str | Path) -> None:
        told: Mapping[str, Mapping[str, str]] = json.loads((Path(folder) / "texts.json").read_text(encoding="utf-8"))
        self._texts = told
        add_texts(told)

    def say(self, name: str, /, **values: object) -> str:
        """The text called `name`, with its {places} filled, in the visitor's language."""
        text = self._texts.get(current_language.get(), {}).get(name) or self._texts[USUAL][name]
        return text.format(**values)
