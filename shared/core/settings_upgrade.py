"""Settings files of earlier versions brought to today's form (wangp.md 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.core.vocabulary import SETTINGS_VERSION, canonical

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

Migration = Callable[[dict[str, Any], "ModelDef | None"], None]


def upgrade(settings: Mapping[str, Any], model: ModelDef | None = None) -> dict[str, Any]:
    """The settings in today's form, with today's `settings_version`.

    Earlier names and forms are always converted. What only an earlier version of the file can mean is converted up
    to the file's `settings_version`; a dict without one counts as today's. A file of an earlier version is also
    fitted to the model, see `fit_to_model`.
    """
    version = version_of(settings)
    result = canonical(settings)
    result.pop("lset_name", None)
    _name_own_settings(result, model)
    for until, migrate in _MIGRATIONS:
        if version < until:
            migrate(result, model)
    if version < SETTINGS_VERSION and model is not None:
        result = fit_to_model(result, model)
    result["settings_version"] = SETTINGS_VERSION
    return result


def version_of(settings: Mapping[str, Any]) -> float:
    """The `settings_version` of a dict; today's where it has none that can be read."""
    value = settings.get("settings_version")
    try:
        return float(value) if value is not None else SETTINGS_VERSION
    except (TypeError, ValueError):
        return SETTINGS_VERSION


def fit_to_model(settings: Mapping[str, Any], model: ModelDef) -> dict[str, Any]:
    """Settings that were made for another model, with the flag letters and prompt modes that this one has."""
    result = dict(settings)
    letters = result.get("image_prompt_type")
    if isinstance(letters, str):
        allowed = str(model.get("image_prompt_types_allowed") or "")
        result["image_prompt_type"] = "".join(letter for letter in letters if letter in allowed and letter != "T")
    if result.get("multi_prompts_gen_type") in ("W", "PW") and not model.get("sliding_window"):
        result["multi_prompts_gen_type"] = "G"
    control = result.get("video_prompt_type")
    if isinstance(control, str):
        result["video_prompt_type"] = _with_reference_letters(control, model)
    return result


def _with_reference_letters(letters: str, model: ModelDef) -> str:
    choices = (model.get("image_ref_choices") or {}).get("choices") or []
    if not choices:
        return letters.replace("K", "").replace("I", "")
    first = str(choices[0][1])
    if "I" in first and "I" not in letters:
        return letters + "".join(letter for letter in first if letter in "KI" and letter not in letters)
    return letters


def _name_own_settings(settings: dict[str, Any], model: ModelDef | None) -> None:
    """What was one model's own setting and has become one of all."""
    own = settings.get("custom_settings")
    if not isinstance(own, Mapping) or model is None or not model.get("noise_schedules"):
        return
    left = {name: value for name, value in own.items() if name not in ("scheduler", "clip_skip")}
    if own.get("scheduler"):
        settings.setdefault("noise_schedule", own["scheduler"])
    if isinstance(own.get("clip_skip"), int):
        settings.setdefault("clip_skip", own["clip_skip"] + 2)
    settings["custom_settings"] = left


def _drop_legacy_start(settings: dict[str, Any], model: ModelDef | None) -> None:
    letters = settings.get("image_prompt_type")
    if isinstance(letters, str):
        settings["image_prompt_type"] = letters.replace("G", "")


def _drive_by_sound(settings: dict[str, Any], model: ModelDef | None) -> None:
    if model is not None and model.get("any_audio_prompt"):
        settings["audio_prompt_type"] = _with_letter(settings.get("audio_prompt_type"), "A")


def _drop_background_noise(settings: dict[str, Any], model: ModelDef | None) -> None:
    if model is not None and model.get("any_audio_prompt"):
        settings["audio_prompt_type"] = _with_letter(settings.get("audio_prompt_type"), "V")


def _split_background_removal(settings: dict[str, Any], model: ModelDef | None) -> None:
    value = settings.get("remove_background_images_ref")
    if value is None:
        return
    letters = settings.get("video_prompt_type")
    if value == 2 and isinstance(letters, str) and "I" in letters and "K" not in letters:
        settings["video_prompt_type"] = letters.replace("I", "KI")
    settings["remove_background_images_ref"] = int(bool(value))


def _keep_background_of(architecture: str) -> Migration:
    def migrate(settings: dict[str, Any], model: ModelDef | None) -> None:
        letters = settings.get("video_prompt_type")
        is_meant = model is not None and model.architecture == architecture
        if is_meant and isinstance(letters, str) and "I" in letters and "K" not in letters:
            settings["video_prompt_type"] = letters.replace("I", "KI")

    return migrate


def _silence_second_scale(settings: dict[str, Any], model: ModelDef | None) -> None:
    settings["alt_scale"] = 0.0


def _add_voice_sample(settings: dict[str, Any], model: ModelDef | None) -> None:
    settings.setdefault("replace_voice_sample", None)


def _name_enhanced_text(settings: dict[str, Any], model: ModelDef | None) -> None:
    if settings.get("prompt_enhancer") in ("I", "IK"):
        settings["prompt_enhancer"] = "T" + settings["prompt_enhancer"]


def _with_letter(letters: Any, letter: str) -> str:
    text = letters if isinstance(letters, str) else ""
    return text if letter in text else text + letter


# (first version that no longer needs it, what it does), in the order of the versions.
_MIGRATIONS: tuple[tuple[float, Migration], ...] = (
    (2.01, _drop_legacy_start),
    (2.2, _drive_by_sound),
    (2.22, _split_background_removal),
    (2.23, _keep_background_of("flux")),
    (2.26, _keep_background_of("hunyuan_avatar")),
    (2.35, _drop_background_noise),
    (2.55, _silence_second_scale),
    (2.60, _add_voice_sample),
    (2.61, _name_enhanced_text),
)
