"""Settings that only one model has: `custom_settings` of its definition, and the values in a task's `custom_settings`.

A definition lists them as objects: `id`, `type` (int, float, text, dropdown, bool), and where they help `name` (the
label), `default`, `min`, `max`, `inc`, `choices` (values, or pairs of label and value) and `help`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.params import Param, ParamType

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

NAME = "custom_settings"
_TYPES: Mapping[str, ParamType] = {
    "int": "int", "float": "float", "text": "text", "dropdown": "choice", "choice": "choice", "bool": "bool_int",
}  # fmt: skip


def custom_params(model: ModelDef) -> dict[str, Param]:
    """The model's own settings by id."""
    declared = model.get(NAME) or []
    params = (_param(item) for item in declared if isinstance(item, Mapping) and item.get("id"))
    return {param.name: param for param in params}


def custom_values(settings: Mapping[str, Any], model: ModelDef) -> dict[str, Any]:
    """The values given for the model's own settings, in their form; those left out are not in it."""
    given = settings.get(NAME) or {}
    params = custom_params(model)
    return {
        name: params[name].normalize(value) for name, value in given.items() if name in params and value is not None
    }


def custom_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """What is wrong with the values given, as sentences."""
    params, given = custom_params(model), settings.get(NAME) or {}
    if not params or not isinstance(given, Mapping):
        return
    for name, value in given.items():
        if name not in params:
            yield f'{NAME}: "{name}" is not a setting of this model. It has {", ".join(params)}.'
            continue
        problem = params[name].check(value)
        if problem:
            yield f"{NAME}: {problem}"


def described(param: Param, model: ModelDef) -> Param:
    """`custom_settings` as this model has it: its default names every setting, its help says what each accepts."""
    params = custom_params(model)
    if not params:
        return param
    lines = [f"{own.name}: {own.help or own.label} ({own.accepted()})" for own in params.values()]
    default = {own.name: own.default for own in params.values() if own.default is not None}
    default |= model.defaults.get(NAME) or {}
    return param.with_changes(default=default, neutral={}, help="\n".join([param.help, *lines]))


def _param(item: Mapping[str, Any]) -> Param:
    kind = _TYPES.get(str(item.get("type") or "text"), "text")
    choices = tuple(
        (str(choice[0]), choice[1]) if isinstance(choice, (list, tuple)) else (str(choice), choice)
        for choice in item.get("choices") or ()
    )
    default = item.get("default")
    return Param(
        str(item["id"]), kind, int(default) if kind == "bool_int" and default is not None else default,
        str(item.get("name") or item.get("label") or str(item["id"]).replace("_", " ").capitalize()),
        str(item.get("help") or ""), "advanced",
        minimum=item.get("min"), maximum=item.get("max"), step=item.get("inc"), choices=choices,
    )  # fmt: skip
