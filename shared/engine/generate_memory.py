"""Memory around a task: what is refused beforehand, what counts as running out, what the user is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psutil

from shared.core.contracts import LoadOptions, Pipeline
from shared.core.errors import OutOfMemory
from shared.core.weight_plan import Room
from shared.diffusion.machine import main_memory
from shared.engine.memory_budget import Budget, model_needs, refuse_what_cannot_fit, shape_of

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.task import Task
    from shared.engine.generate_windows import Scene
    from shared.engine.services import Services


def check_frames(scenes: Sequence[Scene]) -> None:
    """Refuse a clip whose frames alone would not fit. They are held twice for a moment, when windows are joined."""
    needed = 2 * max(scene.frames_bytes for scene in scenes)
    available = psutil.virtual_memory().available
    if needed > available:
        raise OutOfMemory(
            f"video_length: the frames of this clip would take {needed / 2**30:.1f} GB of memory, and "
            f"{available / 2**30:.1f} GB are free. Lower video_length or resolution."
        )


def check_budget(
    settings: Mapping[str, Any], model: ModelDef, scenes: Sequence[Scene], options: LoadOptions, services: Services
) -> Budget | None:
    """What the largest window takes; None where it is not known. Raises OutOfMemory that says what would fit."""
    needs = model_needs(model, services.models.roots, options)
    largest = max(scenes, key=lambda scene: scene.frames_bytes)
    frames = max((window.num_frames for window in largest.windows), default=1)
    sized = {**settings, "resolution": f"{largest.canvas.width}x{largest.canvas.height}"}
    shape = shape_of(sized, model, frames)
    if needs is None or shape is None:
        return None
    return refuse_what_cannot_fit(needs, options, shape, room_for(services))


def room_for(services: Services) -> Room:
    """The memory that is free once the loaded model has given its own back."""
    ram = main_memory().free + _held_in_ram(services.models.resident)
    if not services.device.startswith("cuda"):
        return Room(None, ram)
    import torch

    free, _ = torch.cuda.mem_get_info(services.device)
    return Room(free + torch.cuda.memory_reserved(services.device), ram)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device or the machine has too little memory."""
    if isinstance(error, (MemoryError, OutOfMemory)) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "not enough memory", "can't allocate memory"))


def shortage(task: Task, services: Services, error: BaseException) -> OutOfMemory:
    """What the user is told of memory that ran out, with the sizes of the task."""
    params: Mapping[str, Any] = task.params
    size = ", ".join(
        f"{name} {params[name]}" for name in ("resolution", "video_length", "sliding_window_size") if params.get(name)
    )
    where = "the graphics card" if services.device.startswith("cuda") else "this machine"
    asked = f" ({size})" if size else ""
    return OutOfMemory(
        f"There is too little memory on {where} for this task{asked}, even with its weights streamed and its pictures "
        f"decoded in tiles. Lower resolution or video_length, use a smaller sliding_window_size, or weights in fewer "
        f"bits (transformer_quantization). ({_first_line(error)})"
    )


def _held_in_ram(pipeline: Pipeline | None) -> int:
    modules = [] if pipeline is None else list(pipeline.components().values())
    weights = [weight for module in modules if hasattr(module, "parameters") for weight in module.parameters()]
    return sum(weight.nbytes for weight in weights if weight.device.type == "cpu")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
