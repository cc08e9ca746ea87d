"""Which weights are quantised and where all of them live, decided from their sizes and the memory there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from shared.core.contracts import LoadOptions
from shared.core.errors import SettingsError
from shared.core.weight_sizes import QUANTISED_BYTES, PartSize

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

Placement = Literal["resident", "streamed"]

RESIDENT_PROFILES = (1, 3, 3.5)
ROOM_FOR_ACTIVATIONS = 0.75
# Main memory that weights may take of what is free.
ROOM_IN_RAM = 0.85
FEW_BYTES = 2 * 2**30
_WHOLE = ("", "none", "no", "bf16", "bfloat16", "fp16", "float16", "fp32", "float32")
_SHORT_NAMES = {"quanto_int8": "int8", "quanto": "int8", "8bit": "int8", "4bit": "int4", "float8": "fp8"}
KINDS = tuple(QUANTISED_BYTES)
_ITEM_SIZES = {"float32": 4, "fp32": 4, "32": 4}


@dataclass(frozen=True)
class Room:
    """Bytes that may be used: `device` on the card (None: the model runs in main memory), `ram` in main memory."""

    device: float | None
    ram: float


@dataclass(frozen=True)
class WeightPlan:
    """`kinds` names the quantised parts; `device_bytes` and `ram_bytes` are what the weights take there.

    `fits` is whether that leaves room for the rest, in the way that the profile asks for.
    """

    placement: Placement
    device_bytes: float
    ram_bytes: float
    kinds: Mapping[str, str] = field(default_factory=dict)
    fits: bool = True


def quantisation_kind(name: str) -> str:
    """A quantisation's name as one of KINDS; "" for none. Raises SettingsError for one that is not known."""
    lowered = name.strip().lower()
    lowered = _SHORT_NAMES.get(lowered, lowered)
    if lowered in _WHOLE:
        return ""
    if lowered not in KINDS:
        raise SettingsError(f'quantization: "{name}" is no kind of weights. Use {", ".join(KINDS)} or bf16.')
    return lowered


def plan_weights(sizes: Mapping[str, PartSize], model: ModelDef, options: LoadOptions, room: Room) -> WeightPlan:
    """Where weights of these sizes go.

    The definition's `quantization` (a kind, or one by part) always holds; so does the kind of the options for the
    denoisers of a definition that says `auto_quantize`. Otherwise the kinds of the options are for weights that would
    not fit: first the text encoders', then the denoisers' too. What fits not even so is planned with all of them.
    """
    text, main = quantisation_kind(options.text_encoder_quantization), quantisation_kind(options.quantization)
    always = _wish(sizes, model, is_denoiser, main) if model.get("auto_quantize") else {}
    kinds = {**always, **_fixed_kinds(sizes, model)}
    wishes = [{}, _wish(sizes, model, is_text_encoder, text), _wish(sizes, model, is_denoiser, main)]
    for wish in wishes:
        kinds = {**wish, **kinds}
        by_part = {
            part: size.bytes_as(item_size(part, model, options), kinds.get(part, "")) for part, size in sizes.items()
        }
        plan = place_weights(by_part, options, room, kinds)
        if plan.fits:
            break
    return plan


def item_size(part: str, model: ModelDef, options: LoadOptions) -> float:
    """Bytes a parameter of a part that is not quantised."""
    on_accelerator = not options.device.startswith("cpu")
    name = options.dtype or (str(model.get("dtype") or "bfloat16") if on_accelerator else "float32")
    if part == "vae":
        name = options.vae_dtype or (str(model.get("vae_dtype") or name) if on_accelerator else name)
    return _ITEM_SIZES.get(name, 2)


def is_denoiser(part: str) -> bool:
    """Whether a part of this name is run at every step."""
    return part.removeprefix("unconditional_").startswith(("transformer", "unet", "prior", "checkpoint", "controlnet"))


def is_text_encoder(part: str) -> bool:
    """Whether a part of this name reads the prompt."""
    return part.startswith(("text_encoder", "mllm", "llm", "language_model"))


def place_weights(
    by_part: Mapping[str, float], options: LoadOptions, room: Room, kinds: Mapping[str, str] | None = None
) -> WeightPlan:
    """Where weights of so many bytes go: on the card, or streamed to it from main memory."""
    kinds = kinds or {}
    total = sum(by_part.values())
    fits_ram = total <= ROOM_IN_RAM * room.ram
    if room.device is None:
        return WeightPlan("resident", total, total, kinds, fits_ram)
    fits = total < ROOM_FOR_ACTIVATIONS * room.device
    wants_to_stay = options.profile in RESIDENT_PROFILES and not options.leaner
    if wants_to_stay and (fits or options.profile == 1):
        return WeightPlan("resident", total, 0.0, kinds, fits)
    if fits and not options.leaner and (options.profile == -1 or total < FEW_BYTES):
        return WeightPlan("resident", total, 0.0, kinds, True)
    return WeightPlan(
        "streamed", streamed_bytes(by_part, options, room.device), total, kinds, fits_ram and not wants_to_stay
    )


def streamed_bytes(by_part: Mapping[str, float], options: LoadOptions, free: float) -> float:
    """What streamed weights take of the card at once: the budget of the largest part, twice with transfers ahead."""
    profile, preload = options.profile, options.preload_mb * 2**20
    ahead = 1 if profile in (4.5, 5) or options.leaner else 2
    peak = 0.0
    for part, size in by_part.items():
        budget = max(preload, _BUDGETS_MB["transformer"] * 2**20) if is_denoiser(part) else _other_budget(part, profile)
        # A block is moved whole: at the least one in forty of the part, the share of a block in deep models.
        peak = max(peak, min(size, ahead * max(budget, size / 40)))
    return min(peak, options.vram_share * free) if free else peak


_BUDGETS_MB: Mapping[str, float] = {"transformer": 100, "text_encoder": 100, "*": 3000, "*5": 1000}


def budgets_mb(profile: float, preload_mb: float) -> dict[str, float]:
    """WanGP's budgets of a streaming profile in MB: denoisers (or what is preloaded), text encoders, the rest."""
    denoiser = preload_mb or _BUDGETS_MB["transformer"]
    rest = _BUDGETS_MB["*5"] if profile == 5 else _BUDGETS_MB["*"]
    return {"transformer": denoiser, "transformer_2": denoiser, "text_encoder": _BUDGETS_MB["text_encoder"], "*": rest}


def _other_budget(part: str, profile: float) -> float:
    name = "text_encoder" if is_text_encoder(part) else "*5" if profile == 5 else "*"
    return _BUDGETS_MB[name] * 2**20


def _fixed_kinds(sizes: Mapping[str, PartSize], model: ModelDef) -> dict[str, str]:
    given = model.get("quantization") or {}
    if isinstance(given, str):
        given = dict.fromkeys(_denoisers(sizes), given)
    found = {part: quantisation_kind(str(kind)) for part, kind in given.items() if part in sizes}
    return {part: kind for part, kind in found.items() if not (kind and sizes[part].is_quantised)}


def _wish(
    sizes: Mapping[str, PartSize], model: ModelDef, is_of_kind: Callable[[str], bool], kind: str
) -> dict[str, str]:
    given = model.get("quantization")
    excluded = set(given) if isinstance(given, dict) else {"checkpoint"}
    parts = [part for part, size in sizes.items() if is_of_kind(part) and not size.is_quantised]
    return {part: kind for part in parts if kind and part not in excluded}


def _denoisers(sizes: Mapping[str, PartSize]) -> list[str]:
    return [part for part in sizes if is_denoiser(part)]
