"""Which model and which LoRAs a client means: names as it writes them, completed to what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from shared.core.errors import ModelNotFound
from shared.http.naming import completed

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.http.context import ServiceContext

NONE = ("", "none")


def choose_model(context: ServiceContext, name: str | None, usual: ModelDef) -> tuple[ModelDef, str]:
    """The installed model that a name means (an id, a title or the name of its file), else `usual` and a sentence."""
    wanted = (name or "").strip()
    if wanted.lower() in NONE:
        return usual, ""
    registry = context.runtime.registry
    models = registry.models()
    titles = {model.name: model_type for model_type, model in models.items()}
    found = completed(wanted, models) or titles.get(completed(wanted, titles) or "")
    if found is None:
        try:
            found = registry.model_for({"model_filename": wanted}).model_type
        except ModelNotFound:
            return usual, f"The model {wanted[:80]!r} is not known; {usual.model_type} is used."
    model: ModelDef = models[found]
    if model.model_type != usual.model_type and registry.availability(model) != "available":
        return usual, f"The model {model.model_type} is not installed; {usual.model_type} is used."
    return model, ""


def choose_loras(
    context: ServiceContext, model: ModelDef, loras: Iterable[tuple[str, float]]
) -> tuple[list[tuple[str, float]], list[str]]:
    """The LoRAs that are there for a model, with their weights, and a sentence for each that is not."""
    wanted = [(name.strip(), weight) for name, weight in loras if name.strip().lower() not in NONE]
    if not wanted:
        return [], []
    known: Sequence[str] = [value for _, value in _lora_choices(context, model)]
    found: list[tuple[str, float]] = []
    missing: list[str] = []
    for name, weight in wanted:
        match = completed(name, known)
        if match is None:
            missing.append(f"The LoRA {name[:80]!r} is not there for {model.model_type} and is left out.")
        else:
            found.append((match, weight))
    return found, missing


def _lora_choices(context: ServiceContext, model: ModelDef) -> Sequence[tuple[str, str]]:
    params = context.runtime.registry.params(model)
    return params["activated_loras"].choices if "activated_loras" in params else ()
