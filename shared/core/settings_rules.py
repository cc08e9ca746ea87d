"""Rules that join several settings, or a setting and what its model can do."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.conditions import is_given
from shared.core.errors import SettingsError
from shared.core.guide_kinds import guide_problems
from shared.core.letters import sound_letters, video_letters
from shared.core.lora_multipliers import model_shape, parse_multipliers
from shared.core.params import Param, number_text, shown
from shared.core.prompts import split_prompt
from shared.core.styles import style_problem
from shared.core.units import (
    MAX_CLIP_PIXELS,
    MAX_PIXELS,
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    parse_resolution,
    parse_seconds,
)
from shared.core.vocabulary import DECLARATIONS

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_START_LETTERS = (("S", "image_start", "a start image"), ("E", "image_end", "an end image"),
                  ("V", "video_source", "a clip to continue"))  # fmt: skip

# What says enough of a picture without a prompt.
_INSTEAD_OF_PROMPT = ("styles", "image_guide", "guide_pictures")


def rule_problems(
    settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]
) -> list[str]:
    """What is wrong with the settings together, as sentences. Settings whose own value is wrong are left out."""
    found: list[str] = []
    for rule in _RULES:
        found += [sentence for sentence in rule(settings, model, params) if sentence not in found]
    return found


def _prompt(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    text = settings.get("prompt")
    if not isinstance(text, str) or settings.get("mode"):
        return
    try:
        units = split_prompt(text, settings.get("multi_prompts_gen_type") or "PG")
    except SettingsError as error:
        yield str(error)
        return
    needed = model is None or not model.get("prompt_optional", False)
    speaks_otherwise = bool(settings.get("image_mode")) and any(settings.get(name) for name in _INSTEAD_OF_PROMPT)
    if needed and not speaks_otherwise and not any(unit.text.strip() for unit in units):
        yield "prompt: it is empty. Write what the result should show."


def _resolution(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    value = settings.get("resolution")
    if not isinstance(value, str) or "resolution" not in params:
        return
    try:
        width, height = parse_resolution(value)
    except SettingsError as error:
        yield str(error)
        return
    is_bounded = all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width, height))
    if not is_bounded or width * height > MAX_PIXELS:
        yield (
            f'resolution: "{value}" is not accepted. Use sides from {MIN_SIDE_PX} to {MAX_SIDE_PX} px '
            f"and at most {MAX_PIXELS / 1e6:.3g} million pixels in all."
        )


def _length(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    value, param = settings.get("video_length"), params.get("video_length")
    if param is None or settings.get("image_mode"):
        return
    frames = value
    if isinstance(value, str):
        try:
            seconds = parse_seconds(value)
        except SettingsError as error:
            yield str(error)
            return
        frames = round((seconds or 0) * _fps(settings, model))
    if not isinstance(frames, int):
        return
    if frames > (param.maximum or frames):
        yield f"video_length: {shown(value)} is {frames} frames. Use at most {number_text(param.maximum)}."
        return
    if "resolution" not in settings or any(_resolution(settings, model, params)):
        return
    pixels = frames * math.prod(parse_resolution(settings["resolution"]))
    if pixels > MAX_CLIP_PIXELS:
        yield (
            f'video_length: {frames} frames of {settings["resolution"]} need {pixels * 3 / 1e9:.0f} GB of memory. '
            f"Use at most {MAX_CLIP_PIXELS * frames // pixels} frames of that size, or a smaller resolution."
        )


def _fps(settings: Mapping[str, Any], model: ModelDef | None) -> float:
    try:
        return float(settings.get("force_fps") or 0) or (model.fps if model is not None else 16)
    except ValueError:
        return model.fps if model is not None else 16


def _start(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    letters = settings.get("image_prompt_type") or ""
    allowed = str(model.get("image_prompt_types_allowed", "")) if model is not None else ""
    if model is not None and "image_prompt_type" in params:
        refused = [letter for letter in letters if letter in "SEVL" and letter not in allowed]
        if refused:
            accepted = ", ".join(letter for letter in allowed if letter in "SEVL")
            yield f"image_prompt_type: {shown(''.join(refused))} is not available for this model. Use {accepted}."
    for letter, name, words in _START_LETTERS:
        if letter in letters and name in params and not is_given(settings.get(name)):
            yield f'{name}: it is missing. image_prompt_type "{letters}" asks for {words}.'
    needs_start = bool(set(allowed) & set("SVL")) and "T" not in allowed
    has_start = any(is_given(settings.get(name)) for name in ("image_start", "video_source")) or "L" in letters
    if needs_start and not has_start and not settings.get("mode"):
        names = {"S": "image_start", "V": "video_source"}
        accepted = " or ".join(name for letter, name in names.items() if letter in allowed)
        yield f"{accepted}: it is missing. This model starts from a given picture or clip."


def _references(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    if model is None or "image_refs" not in params or settings.get("mode"):
        return
    references = settings.get("image_refs")
    count = len(references) if isinstance(references, (list, tuple)) else int(references is not None)
    if count == 0 and (model.get("at_least_one_image_ref_needed") or model.get("one_image_ref_needed")):
        yield "image_refs: it is missing. This model needs a reference image."
    if count > 1 and model.get("one_image_ref_needed"):
        yield f"image_refs: {count} pictures were given. This model takes exactly one."


def _windows(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    size, overlap = settings.get("sliding_window_size"), settings.get("sliding_window_overlap")
    if not isinstance(size, int) or not isinstance(overlap, int) or "sliding_window_overlap" not in params:
        return
    discard = settings.get("sliding_window_discard_last_frames") or 0
    if overlap + discard >= size:
        dropped = f" with {discard} discarded" if discard else ""
        yield (
            f"sliding_window_overlap: {overlap} frames{dropped} is not smaller than the window ({size}). "
            "Lower the overlap or enlarge the window."
        )


def _guidance_phases(
    settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]
) -> Iterable[str]:
    phases = settings.get("guidance_phases") or 1
    if model is None or "guidance_phases" not in params or not isinstance(phases, int) or phases < 2:
        return
    names = ("switch_threshold", "switch_threshold2")[: phases - 1]
    values = [settings.get(name) or 0 for name in names]
    late = phases == 3 and settings.get("model_switch_phase") == 2
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        # Two experts have a noise level of their own at which they change.
        if value == 0 and not (model.get("two_experts") and number == int(late)):
            yield f"{name}: 0 is the finished picture, phase {number + 2} would never begin. Use a level from 1 to 999."
    if len(values) == 2 and all(values) and values[0] <= values[1]:
        yield f"switch_threshold2: {values[1]} is not below switch_threshold ({values[0]}). Lower it."


def _loras(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    loras, text = settings.get("activated_loras"), settings.get("loras_multipliers")
    if not loras or not text or "activated_loras" not in params:
        return
    phases, branches = model_shape(model)
    try:
        parse_multipliers(text, len(loras), phases=phases, branches=branches)
    except SettingsError as error:
        yield str(error)


def _images_and_prompts(
    settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]
) -> Iterable[str]:
    images, text = settings.get("image_start"), settings.get("prompt")
    mode = settings.get("multi_prompts_gen_type") or "PG"
    if settings.get("multi_images_gen_type") != 1 or not isinstance(images, (list, tuple)) or not images:
        return
    if not isinstance(text, str) or mode not in ("G", "PG"):
        return
    try:
        count = max(len(split_prompt(text, mode)), 1)
    except SettingsError:
        return
    if max(count, len(images)) % min(count, len(images)):
        yield (
            f"multi_images_gen_type: {len(images)} start images cannot be paired with {count} prompts. "
            "Give as many images as prompts, or a multiple, or choose every combination."
        )


def _files(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    for name, value in settings.items():
        param = params.get(name)
        if param is None or not param.is_media or not is_given(value):
            continue
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, (str, os.PathLike)) and _is_missing(str(item)):
                yield f"{name}: the file {shown(str(item), 200)} does not exist."


def _is_missing(source: str) -> bool:
    path, _, suffix = source.partition("|")
    if "://" in path or path.startswith("data:") or "vsource" in suffix:
        return False
    return not os.path.isfile(path.strip())


def _flag_letters(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    if model is None or settings.get("mode"):
        return
    for flag, offered in (("video_prompt_type", video_letters), ("audio_prompt_type", sound_letters)):
        text, param = settings.get(flag), params.get(flag)
        if param is None or not isinstance(text, str):
            continue
        accepted = offered(model)
        names = {value: label for label, value in DECLARATIONS[flag].choices}
        refused = [letter for letter in dict.fromkeys(text) if letter not in accepted]
        if refused:
            words = ", ".join(f"{letter} ({names[letter]})" if letter in names else letter for letter in refused)
            yield f"{flag}: {words} is not available for this model. Use letters among {', '.join(accepted)}."


def _styles(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    names = settings.get("styles")
    problem = style_problem(names) if isinstance(names, (list, tuple)) and "styles" in params else None
    if problem is not None:
        yield problem


def _given_picture(
    settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]
) -> Iterable[str]:
    wanting = [name for name in ("vary_upscale", "paste_back") if settings.get(name) and name in params]
    if not wanting or settings.get("mode"):
        return
    if not settings.get("image_mode"):
        yield f"{wanting[0]}: it is for single pictures. Set image_mode to 1."
    elif not is_given(settings.get("image_guide")):
        yield f"image_guide: it is missing. {wanting[0]} works on that picture."


def _outpainting(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    text = str(settings.get("video_guide_outpainting") or "").strip()
    grows_clips = model is None or model.get("video_guide_outpainting") or "video_guide_outpainting" not in params
    if text and not text.startswith("#") and not grows_clips and not settings.get("image_mode"):
        yield "video_guide_outpainting: this model paints beyond the borders of pictures. Set image_mode to 1."


def _guides(settings: Mapping[str, Any], model: ModelDef | None, params: Mapping[str, Param]) -> Iterable[str]:
    if "guide_pictures" in params:
        yield from guide_problems(settings)


_RULES: tuple[Callable[[Mapping[str, Any], ModelDef | None, Mapping[str, Param]], Iterable[str]], ...] = (
    _prompt, _resolution, _length, _start, _flag_letters, _references, _windows, _guidance_phases, _loras,
    _images_and_prompts, _files, _styles, _guides, _given_picture,
    _outpainting,
)  # fmt: skip
