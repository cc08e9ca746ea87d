"""The settings of each Wan model, and what the family finds wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.model_params import params_of

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

# Declared for every model that takes masks; this family does nothing with them.
_UNUSED = frozenset({"masking_strength"})


def wan_params(model: ModelDef) -> list[Param]:
    """The settings of `model` with its own bounds, choices and defaults."""
    params = {name: param for name, param in params_of(model).items() if name not in _UNUSED}
    control = params.get("video_prompt_type")
    if control is not None:
        accepted = _control_letters(model)
        choices = tuple(choice for choice in control.choices if choice[1] in accepted)
        params["video_prompt_type"] = control.with_changes(choices=choices)
    return list(params.values())


def wan_problems(settings: Mapping[str, Any], model: ModelDef) -> list[str]:
    """What the declarations cannot tell, as sentences for the user."""
    return [*_end_problems(settings, model), *_mask_problems(settings, model), *_control_problems(settings, model)]


def _control_letters(model: ModelDef) -> str:
    return str(model.get("control_letters") or "")


def _end_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    if model.get("image_end_required") and settings.get("image_end") is None and not settings.get("mode"):
        yield "image_end: it is missing. This model makes the clip between two pictures."


def _mask_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    if not model.get("inpaint_support"):
        return
    for mask, guide, what in (("image_mask", "image_guide", "picture"), ("video_mask", "video_guide", "clip")):
        if settings.get(mask) is not None and settings.get(guide) is None:
            yield f"{guide}: it is missing. {mask} marks what is to be made anew in that {what}."
    if settings.get("image_mode") == 2 and settings.get("image_mask") is None:
        yield "image_mask: it is missing. A repainted picture needs a mask: white is made anew, black is kept."


def _control_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    accepted = _control_letters(model)
    letters = settings.get("video_prompt_type") or ""
    refused = "".join(letter for letter in letters if letter not in accepted)
    if refused and accepted:
        yield (
            f'video_prompt_type: "{refused}" is not available for this model. Use letters among {", ".join(accepted)}.'
        )
