"""Two results side by side: the settings in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import ModelNotFound
from shared.core.params import Param
from shared.core.settings import DECLARATIONS, FILE_KEYS, OUTPUT_KEYS, canonical
from shared.ui.texts import setting_label, term

_APART = frozenset({"client_id", *FILE_KEYS, *OUTPUT_KEYS})


def differences(left: Mapping[str, Any], right: Mapping[str, Any], registry: Any) -> list[dict[str, Any]]:
    """`name`, `label`, `left` and `right` of each setting that differs, the model first, then in the form's order."""
    params = {**DECLARATIONS, **_params(left, registry), **_params(right, registry)}
    one, other = canonical(left), canonical(right)
    names = [name for name in params if name in one or name in other]
    names += sorted({*one, *other} - params.keys())
    models = (_model_name(settings, registry) for settings in (left, right))
    rows = [_row("model_type", setting_label(DECLARATIONS["model_type"]), *models)]
    for name in names:
        param, values = params.get(name), (one.get(name), other.get(name))
        if name in _APART or name == "model_type" or _is_same(param, *values):
            continue
        label = name if param is None else setting_label(param)
        rows.append(_row(name, label, *(_shown(param, value) for value in values)))
    return [row for row in rows if row["left"] != row["right"]]


def _row(name: str, label: str, left: Any, right: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "left": left, "right": right}


def _is_same(param: Param | None, left: Any, right: Any) -> bool:
    """A setting that a file leaves out asks for nothing, as one at its neutral value does."""
    if param is None or param.is_media:
        return bool(left == right)
    empty = [value is None or param.is_neutral(value) for value in (left, right)]
    return bool(left == right) or all(empty)


def _shown(param: Param | None, value: Any) -> Any:
    """A choice by its label, its neutral one where the file leaves it out."""
    if param is None or param.type != "choice":
        return value
    choices = param.choices
    value = param.neutral if value is None else value
    return next((term(str(label)) for label, choice in choices if choice == value), value)


def _params(settings: Mapping[str, Any], registry: Any) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = registry.params(registry.model_for(settings))
    except ModelNotFound:
        return {}
    return found


def _model_name(settings: Mapping[str, Any], registry: Any) -> str:
    try:
        return str(registry.model_for(settings).name)
    except ModelNotFound:
        return str(settings.get("model_type") or "")
