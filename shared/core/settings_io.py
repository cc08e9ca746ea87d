"""Settings as files: the object that WanGP and its clients export and read (wangp.md 3.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from shared.core.errors import SettingsError
from shared.core.model_params import params_of
from shared.core.params import Param
from shared.core.settings_upgrade import fit_to_model, upgrade
from shared.core.version import VERSION
from shared.core.vocabulary import DECLARATIONS, FILE_KEYS, OUTPUT_KEYS, SETTINGS_VERSION, canonical

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_LEFT_OUT_WHEN_NEUTRAL = frozenset({
    "client_id", "mode", "output_filename", "config", "override_profile", "override_attention", "custom_settings",
    "styles", "wildcards_in_order", "fixed_seed", "sharpness", "adaptive_cfg", "adm_scaler_positive",
    "adm_scaler_negative", "noise_schedule", "performance", "clip_skip", "vae_file", "refiner_model", "freeu",
    "control_softness", "vary_upscale", "paste_back", "keep_initial_latent", "invert_mask", "mask_model", "enhance",
    "image_format", "metadata_scheme",
})  # fmt: skip


def export_settings(
    settings: Mapping[str, Any], model: ModelDef, params: Mapping[str, Param] | None = None
) -> dict[str, Any]:
    """What the model uses of the settings, as the object of a settings file.

    Media, settings that the model lacks or that have no effect beside the others, and what is empty are left out.
    Keys that nobody knows are kept, as far as JSON can hold them.
    """
    own = params_of(model) if params is None else params
    given = canonical(settings, own)
    result: dict[str, Any] = {"type": f"WanGP v{VERSION} by DeepBeepMeep - {model.name}"}
    result["settings_version"] = SETTINGS_VERSION
    result["model_type"] = model.model_type
    if model.base_model_type != model.model_type:
        result["base_model_type"] = model.base_model_type
    result["model_filename"] = _file_name(model)
    for name, param in own.items():
        if name in given and name not in result and _is_worth_keeping(param, given):
            result[name] = given[name]
    for name, value in given.items():
        is_known = name in DECLARATIONS or name in own or name in FILE_KEYS or name in OUTPUT_KEYS
        if not is_known and value is not None and _fits_json(value):
            result[name] = value
    return result


def import_settings(source: Any, model: ModelDef) -> dict[str, Any]:
    """Complete settings of `model` from the object of a settings file: what it leaves out is the model's default.

    The object may be of an earlier version or made for another model. Raises SettingsError when it is no object.
    """
    if not isinstance(source, Mapping):
        raise SettingsError(f"A settings file holds one JSON object; this one holds {type(source).__name__}.")
    given = {key: value for key, value in source.items() if key not in OUTPUT_KEYS and key != "type"}
    fitted = fit_to_model(upgrade(given, model), model)
    if fitted.get("activated_loras") and not source.get("loras_multipliers"):
        fitted["loras_multipliers"] = ""
    result = model.default_settings()
    result.update({key: value for key, value in fitted.items() if value is not None})
    result.pop("model_filename", None)
    result.pop("base_model_type", None)
    result["model_type"] = model.model_type
    return result


def read_settings_file(path: str | PathLike[str]) -> Any:
    """The JSON of a file. Raises SettingsError that names the file and the line."""
    try:
        with open(path, "rb") as stream:
            return json.loads(stream.read().decode("utf-8-sig"))
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise SettingsError(f"{path} could not be read: {exc.strerror or exc}.") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{path} is no JSON file: it holds bytes that are no text.") from exc
    except json.JSONDecodeError as exc:
        raise SettingsError(f"{path} is no JSON file: line {exc.lineno}, {exc.msg}.") from exc


def is_settings_object(value: Any) -> bool:
    """Whether an object found in an output file is WanGP's."""
    return isinstance(value, Mapping) and "WanGP" in str(value.get("type", ""))


def _is_worth_keeping(param: Param, settings: Mapping[str, Any]) -> bool:
    value = settings[param.name]
    if value is None or param.is_media or not param.visible_if(settings):
        return False
    if param.name in _LEFT_OUT_WHEN_NEUTRAL and param.is_neutral(value):
        return False
    if param.type == "letters" and value == "" and param.default == "":
        return False
    return not (param.name == "activated_loras" and not value)


def _file_name(model: ModelDef) -> str:
    urls = model.get("URLs")
    first = urls[0] if isinstance(urls, (list, tuple)) and urls else urls
    return str(first or "").split("|", 1)[0].rsplit("/", 1)[-1]


def _fits_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
