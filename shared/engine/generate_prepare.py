"""The first stages of a task: its model, its whole settings, what is wrong with them, what should be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from shared.core.conditions import makes_own_mask
from shared.core.contracts import FamilyHandler
from shared.core.errors import ModelNotFound, SettingsError
from shared.core.letters import REFERENCE_KEY, SOUND_KEY, first_choice
from shared.core.lora_files import LoraFolder, lora_problems
from shared.core.model_def import ModelDef
from shared.core.params import Param
from shared.core.processors import Processors
from shared.core.settings import DECLARATIONS, canonical, complete, ignored, problems, unknown_keys, upgrade
from shared.engine.generate_prompts import prepared_settings
from shared.engine.postprocess import read_postprocessing
from shared.engine.registry import Registry
from shared.media.names import template_problem

Tell = Callable[[str], None]

_LETTER_USERS = {
    "image_start": ("image_prompt_type", "S"),
    "image_end": ("image_prompt_type", "E"),
    "video_source": ("image_prompt_type", "VL"),
    "image_guide": ("video_prompt_type", "V"),
    "video_guide": ("video_prompt_type", "V"),
    "image_mask": ("video_prompt_type", "A"),
    "video_mask": ("video_prompt_type", "A"),
    "video_guide2": ("video_prompt_type", "+"),
    "image_refs": ("video_prompt_type", "I"),
    "audio_guide": ("audio_prompt_type", "A"),
    "audio_guide2": ("audio_prompt_type", "B"),
}


@dataclass(frozen=True)
class Resolved:
    """A task's model with its handler and the settings it knows, and the task's settings, whole and in today's form."""

    model: ModelDef
    handler: FamilyHandler
    params: Mapping[str, Param]
    settings: dict[str, Any]
    lora_folder: LoraFolder
    processors: Processors


def resolve(given: Mapping[str, Any], registry: Registry) -> Resolved:
    """Find the model and complete the settings with its defaults. Raises ModelNotFound.

    Flag letters that the caller did not give are inferred from the media given.
    """
    model = _find(given, registry)
    settings = complete(upgrade(dict(given), model), model)
    settings |= infer_letters(given, settings, model)
    settings |= repainting(settings)
    settings |= picture_letters(settings)
    if model.get("image_outputs") and not settings.get("image_mode"):
        settings["image_mode"] = 1
    params, folder = registry.params(model), registry.lora_folder(model)
    settings, handler = prepared_settings(settings, folder), registry.handler(model)
    model = with_refiner(model, settings, registry)
    extend = getattr(handler, "for_task", None)
    own = extend(model, settings) if extend else model
    return Resolved(own, handler, params, settings, folder, registry.processors)


def with_refiner(model: ModelDef, settings: Mapping[str, Any], registry: Registry) -> ModelDef:
    """The definition with the refiner that the settings name, itself left out. Raises ModelNotFound."""
    name = str(settings.get("refiner_model") or "")
    if not name or name == model.model_type or not model.get("refiner"):
        return model
    refiner = registry.get(name)
    if refiner.family != model.family:
        raise ModelNotFound(f"refiner_model: {refiner.name} cannot finish what {model.name} begins.")
    return replace(model, model=MappingProxyType({**model.model, "refined_by": refiner}))


def _find(given: Mapping[str, Any], registry: Registry) -> ModelDef:
    try:
        return registry.model_for(given)
    except ModelNotFound:
        # Its definition may have come after this process read them.
        registry.refresh()
        return registry.model_for(given)


def check(resolved: Resolved) -> None:
    """Raise SettingsError with every problem as its own sentence."""
    found = settings_problems(resolved)
    if found:
        raise SettingsError("\n".join(found))


def settings_problems(resolved: Resolved) -> list[str]:
    """Everything that keeps the task from being run, as sentences for the user."""
    model, settings = resolved.model, resolved.settings
    found = problems(settings, model, resolved.params)
    found += [problem for problem in resolved.handler.problems(settings, model) if problem not in found]
    named = {sentence.split(":", 1)[0] for sentence in found}
    if "activated_loras" not in named:
        found += lora_problems(settings, resolved.lora_folder)
    if not {"spatial_upsampling", "temporal_upsampling"} & named:
        try:
            read_postprocessing(settings, resolved.processors)
        except SettingsError as error:
            found.append(str(error))
    found += pass_problems(settings, resolved.params)
    name_problem = template_problem(str(settings.get("output_filename") or ""))
    return [*found, name_problem] if name_problem else found


def pass_problems(settings: Mapping[str, Any], params: Mapping[str, Param]) -> list[str]:
    """What is wrong with the settings of the passes of `enhance`, as sentences."""
    found = []
    passes = settings.get("enhance") if "enhance" in params else None
    for number, wanted in enumerate(passes if isinstance(passes, (list, tuple)) else (), start=1):
        for name, value in wanted.items() if isinstance(wanted, Mapping) else ():
            param = params.get(name)
            problem = f"{name}: this model has no such setting." if param is None else param.check(value)
            if problem:
                found.append(f"enhance: pass {number}: {problem}")
    if passes and not settings.get("image_mode"):
        found.append("enhance: it is for single pictures. Set image_mode to 1.")
    return found


