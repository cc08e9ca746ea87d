"""What only this family can find wrong with settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.conditions import is_given, makes_own_mask

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


def wan_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """What the declarations cannot tell, as sentences for the user."""
    if settings.get("mode"):
        return
    yield from _end_problems(settings, model)
    yield from _mask_problems(settings, model)
    yield from _guide_problems(settings, model)


def _end_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    if model.get("image_end_required") and not is_given(settings.get("image_end")):
        yield "image_end: it is missing. This model makes the clip between two pictures."


def _mask_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    if not model.get("inpaint_support"):
        return
    for mask, guide, what in (("image_mask", "image_guide", "picture"), ("video_mask", "video_guide", "clip")):
        if is_given(settings.get(mask)) and not is_given(settings.get(guide)):
            yield f"{guide}: it is missing. {mask} marks what is to be made anew in that {what}."
    if settings.get("image_mode") == 2 and not is_given(settings.get("image_mask")) and not makes_own_mask(settings):
        yield "image_mask: it is missing. A repainted picture needs a mask: white is made anew, black is kept."


def _guide_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    needs_guide = model.get("guide_required") or model.get("video_guide2")
    if needs_guide and not is_given(settings.get("video_guide")):
        yield "video_guide: it is missing. This model follows a given clip."
    if not model.get("video_guide2"):
        return
    if not is_given(settings.get("video_guide2")):
        yield "video_guide2: it is missing. This model takes a clip of the face beside the clip of the pose."
    if "A" in (settings.get("video_prompt_type") or "") and not is_given(settings.get("custom_guide")):
        yield "custom_guide: it is missing. It is the clip whose person is replaced where the mask is white."
