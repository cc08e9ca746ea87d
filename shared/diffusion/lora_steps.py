"""How strong each adapter is at each step, and for which network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from shared.core.lora_multipliers import LoraMultiplier, count_phase_steps, model_shape

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

ForwardHook = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]


class Schedule:
    """The phases of a run: which step belongs to which, and which network runs in which.

    With two experts (transformer, transformer_2) a phase ends where the second takes over. With branches each
    network has its own values. The timesteps are read from the pipeline's scheduler when the first pass begins.
    """

    def __init__(
        self, pipe: Any, model: ModelDef, settings: Mapping[str, Any], networks: Mapping[str, nn.Module]
    ) -> None:
        self.pipe, self.settings = pipe, settings
        self.names = list(networks)
        self.has_branches = model_shape(model)[1] > 1
        self.has_experts = "transformer" in networks and "transformer_2" in networks
        self._timesteps: torch.Tensor | None = None
        self._phase_steps: list[int] = []

    def uses(self, name: str, multiplier: LoraMultiplier) -> bool:
        """Whether a network ever needs a LoRA of that strength."""
        if self.has_branches:
            return not multiplier.is_zero(range(len(multiplier.phases)), self._branch(name))
        if not self.has_experts:
            return True
        before = self._switch + 1
        phases = range(before) if name == "transformer" else range(before, max(before + 1, self._num_phases))
        return not multiplier.is_zero(phases)

    def first(self, multiplier: LoraMultiplier, num_steps: int) -> float:
        """The strength at the first step."""
        return multiplier.at_steps([max(num_steps, 1)])[0]

    def hook(self, name: str, network: nn.Module, multipliers: Mapping[str, LoraMultiplier]) -> ForwardHook:
        """Sets the strengths of the step that a pass through `network` belongs to, when they change."""
        layers, compiled = tuner_layers(network), is_compiled(network)
        branch = self._branch(name)
        now: dict[str, float] = {}
        table: dict[str, list[float]] = {}

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            nonlocal now, table
            if self._read_timesteps() or not table:
                table = {adapter: one.at_steps(self._phase_steps, branch) for adapter, one in multipliers.items()}
            step = self._step(args, kwargs)
            strengths = {adapter: _at(values, step) for adapter, values in table.items()}
            if strengths != now:
                now = strengths
                _set(layers, strengths, compiled)

        return before

    @property
    def _num_phases(self) -> int:
        return max(int(self.settings.get("guidance_phases") or 1), 2 if self.has_experts else 1)

    @property
    def _switch(self) -> int:
        """The number of the phase border at which the experts change."""
        return min(int(self.settings.get("model_switch_phase") or 1), max(self._num_phases - 1, 1)) - 1

    def _branch(self, name: str) -> int:
        return self.names.index(name) if self.has_branches else 0

    def _read_timesteps(self) -> bool:
        """Look at the scheduler; tells whether its timesteps are others than before."""
        timesteps = self.pipe.scheduler.timesteps
        if timesteps is self._timesteps:
            return False
        self._timesteps = timesteps
        self._phase_steps = count_phase_steps(timesteps.tolist(), self._thresholds())
        return True

    def _thresholds(self) -> list[float]:
        names = ("switch_threshold", "switch_threshold2")
        count = self._num_phases - 1
        thresholds = [float(self.settings.get(name) or 0) for name in names[:count]]
        ratio = getattr(self.pipe.config, "boundary_ratio", None)
        if self.has_experts and ratio is not None:
            # The first expert still has the step that lies on the boundary.
            boundary = float(ratio) * self.pipe.scheduler.config.num_train_timesteps
            thresholds[self._switch] = math.nextafter(boundary, -math.inf)
        return thresholds

    def _step(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
        """The index of the step that is being computed."""
        scheduler = self.pipe.scheduler
        if hasattr(scheduler, "step_index"):
            index = scheduler.step_index
            return int(index if index is not None else getattr(scheduler, "begin_index", None) or 0)
        timestep = kwargs.get("timestep", args[1] if len(args) > 1 else None)
        if timestep is None or self._timesteps is None:
            return 0
        distance = (self._timesteps.float() - torch.as_tensor(timestep).flatten()[0].float()).abs()
        return int(distance.argmin())


def tuner_layers(network: nn.Module) -> list[Any]:
    """The layers of a network that carry adapters."""
    return [module for module in network.modules() if isinstance(module, BaseTunerLayer)]


def is_compiled(network: nn.Module) -> bool:
    """Whether a part of the network runs as compiled code."""
    return any(getattr(module, "_compiled_call_impl", None) is not None for module in network.modules())


def set_strengths(network: nn.Module, strengths: Mapping[str, float]) -> None:
    """Give the adapters of a network their strengths; those of strength 0 cost nothing."""
    _set(tuner_layers(network), strengths, is_compiled(network))


def _set(layers: list[Any], strengths: Mapping[str, float], compiled: bool) -> None:
    active = [adapter for adapter, strength in strengths.items() if strength != 0 or compiled]
    for layer in layers:
        if list(layer.active_adapters) != active:
            layer.set_adapter(active, inference_mode=True)
        for adapter in active:
            _set_scale(layer, adapter, strengths[adapter], compiled)


def _set_scale(layer: Any, adapter: str, strength: float, compiled: bool) -> None:
    before = layer.scaling.get(adapter)
    layer.set_scale(adapter, strength)
    if before is None or not (compiled or isinstance(before, torch.Tensor)):
        return
    # Compiled code would be made anew for each number; a tensor it reads, as long as it stays the same one.
    value = torch.tensor(float(layer.scaling[adapter]))
    if isinstance(before, torch.Tensor):
        layer.scaling[adapter] = before.copy_(value)
    else:
        device = next(layer.parameters()).device
        layer.scaling[adapter] = value.to(device)


def _at(values: list[float], step: int) -> float:
    return values[min(step, len(values) - 1)] if values else 1.0
