"""The declarations as one model has them: which settings apply, with its own bounds, choices and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.letters import sound_letters, video_letters
from shared.core.params import Param
from shared.core.vocabulary import DECLARATIONS

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


def params_of(model: ModelDef, declarations: Mapping[str, Param] = DECLARATIONS) -> dict[str, Param]:
    """The settings of a model by name, as its definition and its defaults describe them."""
    lacking = set() if "G" in video_letters(model) else {"denoising_strength"}
    return {
        name: _tailored(param, model)
        for name, param in declarations.items()
        if param.applies(model) and name not in lacking
    }


def _tailored(param: Param, model: ModelDef) -> Param:
    tailor = _TAILORS.get(param.name)
    changes = dict(tailor(param, model)) if tailor else {}
    default = model.defaults.get(param.name)
    if default is not None:
        changes["default"] = default
    return param.with_changes(**changes) if changes else param


def _length(param: Param, model: ModelDef) -> Mapping[str, Any]:
    longest = model.get("frames_maximum", param.maximum)
    return {
        "minimum": model.frames_minimum,
        "step": model.frames_steps,
        "maximum": longest,
        "accepts": f'a number of frames from {model.frames_minimum} to {longest}, or a duration such as "5s"',
    }


def _resolutions(param: Param, model: ModelDef) -> Mapping[str, Any]:
    choices = _pairs(model.get("resolutions"))
    return {"choices": choices} if choices else {}


def _image_modes(param: Param, model: ModelDef) -> Mapping[str, Any]:
    labels = {value: label for label, value in param.choices}
    values = [0] if model.makes_video else []
    if model.makes_images:
        values.append(1)
    if model.get("inpaint_support"):
        values.append(2)
    return {"choices": tuple((labels[value], value) for value in values)} if values else {}


def _solvers(param: Param, model: ModelDef) -> Mapping[str, Any]:
    solvers = _pairs(model.get("sample_solvers"))
    empty = any(value == "" for _, value in solvers)
    return {"choices": solvers if empty else (*param.choices, *solvers)}


def _schedules(param: Param, model: ModelDef) -> Mapping[str, Any]:
    return {"choices": _pairs(model.get("noise_schedules"))}


def _model_modes(param: Param, model: ModelDef) -> Mapping[str, Any]:
    modes = model.get("model_modes")
    choices = _pairs(modes.get("choices") if isinstance(modes, Mapping) else modes)
    return {"type": "choice", "choices": choices, "accepts": "", "label": _label(modes, param)} if choices else {}


def _starts(param: Param, model: ModelDef) -> Mapping[str, Any]:
    allowed = str(model.get("image_prompt_types_allowed") or "")
    return {"choices": tuple(choice for choice in param.choices if choice[1] in allowed)}


def _letters(offered: Callable[[ModelDef], str]) -> Callable[[Param, ModelDef], Mapping[str, Any]]:
    def tailor(param: Param, model: ModelDef) -> Mapping[str, Any]:
        letters = offered(model)
        return {"choices": tuple(choice for choice in param.choices if choice[1] in letters)}

    return tailor


def _prompt_modes(param: Param, model: ModelDef) -> Mapping[str, Any]:
    if model.get("sliding_window"):
        return {}
    return {"choices": tuple(choice for choice in param.choices if choice[1] not in ("W", "PW"))}


def _phases(param: Param, model: ModelDef) -> Mapping[str, Any]:
    return {"maximum": int(model.get("guidance_max_phases", 1))}


def _caches(param: Param, model: ModelDef) -> Mapping[str, Any]:
    has = {value: value == "" or bool(model.get(f"{value}_cache")) for _, value in param.choices}
    return {"choices": tuple(choice for choice in param.choices if has[choice[1]])}


def _windows(kind: str) -> Callable[[Param, ModelDef], Mapping[str, Any]]:
    def tailor(param: Param, model: ModelDef) -> Mapping[str, Any]:
        rule = model.get("sliding_window_defaults") or {}
        names = {"minimum": f"{kind}_min", "maximum": f"{kind}_max", "step": f"{kind}_step"}
        return {name: rule[key] for name, key in names.items() if key in rule}

    return tailor


def _discard(param: Param, model: ModelDef) -> Mapping[str, Any]:
    return {"step": model.frames_steps}


def _batch(param: Param, model: ModelDef) -> Mapping[str, Any]:
    changes = {"maximum": int(model.get("image_batch_size_max", param.maximum))}
    return {**changes, "label": str(model.get("batch_size_label", param.label))}


def _custom_guide(param: Param, model: ModelDef) -> Mapping[str, Any]:
    described = model.get("custom_guide")
    if not isinstance(described, Mapping):
        return {}
    return {"label": _label(described, param), "kind": described.get("kind", param.kind)}


def _control_name(key: str) -> Callable[[Param, ModelDef], Mapping[str, Any]]:
    def tailor(param: Param, model: ModelDef) -> Mapping[str, Any]:
        name = model.get(key)
        return {"label": f"{name} strength"} if isinstance(name, str) else {}

    return tailor


def _pairs(choices: Any) -> tuple[tuple[str, Any], ...]:
    """(label, value) pairs of a list of pairs or of bare values."""
    if not isinstance(choices, (list, tuple)):
        return ()
    return tuple(
        (str(item[0]), item[1]) if isinstance(item, (list, tuple)) and len(item) > 1 else (str(item), item)
        for item in choices
    )


def _label(source: Any, param: Param) -> str:
    return str(source.get("label") or param.label) if isinstance(source, Mapping) else param.label


_TAILORS: Mapping[str, Callable[[Param, ModelDef], Mapping[str, Any]]] = MappingProxyType(
    {
        "video_length": _length,
        "resolution": _resolutions,
        "image_mode": _image_modes,
        "sample_solver": _solvers,
        "noise_schedule": _schedules,
        "model_mode": _model_modes,
        "image_prompt_type": _starts,
        "video_prompt_type": _letters(video_letters),
        "audio_prompt_type": _letters(sound_letters),
        "multi_prompts_gen_type": _prompt_modes,
        "guidance_phases": _phases,
        "skip_steps_cache_type": _caches,
        "sliding_window_size": _windows("window"),
        "sliding_window_overlap": _windows("overlap"),
        "sliding_window_discard_last_frames": _discard,
        "batch_size": _batch,
        "custom_guide": _custom_guide,
        "control_net_weight": _control_name("control_net_weight_name"),
        "control_net_weight_alt": _control_name("control_net_weight_alt_name"),
    }
)
