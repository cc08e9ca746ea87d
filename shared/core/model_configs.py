"""Alternative configurations of a model: `configs` of its definition, and the names in a task's `config`.

A definition lists them as objects, or by name: `name`, `label`, and the keys of the "model" block that are others with
it, such as `quantization`, `attention`, `dtype` or `URLs`. A task that names several takes them in that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

NAME = "config"
# What a configuration may not change: who the model is.
_FIXED = ("name", "label", "architecture", "configs")


def alternatives(model: ModelDef) -> dict[str, Mapping[str, Any]]:
    """The keys that each configuration changes, by its name."""
    listed = model.get("configs") or []
    if isinstance(listed, Mapping):
        return {str(name): keys for name, keys in listed.items() if isinstance(keys, Mapping)}
    return {str(keys["name"]): keys for keys in listed if isinstance(keys, Mapping) and keys.get("name")}


def configured(model: ModelDef, chosen: Any) -> ModelDef:
    """The model as the configurations named in `chosen` have it; names that it lacks count for nothing here."""
    known, block = alternatives(model), dict(model.model)
    changes = [known[name] for name in chosen_names(chosen) if name in known]
    if not changes:
        return model
    for keys in changes:
        block |= {key: value for key, value in keys.items() if key not in _FIXED}
    return replace(model, model=MappingProxyType(block))


def config_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """A sentence for names that the model does not have."""
    known = alternatives(model)
    unknown = [name for name in chosen_names(settings.get(NAME)) if name not in known]
    if unknown:
        offered = f"It has {', '.join(known)}." if known else "It has none."
        yield f'{NAME}: "{", ".join(unknown)}" is no configuration of this model. {offered}'


def chosen_names(chosen: Any) -> list[str]:
    """The names in a `config` setting; empty places between commas stand for nothing."""
    return [name.strip() for name in str(chosen or "").split(",") if name.strip()]


def described(param: Param, model: ModelDef) -> Param:
    """`config` as this model has it: its help says what each name stands for."""
    lines = [f"{name}: {keys.get('label') or _told(keys)}" for name, keys in alternatives(model).items()]
    return param.with_changes(help="\n".join([param.help, *lines])) if lines else param


def _told(keys: Mapping[str, Any]) -> str:
    changed = {key: value for key, value in keys.items() if key not in _FIXED}
    return ", ".join(f"{key} {value}" for key, value in changed.items())
