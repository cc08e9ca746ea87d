"""The settings of each Wan model, and what the family finds wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.params import Param
from shared.core.settings import DECLARATIONS

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

# Declared for control clips in general; the family does nothing with them.
_UNUSED = frozenset({"masking_strength"})


def wan_params(model: ModelDef) -> list[Param]:
    """The settings of `model` with its own bounds, choices and defaults."""
    params = [param for param in DECLARATIONS.values() if param.applies(model) and param.name not in _UNUSED]
    return [_for_model(param, model) for param in params]


def wan_problems(settings: Mapping[str, Any], model: ModelDef) -> list[str]:
    """What the declarations cannot tell, as sentences for the user."""
    return [*_mask_problems(settings, model), *_control_problems(settings, model)]


def _for_model(param: Param, model: ModelDef) -> Param:
    changes: dict[str, Any] = _BOUNDS.get(param.name, lambda model: {})(model)
    default = model.defaults.get(param.name)
    if default is not None:
        changes["default"] = default
    return param.with_changes(**changes) if changes else param


def _length(model: ModelDef) -> dict[str, Any]:
    return {"minimum": model.frames_minimum, "step": model.frames_steps}


def _window(model: ModelDef, kind: str) -> dict[str, Any]:
    rule = model.get("sliding_window_defaults") or {}
    names = {"minimum": f"{kind}_min", "maximum": f"{kind}_max", "step": f"{kind}_step", "default": f"{kind}_default"}
    return {name: rule[key] for name, key in names.items() if key in rule}


def _resolutions(model: ModelDef) -> dict[str, Any]:
    sizes = model.get("resolutions") or []
    return {"choices": tuple((str(label), str(size)) for label, size in sizes)} if sizes else {}


def _image_modes(model: ModelDef) -> dict[str, Any]:
    modes = [("A clip", 0)]
    if model.get("v2i_switch_supported"):
        modes.append(("A picture", 1))
    if model.get("inpaint_support"):
        modes.append(("A repainted picture", 2))
    return {"choices": tuple(modes)}


def _solvers(model: ModelDef) -> dict[str, Any]:
    solvers = model.get("sample_solvers") or []
    return {"choices": (("The model's own", ""), *((str(label), str(value)) for label, value in solvers))}


def _starts(model: ModelDef) -> dict[str, Any]:
    allowed = str(model.get("image_prompt_types_allowed") or "")
    choices = DECLARATIONS["image_prompt_type"].choices
    return {"choices": tuple(choice for choice in choices if choice[1] in allowed)}


_BOUNDS = {
    "video_length": _length,
    "resolution": _resolutions,
    "image_mode": _image_modes,
    "sample_solver": _solvers,
    "image_prompt_type": _starts,
    "guidance_phases": lambda model: {"maximum": model.get("guidance_max_phases", 1)},
    "sliding_window_size": lambda model: _window(model, "window"),
    "sliding_window_overlap": lambda model: _window(model, "overlap"),
    "sliding_window_discard_last_frames": lambda model: {"step": model.frames_steps},
}


def _mask_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    for mask, guide, what in (("image_mask", "image_guide", "picture"), ("video_mask", "video_guide", "clip")):
        if settings.get(mask) and not settings.get(guide):
            yield f"{guide}: it is missing. {mask} marks what is to be repainted in that {what}."
    is_repaint = settings.get("image_mode") == 2
    if is_repaint and model.get("inpaint_support") and not settings.get("image_mask"):
        yield "image_mask: it is missing. A repainted picture needs a mask: white is made anew, black is kept."


def _control_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    letters = settings.get("video_prompt_type") or ""
    accepted = str(model.get("control_letters") or "")
    refused = sorted({letter for letter in letters if letter.isalpha() and letter not in accepted})
    if refused and accepted:
        yield (f'video_prompt_type: "{"".join(refused)}" is not available for this model. Use {" or ".join(accepted)}.')
