"""What a task would take of this machine's memory, told before it is queued. Loads no torch and no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.config import Config
from shared.core.errors import OutOfMemory, WanGPError
from shared.engine.generate_prepare import own_settings, resolve
from shared.engine.memory_budget import model_needs, refuse_what_cannot_fit, shape_of, whole_room
from shared.engine.registry import Registry
from shared.engine.services import load_options, media_type_of
from shared.session.checks import is_edit


@dataclass(frozen=True)
class MemoryNeed:
    """`text` is a line ("Needs 9.8 of 24.0 GB graphics memory"), or why the task `fits` not and what would."""

    text: str
    fits: bool = True


def memory_need(settings: Mapping[str, Any], registry: Registry, config: Config, device: str) -> MemoryNeed | None:
    """The need of one task beside all the memory there is; None where it is not known (no files yet, no pictures)."""
    if is_edit(settings):
        return None
    try:
        resolved = resolve(own_settings(settings), registry)
        room, device = whole_room(device)
        options = load_options(config, device, resolved.settings, media_type_of(resolved.settings, resolved.model))
        needs = model_needs(resolved.model, registry.roots(), options)
        shape = shape_of(resolved.settings, resolved.model)
        if needs is None or shape is None:
            return None
        text = refuse_what_cannot_fit(needs, options, shape, room).text
        return MemoryNeed(text[0].upper() + text[1:])
    except OutOfMemory as error:
        return MemoryNeed(str(error), fits=False)
    except (WanGPError, ValueError):
        return None