def tell_ignored(resolved: Resolved, given: Mapping[str, Any], tell: Tell) -> None:
    """Say which settings have no effect: unknown ones, those the model lacks, media without their letter."""
    for name in unknown_keys(given, resolved.params):
        tell(f"{name}: no setting has this name; it has no effect.")
    for sentence in ignored(resolved.settings, resolved.params):
        tell(sentence)
    for sentence in unused_media(resolved.settings):
        tell(sentence)


def unused_media(settings: Mapping[str, Any]) -> list[str]:
    """A sentence for each picture or clip given whose flag letter is not set."""
    found = []
    for name, (flag, letters) in _LETTER_USERS.items():
        has_letter = any(letter in (settings.get(flag) or "") for letter in letters)
        if _is_given(settings.get(name)) and not has_letter:
            found.append(f"{name}: it is not used, because {flag} has no letter {letters[0]}.")
        elif _is_given(settings.get(name)) and settings.get("image_mode") and flag == "image_prompt_type":
            found.append(f"{name}: it is not used for a single picture.")
    if "S" in (settings.get("image_prompt_type") or "") and _continues(settings) and _is_given(settings["image_start"]):
        found.append("image_start: it is not used, because the clip goes on from video_source.")
    strength = float(settings.get("denoising_strength", 1.0))
    if strength < 1 and "V" not in (settings.get("video_prompt_type") or "") and not settings.get("enhance"):
        found.append(f"denoising_strength: {strength:g} has no effect without a control picture or clip.")
    return found


def _continues(settings: Mapping[str, Any]) -> bool:
    return bool(set("VL") & set(settings.get("image_prompt_type") or "")) and not settings.get("image_mode")


def infer_letters(given: Mapping[str, Any], settings: Mapping[str, Any], model: ModelDef) -> dict[str, str]:
    """The flag settings that the caller left out, with the letters of the media that were given added.

    For references and sounds these are the first letters offered that use them.
    """
    inferred: dict[str, str] = {}
    said = {name for name, value in given.items() if value is not None}
    named = {name for name, param in DECLARATIONS.items() if {name, *param.aliases} & said}
    for name, (flag, letters) in _LETTER_USERS.items():
        present = inferred.get(flag, settings.get(flag) or "")
        if flag in named or not _is_given(settings.get(name)) or any(letter in present for letter in letters):
            continue
        if name == "image_start" and _is_given(settings.get("video_source")):
            continue
        key = {"image_refs": REFERENCE_KEY, "audio_guide": SOUND_KEY, "audio_guide2": SOUND_KEY}.get(name)
        added = (first_choice(model, key, letters[0]) if key else "") or letters[0]
        inferred[flag] = present + "".join(letter for letter in added if letter not in present)
    return inferred


def repainting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a picture from a picture needs: the start image is the control, and its letters say how it is used."""
    letters = settings.get("video_prompt_type") or ""
    is_partial = float(settings.get("denoising_strength", 1.0)) < 1
    changes: dict[str, Any] = {}
    uses_start = settings.get("image_mode") and "V" not in letters and _is_given(settings.get("image_start"))
    is_worked_on = is_partial or _is_given(settings.get("image_mask")) or works_on_a_picture(settings)
    if uses_start and is_worked_on and not _is_given(settings.get("image_guide")):
        starts = settings["image_start"]
        changes["image_guide"] = starts[0] if isinstance(starts, (list, tuple)) else starts
        changes["image_start"] = None
        changes["image_prompt_type"] = str(settings.get("image_prompt_type") or "").replace("S", "")
        letters += "V"
    if "V" in letters and is_partial and not set("GA") & set(letters):
        letters += "G"
    return {**changes, "video_prompt_type": letters}


def picture_letters(settings: Mapping[str, Any]) -> dict[str, str]:
    """The letters that work on a given picture needs, for whoever chose the work and not them."""
    letters = str(settings.get("video_prompt_type") or "")
    if not settings.get("image_mode") or not works_on_a_picture(settings) or not _is_given(settings.get("image_guide")):
        return {}
    takes_mask = _is_given(settings.get("image_mask")) and not settings.get("vary_upscale")
    wanted = "VA" if takes_mask else "V"
    return {"video_prompt_type": letters + "".join(letter for letter in wanted if letter not in letters)}


def works_on_a_picture(settings: Mapping[str, Any]) -> bool:
    """Whether the control picture is varied, enlarged, repainted in place or improved."""
    return any(settings.get(name) for name in ("vary_upscale", "paste_back")) or makes_own_mask(settings)


def own_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """A task's params without what is no setting: the state dict, the caller's wishes."""
    left_out = ("state", "_api", "plugin_data", "priority")
    return {name: value for name, value in params.items() if name not in left_out}


def canonical_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """A task's settings under today's names, without any model's defaults."""
    return canonical(own_settings(params))


def _is_given(value: Any) -> bool:
    return value is not None and not (isinstance(value, (str, list, tuple)) and not len(value))
