"""What a task will take of the machine's memory, computed before anything is loaded and without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.core.contracts import LoadOptions
from shared.core.errors import OutOfMemory, WanGPError
from shared.core.memory_needs import ALWAYS_TILED, Shape, activation_bytes, decode_bytes
from shared.core.model_folder import parts_of
from shared.core.weight_plan import Room, WeightPlan, is_denoiser, item_size, plan_weights
from shared.core.weight_sizes import PartSize, part_sizes
from shared.core.weights import Weights, find_weights
from shared.diffusion.machine import card_bytes, main_memory

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

# The estimate may be a fifth too high: only what is short by more is refused, the rest is tried.
_MARGIN = 1.2
_SMALLEST_TILE_PX = 256
_DECODE_ROOM = 0.7


@dataclass(frozen=True)
class Budget:
    """What a task takes at its peak, in bytes: on the card (`on_card`) and in main memory, with what there is."""

    plan: WeightPlan
    run_bytes: float
    room: Room

    @property
    def on_card(self) -> bool:
        """Whether the model runs on a graphics card."""
        return self.room.device is not None

    @property
    def needed(self) -> float:
        """Bytes at the peak where the model runs."""
        return self.plan.device_bytes + self.run_bytes

    @property
    def available(self) -> float:
        """Bytes there are for it."""
        return self.room.ram if self.room.device is None else self.room.device

    @property
    def fits(self) -> bool:
        """Whether the task can be tried."""
        ram_is_short = self.on_card and self.plan.ram_bytes > _MARGIN * self.room.ram
        return self.needed <= _MARGIN * self.available and not ram_is_short

    @property
    def text(self) -> str:
        """The need in a line: "needs 9.8 of 24.0 GB graphics memory"."""
        kind = "graphics memory" if self.on_card else "memory"
        line = f"needs {_gb(self.needed)} of {_gb(self.available)} GB {kind}"
        if self.on_card and self.plan.placement == "streamed":
            line += f", {_gb(self.plan.ram_bytes)} of {_gb(self.room.ram)} GB main memory"
        kinds = sorted({kind for kind in self.plan.kinds.values() if kind})
        return f"{line}, weights in {', '.join(kinds)}" if kinds else line


@dataclass(frozen=True)
class ModelNeeds:
    """What a model on disk needs, whatever is asked of it: the sizes and settings of its parts."""

    model: ModelDef
    sizes: Mapping[str, PartSize]
    denoiser: tuple[str, Mapping[str, Any]]
    vae: tuple[str, Mapping[str, Any]]

    def budget(self, options: LoadOptions, shape: Shape, room: Room) -> Budget:
        """The budget of a run of this shape."""
        plan = plan_weights(self.sizes, self.model, options, room)
        available = room.ram if room.device is None else room.device
        scale = item_size("transformer", self.model, options) / 2
        activations = scale * activation_bytes(self.denoiser[0], self.denoiser[1], self.vae[1], shape)
        return Budget(plan, max(activations, self._decoding(options, shape, available)), room)

    def _decoding(self, options: LoadOptions, shape: Shape, available: float) -> float:
        name, config = self.vae
        itemsize = item_size("vae", self.model, options)
        one = replace(shape, samples=1)
        whole = decode_bytes(name, config, one, itemsize)
        tiled = decode_bytes(name, config, one, itemsize, _SMALLEST_TILE_PX)
        if options.vae_tiling > 1 or options.leaner or name in ALWAYS_TILED:
            return tiled
        return whole if options.vae_tiling == 1 or whole <= _DECODE_ROOM * available else min(whole, tiled)


def model_needs(model: ModelDef, roots: Sequence[str], options: LoadOptions) -> ModelNeeds | None:
    """What the files of a model say it needs; while they are not on disk what its definition knows of its size, and
    None where that is nothing."""
    try:
        weights = find_weights(model, roots, options)
        index = {} if weights.folder is None else _json(weights.folder / "model_index.json")
        sizes = _sizes(weights, json.dumps(index, sort_keys=True))
    except (WanGPError, OSError, ValueError):
        return known_needs(model)
    classes = parts_of(index)
    denoiser = next((part for part in classes if is_denoiser(part)), "")
    found = [(classes.get(part, ("", ""))[1], _config(weights, part)) for part in (denoiser, "vae")]
    return ModelNeeds(model, sizes, found[0], found[1])


def known_needs(model: ModelDef) -> ModelNeeds | None:
    """What a model needs by the sizes that its definition states (`known_parts`)."""
    parts = model.get("known_parts")
    if not isinstance(parts, Mapping) or "vae" not in parts:
        return None
    sizes = {name: PartSize(float(part["parameters"]), 2 * int(part["parameters"])) for name, part in parts.items()}
    nothing: Mapping[str, Any] = {}
    denoiser = next((part for name, part in parts.items() if is_denoiser(name)), nothing)
    found = [(str(part.get("class") or ""), part) for part in (denoiser, parts["vae"])]
    return ModelNeeds(model, sizes, found[0], found[1])


def shape_of(settings: Mapping[str, Any], model: ModelDef, frames: int | None = None) -> Shape | None:
    """What settings ask to be made at once; None for a model without pictures or a resolution that is none."""
    if model.get("audio_only"):
        return None
    width, _, height = str(settings.get("resolution") or "").partition("x")
    if not (width.isdigit() and height.isdigit()):
        return None
    if frames is None:
        frames = int(settings.get("video_length") or 1)
        size = int(settings.get("sliding_window_size") or 0)
        frames = min(frames, size) if model.get("sliding_window") and size else frames
        frames = 1 if settings.get("image_mode") else frames
    samples = int(settings.get("batch_size") or 1) if settings.get("image_mode") else 1
    return Shape(int(width), int(height), max(1, frames), samples, float(settings.get("guidance_scale") or 1) > 1)


def refuse_what_cannot_fit(needs: ModelNeeds, options: LoadOptions, shape: Shape, room: Room) -> Budget:
    """The budget of a task that can be tried. Raises OutOfMemory that says what would fit."""
    budget = needs.budget(options, shape, room)
    if budget.fits:
        return budget
    remedies = [text for text, changed in _remedies(needs, options, shape, room) if changed.fits]
    advice = f" What would fit: {'; '.join(remedies)}." if remedies else " No size or profile of this model would fit."
    raise OutOfMemory(f"This task {budget.text} that is free, too much to try.{advice}")


def _remedies(needs: ModelNeeds, options: LoadOptions, shape: Shape, room: Room) -> Iterator[tuple[str, Budget]]:
    """Ways to ask for less, each with its budget."""
    if room.device is not None:
        for profile in (4.0, 5.0):
            if options.profile in (-1, 1, 2, 3, 3.5) or options.profile < profile:
                leaner = replace(options, profile=profile)
                yield f"override_profile {profile:g}", needs.budget(leaner, shape, room)
    for kind in ("int8", "fp8"):
        if not options.quantization:
            packed = replace(options, quantization=kind, text_encoder_quantization=kind)
            yield f"transformer_quantization {kind}", needs.budget(packed, shape, room)
    for frames in _shorter(needs.model, shape.frames):
        budget = needs.budget(options, replace(shape, frames=frames), room)
        if budget.fits:
            yield f"{frames} frames (video_length or sliding_window_size)", budget
            break
    block = needs.model.block_size
    for percent in (75, 50, 35, 25):
        sides = [max(block, round(side * percent / 100 / block) * block) for side in (shape.width, shape.height)]
        budget = needs.budget(options, replace(shape, width=sides[0], height=sides[1]), room)
        if budget.fits:
            yield f"resolution {sides[0]}x{sides[1]}", budget
            break
    if shape.samples > 1:
        yield "batch_size 1", needs.budget(options, replace(shape, samples=1), room)


def whole_room(device: str) -> tuple[Room, str]:
    """All memory of a device, and its name with "auto" decided as far as that goes without torch."""
    number = int(device.partition(":")[2] or 0)
    card = None if device.startswith(("cpu", "mps")) else card_bytes(number)
    if card is None:
        return Room(None, main_memory().total), "cpu" if device == "auto" else device
    return Room(card, main_memory().total), f"cuda:{number}"


def _shorter(model: ModelDef, frames: int) -> Iterator[int]:
    while frames > model.frames_minimum:
        frames = max(model.frames_minimum, model.frame_rule.round_up(int(frames * 0.6)))
        yield frames
        if frames == model.frames_minimum:
            return


def _sizes(weights: Weights, index: str) -> Mapping[str, PartSize]:
    stamp = weights.folder.stat().st_mtime_ns if weights.folder is not None else 0
    return _read_sizes(weights.folder, tuple(weights.parts.items()), weights.modules, weights.variant, (index, stamp))


@lru_cache(maxsize=64)
def _read_sizes(
    folder: Path | None,
    parts: tuple[tuple[str, Path], ...],
    modules: tuple[Path, ...],
    variant: str,
    index: tuple[str, int],
) -> Mapping[str, PartSize]:
    return part_sizes(Weights(folder, dict(parts), modules, variant=variant), json.loads(index[0]))


def _config(weights: Weights, part: str) -> Mapping[str, Any]:
    path = None if weights.folder is None or not part else weights.folder / part / "config.json"
    try:
        return _json(path) if path is not None else {}
    except (OSError, ValueError):
        return {}


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"
