"""What keeps a settings dict from being run, found before it is queued. Loads no torch and no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import ModelNotFound, SettingsError
from shared.core.params import Param
from shared.core.processors import Processors
from shared.core.settings import DECLARATIONS
from shared.engine.generate_prepare import own_settings, resolve, settings_problems
from shared.engine.postprocess import read_postprocessing
from shared.engine.registry import Registry


def task_problems(settings: Mapping[str, Any], registry: Registry) -> list[str]:
    """Every problem as a sentence for the user; empty when the task can be queued."""
    if is_edit(settings):
        checks = (param.check(settings[name]) for name, param in DECLARATIONS.items() if settings.get(name) is not None)
        return [problem for problem in checks if problem] or _method_problems(settings, registry.processors)
    try:
        return settings_problems(resolve(own_settings(settings), registry))
    except ModelNotFound as error:
        return [str(error)]


def _method_problems(settings: Mapping[str, Any], processors: Processors) -> list[str]:
    """Whether the methods that an edit asks for are here."""
    try:
        read_postprocessing(settings, processors)
        processors.audio_for(
            "postprocess_audio", str(settings.get("postprocess_audio") or ""), ("soundtrack", "audio_edit")
        )
    except SettingsError as error:
        return [str(error)]
    return []


def model_params(settings: Mapping[str, Any], registry: Registry) -> Mapping[str, Param]:
    """The settings of the model that `settings` ask for; all settings there are where it asks for none."""
    try:
        return registry.params(registry.model_for(settings))
    except ModelNotFound:
        return DECLARATIONS


def is_edit(settings: Mapping[str, Any]) -> bool:
    """Whether the task works on media that exist already, without a model."""
    return bool(settings.get("mode"))
