"""The models as the page needs them: choices of the picker, names, what the browser must know of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import ModelNotFound
from shared.core.params import Param
from shared.core.units import size_text
from shared.ui.controls import shown_value
from shared.ui.texts import say, setting_label, term

STARTER = "starter"
MAIN = ("image_mode", "resolution", "seed", "video_length", "num_inference_steps", "guidance_scale")
TOP = ("prompt",)
# Told by other parts of the page or by the media given: they have a component (plugins ask for it), no place of theirs.
UNSEEN = ("image_prompt_type", "client_id", "mode", "model_type")
PLACED_ELSEWHERE = frozenset((*MAIN, *TOP, *UNSEEN))
TOLD_CHOICES = ("multi_prompts_gen_type",)  # choices that the browser shows outside their control
_SIZED: Mapping[str, str] = {"partial": "partial_size", "missing": "missing_size"}
MARKS: Mapping[str, str] = {"available": "", "partial": " ◐", "missing": " ↓"}


def family_choices(registry: Any) -> list[tuple[str, str]]:
    """(label, name) of the families that have a model."""
    used = {model.family for model in _shown_models(registry)}
    return [(family.label, name) for name, family in registry.families().items() if name in used]


def model_choices(registry: Any, family: str = "") -> list[tuple[str, str]]:
    """(label, model_type) of the models, of one family or all; a mark shows what is not wholly on disk."""
    models = [model for model in _shown_models(registry) if family in ("", model.family)]
    models.sort(key=lambda model: model.model_type != STARTER)
    return [(model.name + MARKS.get(registry.availability(model), ""), model.model_type) for model in models]


def _shown_models(registry: Any) -> list[Any]:
    return [model for model in registry.models().values() if model.get("visible", True)]


def model_note(registry: Any, model_type: str, model_files: Any = None) -> str:
    """What the model is, and whether it is ready; with `model_files` also how much is still to be downloaded."""
    model = registry.get(model_type)
    state = _ready_text(registry.availability(model), model_type, model_files)
    return f"{model.description} ({state})" if model.description else state[:1].upper() + state[1:]


def _ready_text(availability: str, model_type: str, model_files: Any) -> str:
    """Whether a model is ready. What is not known yet of its size is asked for; the windows hear of the answer."""
    if availability == "available" or model_files is None:
        return say(availability)
    size = model_files.state(model_type).to_download_bytes
    if size is None:
        model_files.ask_size(model_type)
        return say(availability)
    return say(_SIZED[availability], size=size_text(size))


def first_model(registry: Any, wanted: str = "") -> str:
    """The model that a new window shows: the wanted one, else the embedded one, else the first of all."""
    models = registry.models()
    return next((name for name in (wanted, STARTER) if name in models), next(iter(models), ""))


def model_name_and_fps(registry: Any, settings: Mapping[str, Any]) -> tuple[str, float | None]:
    """Name and frame rate of the model of a settings dict; an unknown model is shown by its id."""
    model_type = str(settings.get("model_type") or "")
    try:
        model = registry.get(model_type)
    except ModelNotFound:
        return model_type, None
    return model.name, frame_rate(model, settings)


def frame_rate(model: Any, settings: Mapping[str, Any]) -> float:
    """Frames a second of the clip that these settings make."""
    forced = str(settings.get("force_fps") or "")
    try:
        return float(forced)
    except ValueError:
        return float(model.fps)


def model_facts(registry: Any, model_type: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser must know of the model: its frame rate, its defaults, which settings show which others."""
    model = registry.get(model_type)
    params = registry.params(model)
    return {
        "model_type": model_type,
        "name": model.name,
        "family": registry.handler(model).label,
        "fps": model.fps,
        "availability": registry.availability(model),
        "rules": {name: rule for name, param in params.items() if (rule := rule_as_json(param.visible_if))},
        "groups": _grouped(params),
        "labels": {name: setting_label(param) for name, param in params.items()},
        "media": {name: param.kind for name, param in params.items() if param.is_media},
        "choices": {
            name: [[term(str(label)), value] for label, value in params[name].choices]
            for name in TOLD_CHOICES
            if name in params
        },
        "defaults": {
            name: shown_value(param, defaults.get(name)) for name, param in params.items() if not param.is_media
        },
    }


def place_of(param: Param) -> str:
    """The group that shows a setting: all pictures and clips are together, whatever they are for."""
    return "media" if param.is_media and param.kind != "audio" else param.group


def _grouped(params: Mapping[str, Param]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, param in params.items():
        if name not in PLACED_ELSEWHERE:
            groups.setdefault(place_of(param), []).append(name)
    return groups


def rule_as_json(rule: Any) -> Any:
    """A condition (core/conditions.py) as nested lists that page.js evaluates; None: always."""
    parts = getattr(rule, "parts", None)
    if parts is not None:
        return [rule.join, *(rule_as_json(part) for part in parts)]
    if rule.relation == "always":
        return None
    return [rule.relation, rule.key, rule.value, rule.default]
