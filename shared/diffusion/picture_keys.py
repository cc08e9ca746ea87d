"""Definition keys that picture families share. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.conditions import makes_own_mask

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

DRIVER = "shared.diffusion.pictures:PicturePipeline"

PICTURES: Mapping[str, Any] = MappingProxyType(
    {
        "image_outputs": True,
        "fps": 1,
        "frames_minimum": 1,
        "frames_steps": 1,
        "vae_block_size": 16,
        "text_length": 512,
        "max_pixels": 2048 * 2048,
        "keep_frames_video_guide_not_supported": True,
    }
)

# About a million pixels, the size most of these networks were trained for.
ONE_MEGAPIXEL: tuple[tuple[str, str], ...] = tuple(
    (size.replace("x", " x "), size)
    for size in ("1024x1024", "1152x896", "896x1152", "1216x832", "832x1216", "1344x768", "768x1344", "1536x640")
)


def starting_pictures(*, repaints: bool = True) -> dict[str, Any]:
    """The keys of a model that can start from a noised picture, and repaint a part of one."""
    choices = [["Prompt only", ""], ["Start from a picture", "GV"]]
    if repaints:
        choices.append(["Repaint the masked part", "AGV"])
    return {
        "guide_custom_choices": {"choices": choices, "letters_filter": "AGUV"},
        **({"inpaint_support": True} if repaints else {}),
    }


def repainting() -> dict[str, Any]:
    """The keys of a model that makes the masked part of a picture anew, from noise."""
    choices = [["Prompt only", ""], ["Repaint the masked part", "AV"]]
    return {"guide_custom_choices": {"choices": choices, "letters_filter": "AV"}, "inpaint_support": True}


def references(most: int, *, label: str = "Pictures to edit or combine", needed: bool = False) -> dict[str, Any]:
    """The keys of a model that takes up to `most` reference pictures."""
    choices = [[label, "I"]] if needed else [["None", ""], [label, "I"]]
    keys: dict[str, Any] = {
        "image_ref_choices": {"choices": choices, "letters_filter": "I"},
        "references_maximum": most,
    }
    if needed:
        keys["one_image_ref_needed" if most == 1 else "at_least_one_image_ref_needed"] = True
    return keys


def controlled(pipeline: str, without: str, repainting: str, **controlnet: Any) -> dict[str, Any]:
    """The keys of a model with a ControlNet beside it: the classes with it, without it, and for repainting with it ("":
    there is none)."""
    return {
        "pipeline": pipeline,
        "pipeline_without_control": without,
        "pipeline_repaint_with_control": repainting,
        "guide_preprocessing": {
            "selection": ["", "UV", "DV", "EV", "SV"],
            "labels": {
                "": "No control picture",
                "UV": "Follow it as it is (a drawn pose)",
                "DV": "Its depth",
                "EV": "Its edges",
                "SV": "Its strokes",
            },
        },
        "control_net_weight_name": "ControlNet",
        "extra_parts": {"controlnet": controlnet},
    }


def picture_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """What is wrong with masks and references, as sentences for the user."""
    given = settings.get("image_refs")
    count = len(given) if isinstance(given, (list, tuple)) else int(bool(given))
    most = model.get("references_maximum")
    if most is not None and count > most and not model.get("one_image_ref_needed"):
        yield f"image_refs: {count} pictures were given. This model takes at most {most}."
    if not model.get("inpaint_support") or settings.get("mode"):
        return
    guide, mask = settings.get("image_guide"), settings.get("image_mask")
    if mask is not None and guide is None and settings.get("image_start") is None:
        yield "image_guide: it is missing. image_mask marks what is to be made anew in that picture."
    if settings.get("image_mode") == 2 and mask is None and not makes_own_mask(settings):
        yield "image_mask: it is missing. A repainted picture needs a mask: white is made anew, black is kept."
