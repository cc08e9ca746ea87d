"""Work on a given picture: planned before anything is made, and finished on what the model made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.core.picture_sizes import grown_pixels, scaled_to_side
from shared.core.units import MAX_PIXELS, MAX_SIDE_PX, largest_size, parse_outpainting, parse_resolution, round_size
from shared.engine.canvas import Size
from shared.engine.generate_inputs import Inputs
from shared.media.regions import grown, margin_mask, mask_of, put_into, resized, view_of, with_margins

Frames = NDArray[np.uint8]
Finish = Callable[[Frames], Frames]
FindMask = Callable[[Frames], Frames]

# How much is made anew, as Fooocus has it: little, much, and for new detail alone.
VARY_STRENGTH = {"vary_subtle": 0.5, "vary_strong": 0.85}
UPSCALE_STRENGTH = 0.382
FACTORS = {"upscale_1.5": 1.5, "upscale_2": 2.0, "upscale_fast": 2.0}
# A picture so many times larger than the model's own size (in sides) is enlarged alone.
LARGEST_SIDE = 2.75
MOST_VARIED = 2.0


@dataclass(frozen=True)
class PictureWork:
    """How a picture is worked on.

    `changes` are the settings that differ while it is made, `inputs` its media then, `size` what the model makes, in
    tiles of `tile` px where that is not 0. `finish` makes the result (H,W,3) of what the model made, of `result_size`.
    `ready` is a result that needs no model.
    """

    inputs: Inputs
    changes: Mapping[str, Any] = field(default_factory=dict)
    size: Size | None = None
    tile: int = 0
    finish: Finish | None = None
    result_size: tuple[int, int] | None = None
    ready: Frames | None = None


def plan_picture_work(
    settings: Mapping[str, Any], model: ModelDef, inputs: Inputs, enlarge: Callable[[Frames, tuple[int, int]], Frames],
    find_mask: FindMask,
) -> PictureWork:  # fmt: skip
    """What the settings ask to be done with the control picture. Raises SettingsError, MediaError.

    `enlarge` brings a picture to a larger size, `find_mask` finds in it what `mask_model` is for.
    """
    picture = inputs.control
    if not settings.get("image_mode") or not isinstance(picture, Image.Image):
        return PictureWork(inputs, _turned(settings))
    pixels = np.asarray(picture)
    if settings.get("mask_model") and inputs.mask is None:
        inputs = replace(inputs, mask=Image.fromarray(find_mask(pixels)))
    method = str(settings.get("vary_upscale") or "")
    if method in VARY_STRENGTH:
        return _varied(settings, model, inputs, pixels)
    if method:
        return _enlarged(settings, model, inputs, enlarge(pixels, _enlarged_size(settings, pixels)))
    if settings.get("enhance") and inputs.mask is None and not settings.get("paste_back"):
        return PictureWork(inputs, result_size=size_of(pixels), ready=pixels)
    grows_on_canvas = bool(model.get("video_guide_outpainting"))
    if settings.get("paste_back") or (_grown_by(settings, pixels) is not None and not grows_on_canvas):
        return _repainted(settings, model, inputs, pixels)
    letters = _letters(settings, "A") if inputs.mask is not None else str(settings.get("video_prompt_type") or "")
    return PictureWork(inputs, {"video_prompt_type": letters, **_turned({**settings, "video_prompt_type": letters})})


def native_side(model: ModelDef) -> int:
    """The side (px) of a square with as many pixels as the model usually makes."""
    width, height = parse_resolution(str(model.defaults.get("resolution") or "1024x1024"))
    return round(math.sqrt(width * height))


def strength_of(settings: Mapping[str, Any], model: ModelDef, usual: float) -> float:
    """The denoising strength asked for; `usual` where that is the model's default, or all."""
    given = float(settings.get("denoising_strength") or 1.0)
    return usual if given >= 1 or given == model.defaults.get("denoising_strength") else given


def _varied(settings: Mapping[str, Any], model: ModelDef, inputs: Inputs, pixels: Frames) -> PictureWork:
    strength = strength_of(settings, model, VARY_STRENGTH[str(settings["vary_upscale"])])
    own, native = size_of(pixels), native_side(model)
    side = min(max(math.sqrt(own[0] * own[1]), native), MOST_VARIED * native)
    canvas = makeable(scaled_to_side(own, round(side)), model)
    return PictureWork(
        replace(inputs, control=Image.fromarray(resized(pixels, canvas)), mask=None, denoising_strength=strength),
        _from_picture(settings, strength),
        Size(*canvas),
        result_size=canvas,
    )


def _enlarged(settings: Mapping[str, Any], model: ModelDef, inputs: Inputs, enlarged: Frames) -> PictureWork:
    strength = strength_of(settings, model, UPSCALE_STRENGTH)
    target, native = size_of(enlarged), native_side(model)
    side = math.sqrt(target[0] * target[1])
    if settings.get("vary_upscale") == "upscale_fast" or side > LARGEST_SIDE * native:
        return PictureWork(inputs, result_size=target, ready=enlarged)
    worked = target if side >= native else scaled_to_side(target, native)
    canvas = round_size(*worked, model.block_size)
    asked = int(settings.get("upscale_tile") or 0)
    fits = makeable(canvas, model) == canvas
    tile = 0 if fits and not asked else round_size(asked or native, asked or native, model.block_size)[0]
    return PictureWork(
        replace(inputs, control=Image.fromarray(resized(enlarged, canvas)), mask=None, denoising_strength=strength),
        _from_picture(settings, strength),
        Size(*canvas),
        tile=0 if tile >= max(canvas) else tile,
        finish=lambda made: resized(made, worked),
        result_size=worked,
    )


