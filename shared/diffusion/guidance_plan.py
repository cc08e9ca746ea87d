"""What the settings ask of guidance, step by step. No tensors here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.contracts import WindowRequest

LEVELS = 1000


@dataclass(frozen=True)
class GuidancePlan:
    """`scales` are those of the phases, `switches` the noise levels (0..1) below which the next phase begins.

    `zero_steps` first steps predict nothing. `layers` are left out of the pass without the prompt from step
    `layers_from` until before `layers_until`. In the last `polish` steps (a share of all) the scale is at most
    `polish_scale`. `sharpness` takes blur out of the prompted side; a scale above `adaptive` (0: off) begins there.
    """

    scales: tuple[float, ...]
    switches: tuple[float, ...] = ()
    star: bool = False
    projected: bool = False
    zero_steps: int = 0
    layers: tuple[int, ...] = ()
    layers_from: float = 0.0
    layers_until: float = 1.0
    polish: float = 0.0
    polish_scale: float = 1.0
    sharpness: float = 0.0
    adaptive: float = 0.0

    def scale(self, time: float, step: int = 0, steps: int = 1) -> float:
        """The scale at a noise level and a step."""
        found = self.scales[sum(time < switch for switch in self.switches)]
        return min(found, self.polish_scale) if step >= steps - round(steps * self.polish) else found

    def leaves_out_layers(self, step: int, steps: int) -> bool:
        """Whether the layers are left out at a step."""
        return bool(self.layers) and int(self.layers_from * steps) <= step < int(self.layers_until * steps)

    def eased(self, scale: float, progress: float) -> float:
        """A scale when that part of the noise (0..1) is gone: it rises from `adaptive`, where that is lower."""
        return scale * progress + self.adaptive * (1 - progress) if 0 < self.adaptive < scale else scale

    @property
    def is_finely_steered(self) -> bool:
        """Whether sharpness or an eased scale change the guidance."""
        return self.sharpness > 0 or 0 < self.adaptive < max(self.scales)

    @property
    def is_plain(self) -> bool:
        """Whether a pipeline's own guidance does the same."""
        corrected = self.star or self.projected or self.zero_steps > 0 or bool(self.layers) or self.is_finely_steered
        return not corrected and len(set(self.scales)) == 1


def guidance_plan(
    window: WindowRequest, expert_switch: float | None = None, polish: tuple[float, float] = (0.0, 1.0)
) -> GuidancePlan:
    """What the settings of `window` ask; `expert_switch` is the noise level where a second expert takes over, which
    stands for its phase where the settings name no threshold. `polish` is the model's own: share and scale."""
    settings = window.settings
    phases = _phases(settings)
    names = ("switch_threshold", "switch_threshold2")[: phases - 1]
    switches = [float(settings.get(name) or 0) / LEVELS for name in names]
    place = int(experts_switch_late(settings))
    if switches and not switches[place] and expert_switch is not None:
        switches[place] = expert_switch
    return GuidancePlan(
        scales=_scales(window),
        switches=tuple(switches),
        star=bool(settings.get("cfg_star_switch")),
        projected=bool(settings.get("apg_switch")),
        zero_steps=_whole(settings, "cfg_zero_step", -1) + 1,
        layers=tuple(settings.get("perturbation_layers") or ()) if settings.get("perturbation_switch") else (),
        layers_from=float(settings.get("perturbation_start_perc") or 0) / 100,
        layers_until=_number(settings, "perturbation_end_perc", 100) / 100,
        sharpness=_number(settings, "sharpness", 0),
        adaptive=_number(settings, "adaptive_cfg", 0),
        polish=polish[0],
        polish_scale=polish[1],
    )


def pipeline_guidance(window: WindowRequest) -> float:
    """The scale to hand to a pipeline: high enough that it computes what any phase needs."""
    return max(_scales(window))


def experts_switch_late(settings: Mapping[str, Any]) -> bool:
    """Whether the second expert takes over with phase 3 rather than with phase 2."""
    return _phases(settings) == 3 and _whole(settings, "model_switch_phase", 1) == 2


def _phases(settings: Mapping[str, Any]) -> int:
    return min(max(_whole(settings, "guidance_phases", 1), 1), 3)


def _scales(window: WindowRequest) -> tuple[float, ...]:
    names = ("guidance2_scale", "guidance3_scale")[: _phases(window.settings) - 1]
    return (window.guidance_scale, *(_number(window.settings, name, window.guidance_scale) for name in names))


def _number(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name)
    return default if value is None else float(value)


def _whole(settings: Mapping[str, Any], name: str, default: int) -> int:
    return int(_number(settings, name, default))
