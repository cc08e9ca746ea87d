"""The settings of a task: read by name, completed, and what is wrong with them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.dictview import DictView
from shared.core.params import Param, shown
from shared.core.settings_rules import rule_problems
from shared.core.settings_upgrade import upgrade
from shared.core.vocabulary import (
    BASELINE,
    DECLARATIONS,
    FILE_KEYS,
    MEDIA_KEYS,
    OLD_KEYS,
    OUTPUT_KEYS,
    SETTINGS_VERSION,
    baseline,
    canonical,
)

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

__all__ = [
    "BASELINE", "DECLARATIONS", "FILE_KEYS", "MEDIA_KEYS", "OUTPUT_KEYS", "SETTINGS_VERSION", "Settings", "baseline",
    "canonical", "complete", "ignored", "problems", "unknown_keys", "upgrade",
]  # fmt: skip


class Settings(DictView):
    """A settings dict read by name: `Settings(params).num_inference_steps`; an absent one has its baseline value."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    else:

        def __getattr__(self, name: str) -> Any:
            param = DECLARATIONS.get(name)
            if param is None:
                raise AttributeError(f"no setting is called {name}")
            return param.normalize(self.data.get(name))

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "data":
                DictView.data.__set__(self, value)
            elif name in DECLARATIONS:
                self.data[name] = value
            else:
                raise AttributeError(f"no setting is called {name}")


def complete(settings: Mapping[str, Any], model: ModelDef) -> dict[str, Any]:
    """The settings with the model's defaults for what they leave out; None counts as left out."""
    result = copy.deepcopy(dict(model.defaults))
    result.update({name: value for name, value in canonical(settings).items() if value is not None})
    result["model_type"] = model.model_type
    return result


def problems(
    settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param] | None = None
) -> list[str]:
    """What keeps these settings from being run, as sentences for the user; empty when all is well.

    `params` are the settings of the model (`registry.params(model)`); without them only the declared types and
    bounds are checked.
    """
    settings = canonical(settings, params or DECLARATIONS)
    found = [*_value_problems(settings, model, params)]
    wrong = {sentence.split(":", 1)[0] for sentence in found}
    right = {name: value for name, value in settings.items() if name not in wrong}
    return found + rule_problems(right, model, params or DECLARATIONS)


def ignored(settings: Mapping[str, Any], params: Mapping[str, Param]) -> list[str]:
    """One sentence for each setting that is used but has no effect with this model; refused ones are `problems`."""
    settings = canonical(settings, params)
    return [
        f"{name}: {shown(settings[name])} has no effect, this model does not use it."
        for name, param in _unsupported(settings, params)
        if param.unsupported == "tell"
    ]


def unknown_keys(settings: Mapping[str, Any], params: Mapping[str, Param] | None = None) -> list[str]:
    """The keys that are no setting of any version; they are kept, and should be told."""
    known = DECLARATIONS.keys() | (params or {}).keys() | FILE_KEYS | OUTPUT_KEYS | OLD_KEYS
    return [name for name in settings if name not in known]


def _value_problems(
    settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param] | None
) -> Iterable[str]:
    own = DECLARATIONS if params is None else params
    name_of_model = f" ({model.name})" if model is not None else ""
    for name, value in settings.items():
        param = own.get(name)
        if param is None:
            continue
        checked = param if param.visible_if(settings) else DECLARATIONS.get(name, param)
        problem = checked.check(value)
        if problem:
            yield problem
    for name, param in _unsupported(settings, own):
        if param.unsupported == "refuse":
            yield f"{name}: {shown(settings[name])} is not available for this model{name_of_model}."


def _unsupported(settings: Mapping[str, Any], params: Mapping[str, Param]) -> Iterable[tuple[str, Param]]:
    for name, value in settings.items():
        param = DECLARATIONS.get(name)
        if param is None or name in params or name in FILE_KEYS or name == "client_id":
            continue
        if not param.is_neutral(value):
            yield name, param
