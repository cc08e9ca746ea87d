"""Two results side by side: the settings in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import ModelNotFound
from shared.core.settings import DECLARATIONS, FILE_KEYS, OUTPUT_KEYS, canonical

_APART = frozenset({"client_id", *FILE_KEYS, *OUTPUT_KEYS})


def differences(left: Mapping[str, Any], right: Mapping[str, Any], registry: Any) -> list[dict[str, Any]]:
    """`name`, `label`, `left` and `right` of each setting that differs, the model first, then in the form's order."""
    params = {**DECLARATIONS, **_params(left, registry), **_params(right, registry)}
    one, other = canonical(left), canonical(right)
    names = [name for name in params if name in one or name in other]
    names += sorted({*one, *other} - params.keys())
    rows = [
        _row("model_type", "Model", _model_name(left, registry), _model_name(right, registry)),
        *(
            _row(name, params[name].label if name in params else name, one.get(name), other.get(name))
            for name in names
            if name not in _APART and name != "model_type"
        ),
    ]
    return [row for row in rows if not _is_same(row["left"], row["right"])]


def _row(name: str, label: str, left: Any, right: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "left": left, "right": right}


def _is_same(left: Any, right: Any) -> bool:
    return bool(left == right) or (left in (None, "", []) and right in (None, "", []))


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
