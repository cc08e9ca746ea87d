"""A picture's settings as other programs write them: Fooocus' JSON, and the plain text of A1111. Both ways."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from shared.core.lora_multipliers import split_tokens
from shared.core.params import number_text
from shared.core.picture_sizes import fold_seed
from shared.core.sampler_names import SAMPLERS, SCHEDULES
from shared.core.version import VERSION
from shared.core.vocabulary import DECLARATIONS, canonical

SCHEMES = ("fooocus", "a1111")
SOFTWARE = f"WanGP v{VERSION}"

Size = tuple[int, int]

_SUFFIXES = {"karras": " Karras", "exponential": " Exponential"}
_PAIR = re.compile(r'\s*([\w \-/]+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')


def scheme_text(settings: Mapping[str, Any], scheme: str, size: Size) -> str:
    """The text of a picture of `size` in a scheme of `SCHEMES`."""
    return _fooocus_text(settings, size) if scheme == "fooocus" else _a1111_text(settings, size)


def settings_from_scheme(text: str) -> dict[str, Any] | None:
    """The settings that a text of either scheme stands for; None for another text. What this program does not accept
    is left out."""
    found = _from_json(text) if text.lstrip().startswith("{") else _from_infotext(text)
    if not found:
        return None
    known = canonical({name: value for name, value in found.items() if value is not None})
    return {name: value for name, value in known.items() if _is_accepted(name, value)}


def _is_accepted(name: str, value: Any) -> bool:
    """Whether it is a value of the setting; solvers and schedules are those of SDXL, which wrote the picture."""
    own = {"sample_solver": SAMPLERS, "noise_schedule": SCHEDULES}.get(name)
    if own is not None:
        return bool(value) and value in [choice for _, choice in own]
    return DECLARATIONS[name].check(value) is None


def _fooocus_text(settings: Mapping[str, Any], size: Size) -> str:
    told = settings.get
    loras = _loras(settings)
    data: dict[str, Any] = {
        "prompt": told("prompt") or "",
        "negative_prompt": told("negative_prompt") or "",
        "prompt_expansion": told("prompt_expansion") or "",
        "styles": str(list(told("styles") or [])),
        "performance": told("performance") or "Speed",
        "steps": told("num_inference_steps") or 0,
        "resolution": str(size),
        "guidance_scale": told("guidance_scale") or 1.0,
        "sharpness": told("sharpness") or 0.0,
        "adm_guidance": str(tuple(float(told(f"adm_scaler_{name}", usual)) for name, usual in _ADM)),
        "base_model": told("model_type") or "",
        "base_model_hash": "",
        "refiner_model": told("refiner_model") or "None",
        "refiner_switch": told("refiner_switch") or 1.0,
        "clip_skip": told("clip_skip") or 2,
        "adaptive_cfg": told("adaptive_cfg") or 0.0,
        "sampler": told("sample_solver") or "",
        "scheduler": told("noise_schedule") or "",
        "vae": told("vae_file") or "Default (model)",
        "seed": str(told("seed", -1)),
        "loras": [[name, strength, ""] for name, strength in loras],
        "full_prompt": [told("full_prompt") or told("prompt") or ""],
        "full_negative_prompt": [told("full_negative_prompt") or told("negative_prompt") or ""],
        "metadata_scheme": "fooocus",
        "version": SOFTWARE,
    }
    if told("freeu"):
        data["freeu"] = str(tuple(float(told(f"freeu_{name}") or 0) for name in ("b1", "b2", "s1", "s2")))
    data |= {f"lora_combined_{number}": f"{name} : {value:g}" for number, (name, value) in enumerate(loras, start=1)}
    return json.dumps(dict(sorted(data.items())))


def _a1111_text(settings: Mapping[str, Any], size: Size) -> str:
    told = settings.get
    solver, schedule = str(told("sample_solver") or ""), str(told("noise_schedule") or "")
    label = next((label.removesuffix(" (gpu)") for label, value in SAMPLERS if value == solver), solver)
    tags = "".join(f" <lora:{PurePath(name).stem}:{value:g}>" for name, value in _loras(settings))
    pairs = {
        "Steps": told("num_inference_steps"),
        "Sampler": (label + _SUFFIXES.get(schedule, "")) if label else None,
        "Schedule type": next((label for label, value in SCHEDULES if value == schedule and value), None),
        "CFG scale": told("guidance_scale"),
        "Seed": told("seed"),
        "Size": f"{size[0]}x{size[1]}",
        "Model": told("model_type"),
        "Clip skip": told("clip_skip"),
        "Denoising strength": told("denoising_strength") if (told("denoising_strength") or 1) < 1 else None,
        "Sharpness": told("sharpness"),
        "Styles": str(list(told("styles") or [])) if told("styles") else None,
        "Performance": told("performance"),
        "Raw prompt": told("prompt") if told("full_prompt") else None,
        "Raw negative prompt": told("negative_prompt") if told("full_negative_prompt") else None,
        "Version": SOFTWARE,
    }
    lines = [f"{told('full_prompt') or told('prompt') or ''}{tags}"]
    if avoided := told("full_negative_prompt") or told("negative_prompt"):
        lines.append(f"Negative prompt: {avoided}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value not in (None, "")))
    return "\n".join(lines)


_ADM = (("positive", 1.0), ("negative", 1.0), ("end", 0.3))


def _loras(settings: Mapping[str, Any]) -> list[tuple[str, float]]:
    names = [str(name) for name in settings.get("activated_loras") or []]
    strengths = split_tokens(str(settings.get("loras_multipliers") or ""))
    values = [re.match(r"[\d.]+", token) for token in strengths]
    numbers = [float(found[0]) if found else 1.0 for found in values] + [1.0] * len(names)
    return [(PurePath(name.split("|")[0]).name, number) for name, number in zip(names, numbers, strict=False)]


def _from_json(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    # This program's own settings have a model_type, and may name the scheme too.
    if not isinstance(data, dict) or "base_model" not in data or "model_type" in data:
        return None
    loras = data.get("loras")
    pairs = [(str(one[0]), one[1]) for one in loras] if isinstance(loras, list) else _combined(data)
    found = _shared(
        {name: data.get(key) for name, key in _FOOOCUS_KEYS.items()}
        | {"styles": _literal(data.get("styles")), "resolution": _resolution(data.get("resolution"))}
    )
    found |= _numbers("adm_scaler", ("positive", "negative", "end"), _literal(data.get("adm_guidance")))
    found |= _numbers("freeu", ("b1", "b2", "s1", "s2"), _literal(data.get("freeu")))
    if data.get("freeu"):
        found["freeu"] = 1
    return found | _as_loras(pairs)


_FOOOCUS_KEYS = {
    "prompt": "prompt", "negative_prompt": "negative_prompt", "performance": "performance",
    "num_inference_steps": "steps", "guidance_scale": "guidance_scale", "sharpness": "sharpness",
    "refiner_switch": "refiner_switch", "clip_skip": "clip_skip", "adaptive_cfg": "adaptive_cfg",
    "sample_solver": "sampler", "noise_schedule": "scheduler", "seed": "seed",
}  # fmt: skip


def _combined(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    texts = [value for key, value in sorted(data.items()) if key.startswith("lora_combined_")]
    pairs = [str(text).rpartition(" : ") for text in texts]
    return [(name, strength) for name, _, strength in pairs if name and name != "None"]


def _from_infotext(text: str) -> dict[str, Any] | None:
    lines = text.strip().splitlines()
    place = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].startswith("Steps:")), None)
    if place is None:
        return None
    pairs = {name.strip(): _unquoted(value) for name, value in _PAIR.findall(", ".join(lines[place:]))}
    prompt, _, negative = "\n".join(lines[:place]).partition("Negative prompt:")
    solver, schedule = _sampler(pairs.get("Sampler", ""), pairs.get("Schedule type", ""))
    return _shared(
        {
            "prompt": pairs.get("Raw prompt") or prompt.strip(),
            "negative_prompt": pairs.get("Raw negative prompt") or negative.strip(),
            "styles": _literal(pairs.get("Styles")),
            "num_inference_steps": pairs.get("Steps"), "guidance_scale": pairs.get("CFG scale"),
            "seed": pairs.get("Seed"), "resolution": pairs.get("Size"), "clip_skip": pairs.get("Clip skip"),
            "sharpness": pairs.get("Sharpness"), "performance": pairs.get("Performance"),
            "denoising_strength": pairs.get("Denoising strength"),
            "sample_solver": solver, "noise_schedule": schedule,
        }
    )  # fmt: skip


def _sampler(name: str, schedule: str) -> tuple[str, str]:
    """The solver and the schedule of "DPM++ 2M SDE Karras" and its like, or of this program's own names."""
    found = next((value for label, value in SCHEDULES if value and schedule in (label, value)), "")
    for value, suffix in _SUFFIXES.items():
        if name.endswith(suffix):
            name, found = name.removesuffix(suffix), found or value
    solver = next((value for label, value in SAMPLERS if name in (label, value)), "")
    return solver, found


