"""The two experts of Wan 2.2: where one takes over from the other, and the guidance of each."""

from __future__ import annotations

from typing import Any

from shared.core.contracts import WindowRequest
from shared.diffusion.guidance_plan import LEVELS, experts_switch_late


def set_boundary(pipe: Any, own_ratio: float | None, window: WindowRequest) -> None:
    """Let `pipe` change experts at the timestep that the settings name; 0 stands for the checkpoint's `own_ratio`."""
    if own_ratio is not None:
        name = "switch_threshold2" if experts_switch_late(window.settings) else "switch_threshold"
        threshold = float(window.settings.get(name) or 0) / LEVELS
        pipe.register_to_config(boundary_ratio=threshold or own_ratio)


def second_guidance(own_ratio: float | None, window: WindowRequest) -> float | None:
    """The guidance of the second expert; None for a model of one."""
    if own_ratio is None:
        return None
    two_phases = int(window.settings.get("guidance_phases") or 1) >= 2
    return float(window.settings.get("guidance2_scale") or 1) if two_phases else window.guidance_scale