def _enlarged_size(settings: Mapping[str, Any], pixels: Frames) -> tuple[int, int]:
    factor = FACTORS.get(str(settings["vary_upscale"])) or float(settings.get("upscale_factor") or 2.0)
    width, height = (max(round(side * factor), 1) for side in size_of(pixels))
    if width * height > MAX_PIXELS * 4 or max(width, height) > MAX_SIDE_PX:
        raise SettingsError(
            f"vary_upscale: the result would have {width}x{height} pixels. Choose a smaller factor or picture."
        )
    return width, height


def _repainted(settings: Mapping[str, Any], model: ModelDef, inputs: Inputs, pixels: Frames) -> PictureWork:
    mask = _own_mask(settings, inputs, pixels)
    margins = _grown_by(settings, pixels)
    field_of_view = float(settings.get("inpaint_field", 1.0))
    if margins is not None:
        pixels, mask = with_margins(pixels, margins), margin_mask(mask, margins)
        field_of_view = 1.0
    if not mask.any():
        raise SettingsError("image_mask: it marks nothing. White is made anew, black is kept.")
    box = view_of(mask, field_of_view)
    left, top, right, bottom = box
    width, height = parse_resolution(str(settings["resolution"]))
    side = round(math.sqrt(width * height))
    canvas = makeable(scaled_to_side((right - left, bottom - top), side), model)
    view = Image.fromarray(resized(np.ascontiguousarray(pixels[top:bottom, left:right]), canvas))
    view_mask = np.where(resized(np.ascontiguousarray(mask[top:bottom, left:right]), canvas) > 127, 255, 0)
    strength = 1.0 if margins is not None else inputs.denoising_strength
    return PictureWork(
        replace(
            inputs, control=view, mask=Image.fromarray(view_mask.astype(np.uint8)), mask_expand=0,
            denoising_strength=strength,
        ),
        {
            "video_prompt_type": _letters(settings, "VA" + ("G" if strength < 1 else ""), without="NG"),
            "denoising_strength": strength, "video_guide_outpainting": "#", "mask_expand": 0,
        },
        Size(*canvas),
        finish=lambda made: put_into(pixels, made, box, mask),
        result_size=size_of(pixels),
    )  # fmt: skip


def _own_mask(settings: Mapping[str, Any], inputs: Inputs, pixels: Frames) -> Frames:
    """The mask at the picture's own size, grown, then turned round; black where none is given."""
    size = size_of(pixels)
    if not isinstance(inputs.mask, Image.Image):
        return np.zeros(size[::-1], np.uint8)
    mask = grown(mask_of(inputs.mask.convert("L"), size), int(settings.get("mask_expand") or 0))
    is_turned = bool(settings.get("invert_mask")) != ("N" in str(settings.get("video_prompt_type") or ""))
    return 255 - mask if is_turned else mask


def _grown_by(settings: Mapping[str, Any], pixels: Frames) -> tuple[int, int, int, int] | None:
    """The margins in pixels that outpainting asks for; None for none."""
    percents = parse_outpainting(str(settings.get("video_guide_outpainting") or ""))
    if percents is None or not any(percents):
        return None
    if min(percents) < 0:
        raise SettingsError("video_guide_outpainting: a picture grows by percentages of 0 or more.")
    return grown_pixels(percents, size_of(pixels))


def size_of(pixels: Frames) -> tuple[int, int]:
    """Width and height of a picture (H,W,...)."""
    return int(pixels.shape[1]), int(pixels.shape[0])


def makeable(size: tuple[int, int], model: ModelDef) -> tuple[int, int]:
    """The size, or the largest of its shape that the model makes, in its multiples."""
    return largest_size(
        *round_size(*size, model.block_size),
        max_side=int(model.get("max_side", MAX_SIDE_PX)),
        max_pixels=int(model.get("max_pixels", MAX_PIXELS)),
        multiple=model.block_size,
    )


def _from_picture(settings: Mapping[str, Any], strength: float) -> dict[str, Any]:
    """The settings with which a picture starts from another: at least one step is made."""
    steps = max(int(settings["num_inference_steps"]), math.ceil(1 / strength))
    return {
        "video_prompt_type": _letters(settings, "VG", without="AN"), "denoising_strength": strength,
        "num_inference_steps": steps, "video_guide_outpainting": "#",
    }  # fmt: skip


def _letters(settings: Mapping[str, Any], added: str, without: str = "") -> str:
    """video_prompt_type with these letters and without those of another use of the picture."""
    own = str(settings.get("video_prompt_type") or "")
    kept = "".join(letter for letter in own if letter not in without)
    return kept + "".join(letter for letter in added if letter not in kept)


def _turned(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the mask turned round where `invert_mask` asks for it: the letter N says so."""
    letters = str(settings.get("video_prompt_type") or "")
    if not settings.get("invert_mask") or "A" not in letters:
        return {}
    return {"video_prompt_type": letters.replace("N", "") if "N" in letters else letters + "N"}