def _shared(found: dict[str, Any]) -> dict[str, Any]:
    """The values in the types of the settings; a seed of any size is folded."""
    for name, value in found.items():
        param = DECLARATIONS[name]
        if isinstance(value, str) and param.type in ("int", "float"):
            found[name] = _number(value)
    if isinstance(found.get("seed"), (int, float)):
        found["seed"] = fold_seed(int(found["seed"]))
    return found


def _number(text: str) -> int | float | None:
    try:
        return int(text) if re.fullmatch(r"\s*-?\d+\s*", text) else float(text)
    except ValueError:
        return None


def _numbers(start: str, names: tuple[str, ...], values: Any) -> dict[str, Any]:
    if not isinstance(values, (tuple, list)) or len(values) != len(names):
        return {}
    return {f"{start}_{name}": value for name, value in zip(names, values, strict=True)}


def _as_loras(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if not pairs:
        return {}
    strengths = [_number(str(value)) for _, value in pairs]
    return {
        "activated_loras": [name for name, _ in pairs],
        "loras_multipliers": " ".join(number_text(1.0 if value is None else value) for value in strengths),
    }


def _resolution(value: Any) -> str | None:
    pair = _literal(value)
    return f"{pair[0]}x{pair[1]}" if isinstance(pair, (tuple, list)) and len(pair) == 2 else None


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _quoted(value: Any) -> str:
    text = number_text(value) if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n]', text) else text


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text.strip('"')
    return text.strip()
