"""The examples of the folder examples/, brought into the form with their pictures and clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from shared.core.errors import ModelNotFound, SettingsError, WanGPError
from shared.core.settings import MEDIA_KEYS
from shared.ui.imports import settings_over_defaults
from shared.ui.page_files import page_copy
from shared.ui.run import Handlers, Updates
from shared.ui.texts import say

FOLDER = "examples"


class Examples:
    """Loads the program's own examples. Their media may be files of the folder examples/ alone."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.runtime = handlers, handlers.runtime
        self.folder = (Path(__file__).resolve().parents[2] / FOLDER).resolve()

    def load(self, event: gr.EventData, token: str, state: dict[str, Any], model: str) -> Updates:
        """Bring an example into the form."""
        name = str((event._data or {}).get("name"))
        self.handlers.windows.attach(token, state)
        try:
            model_type, settings = self.settings(name, model)
        except (WanGPError, OSError, ValueError) as error:
            gr.Warning(str(error))
            return {}
        gr.Info(say("imported", name=name))
        return self.handlers.show_found(state, model_type, settings)

    def settings(self, name: str, current_model: str) -> tuple[str, dict[str, Any]]:
        """Model and settings of an example, media as files that the page may show."""
        path = (self.folder / f"{name}.json").resolve()
        if path.parent != self.folder or not path.is_file():
            raise SettingsError(say("file_gone", name=name))
        found = json.loads(path.read_text(encoding="utf-8"))
        try:
            definition = self.runtime.registry.model_for(found)
        except ModelNotFound:
            definition = self.runtime.registry.get(current_model)
        settings = settings_over_defaults(found, definition)
        settings |= {key: page_copy(self._medium(str(found[key]))) for key in MEDIA_KEYS if found.get(key)}
        return definition.model_type, settings

    def _medium(self, given: str) -> Path:
        path = (self.folder.parent / given).resolve()
        if not path.is_relative_to(self.folder):
            raise SettingsError(say("file_gone", name=given))
        return path
