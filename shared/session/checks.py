"""What keeps a settings dict from being run, found before it is queued. Loads no torch and no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import ModelNotFound
from shared.core.params import Param
from shared.core.settings import DECLARATIONS, complete, ignored, problems, unknown_keys
from shared.engine.registry import Registry


def task_problems(settings: Mapping[str, Any], registry: Registry) -> list[str]:
    """Every problem as a sentence for the user; empty when the task can be queued."""
    if is_edit(settings):
        checks = (param.check(settings[name]) for name, param in DECLARATIONS.items() if settings.get(name) is not None)
        return [problem for problem in checks if problem]
    try:
        model = registry.model_for(settings)
    except ModelNotFound as error:
        return [str(error)]
    merged = complete(settings, model)
    found = problems(merged, model, registry.params(model))
    return [*found, *registry.handler(model).problems(merged, model)]


def task_notices(settings: Mapping[str, Any], registry: Registry) -> list[str]:
    """What the user should notice: settings without effect on this model, and names that are no setting."""
    params = model_params(settings, registry)
    unknown = unknown_keys(settings, params)
    found = [] if is_edit(settings) else ignored(settings, params)
    return [*found, *(f"{name}: this is not a setting; it is kept but has no effect." for name in unknown)]


def model_params(settings: Mapping[str, Any], registry: Registry) -> Mapping[str, Param]:
    """The settings of the model that `settings` ask for; all settings there are where it asks for none."""
    try:
        return registry.params(registry.model_for(settings))
    except ModelNotFound:
        return DECLARATIONS


def is_edit(settings: Mapping[str, Any]) -> bool:
    """Whether the task works on media that exist already, without a model."""
    return str(settings.get("mode") or "").startswith("edit_")
