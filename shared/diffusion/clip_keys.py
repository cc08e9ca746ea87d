"""What families of clips share in their definitions. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


def placed_pictures_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """A sentence where a picture has no place in the clip, for models that know no references beside."""
    pictures, letters = settings.get("image_refs"), str(settings.get("video_prompt_type") or "")
    if "I" not in letters or not isinstance(pictures, (list, tuple)):
        return
    places = str(settings.get("frames_positions") or "").replace(",", " ").split() if "F" in letters else []
    if len(pictures) > len(places):
        yield (
            f"frames_positions: {len(places)} places for {len(pictures)} pictures of image_refs. "
            f'Name a frame for each, with the letters "KFI" in video_prompt_type.'
        )
