"""Pictures and clips that a result starts from, ends on, continues or refers to."""

from __future__ import annotations

from typing import Any

from shared.core.conditions import has_letter, is_set
from shared.core.declarations.rules import (
    CONTINUES_CLIP,
    HAS_REFERENCES,
    MAKES_PICTURES_OR_CLIPS,
    TAKES_REFERENCES,
    VIDEO_MODE,
)
from shared.core.params import Param

_ALLOWED = "image_prompt_types_allowed"


def start_letters(value: Any) -> Any:
    """The letters for the numbers of the earliest versions: 0 is S, all others SE."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "S" if value == 0 else "SE"
    return value


PARAMS: tuple[Param, ...] = (
    Param(
        "image_prompt_type", "letters", "", "Starts from",
        "What the clip is built on: nothing but the prompt, a start image, an end image, a clip to go on with.",
        "media", pattern=r"[SEVLTGI]*", older=start_letters,
        choices=(
            ("Start image", "S"), ("End image", "E"), ("Continue a clip", "V"), ("Continue the last result", "L"),
        ),
        accepts="the letters S (start image), E (end image), V (continue a clip), L (continue the last result)",
        applies=has_letter(_ALLOWED, "SEVL"), unsupported="refuse",
    ),
    Param(
        "image_start", "media_list", None, "Start image",
        "The first frame. Several pictures make several results.",
        "media", kind="image", applies=has_letter(_ALLOWED, "S"), unsupported="refuse",
    ),
    Param(
        "image_end", "media_list", None, "End image",
        "The last frame; the clip moves towards it. Several pictures serve the successive windows.",
        "media", kind="image", applies=has_letter(_ALLOWED, "E"), visible_if=VIDEO_MODE, unsupported="refuse",
    ),
    Param(
        "video_source", "media", None, "Clip to continue",
        "The result goes on where this clip ends.",
        "media", kind="video", applies=has_letter(_ALLOWED, "VL"), visible_if=VIDEO_MODE, unsupported="refuse",
    ),
    Param(
        "keep_frames_video_source", "text", "", "Frames kept of that clip",
        "Empty keeps all. A positive number keeps that many from the start, a negative one drops as many at the end, "
        "1:40 keeps those from the first to the 40th.",
        "media", unit="frames", pattern=r"\s*(-?[1-9]\d*|-?\d+:-?\d+)?\s*",
        accepts='one whole number other than 0, a range such as "1:40", or ""',
        applies=has_letter(_ALLOWED, "VL"), visible_if=CONTINUES_CLIP & VIDEO_MODE,
    ),
    Param(
        "input_video_strength", "float", 1.0, "Faithfulness to the start",
        "How closely the start image or the continued clip is kept; lower leaves the model more freedom.",
        "media", minimum=0, maximum=1, step=0.01, applies=is_set("input_video_strength"),
    ),
    Param(
        "image_refs", "media_list", None, "Reference images",
        "Pictures of people, objects or a place that should appear in the result.",
        "media", kind="image", applies=TAKES_REFERENCES, unsupported="refuse",
    ),
    Param(
        "frames_positions", "text", "", "Places of the reference images",
        "Frame numbers from 1 at which the first reference images are put, separated by spaces; "
        "L stands for the end of each window in turn. Images without a place stay ordinary references.",
        "media", pattern=r"\s*((\d+|[Ll])([\s,]+(\d+|[Ll]))*)?[\s,]*",
        accepts='frame numbers from 1 or the letter L, separated by spaces ("1 41 L")',
        applies=TAKES_REFERENCES, visible_if=has_letter("video_prompt_type", "F"),
    ),
    Param(
        "image_refs_relative_size", "int", 50, "Size of the references",
        "How large the reference images are prepared compared with the result.",
        "media", minimum=20, maximum=100, step=1, unit="%",
        applies=TAKES_REFERENCES & is_set("any_image_refs_relative_size"), visible_if=HAS_REFERENCES,
    ),
    Param(
        "remove_background_images_ref", "bool_int", 1, "Cut the references out",
        "Puts the subject of the reference images on white, so that nothing else of them is taken over. It is told "
        "from the background by its colours, so a plain background works best.",
        "media", applies=TAKES_REFERENCES & is_set("background_removal"), visible_if=HAS_REFERENCES, neutral=1,
    ),
    Param(
        "multi_images_gen_type", "choice", 0, "Several images and prompts",
        "Whether every start image meets every prompt, or the first image the first prompt, the second the second.",
        "media", choices=(("Every combination", 0), ("Pair by pair", 1)),
        applies=MAKES_PICTURES_OR_CLIPS & has_letter(_ALLOWED, "SE"),
        visible_if=is_set("image_start") | is_set("image_end"),
    ),
)  # fmt: skip
