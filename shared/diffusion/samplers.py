"""Solvers of the flow-matching equation: names a user can choose, mapped to diffusers' schedulers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from shared.core.errors import SettingsError


class FlowEulerScheduler(FlowMatchEulerDiscreteScheduler):
    """Euler over n equal steps of the unshifted time.

    diffusers' own schedule ends on a noise level shifted twice (0.9 % at shift 3): its last step does next to nothing.
    """

    def set_timesteps(
        self, num_inference_steps: int | None = None, device: str | torch.device | None = None, **options: Any
    ) -> None:
        """Set the noise levels 1, 1 - 1/n, ... 1/n, each shifted; then 0."""
        steps = num_inference_steps or 1
        sigmas = np.linspace(1.0, 0.0, steps + 1)[:-1].tolist()
        super().set_timesteps(steps, device=device, sigmas=sigmas, **options)  # type: ignore[misc]


def _multistep_config(train_timesteps: int, shift: float) -> dict[str, Any]:
    return {
        "num_train_timesteps": train_timesteps,
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "flow_shift": shift,
    }


SOLVERS: dict[str, Callable[[int, float], Any]] = {
    "unipc": lambda steps, shift: UniPCMultistepScheduler(**_multistep_config(steps, shift)),
    "euler": lambda steps, shift: FlowEulerScheduler(num_train_timesteps=steps, shift=shift),
    "dpm++": lambda steps, shift: DPMSolverMultistepScheduler(
        algorithm_type="dpmsolver++", **_multistep_config(steps, shift)
    ),
}


def make_scheduler(checkpoint: Any, solver: str = "", flow_shift: float | None = None) -> Any:
    """A fresh scheduler for one run.

    `checkpoint` is the scheduler that came with the weights: without `solver` its own kind and configuration are kept,
    without `flow_shift` its own shift. Raises SettingsError for a solver that is not known.
    """
    config = dict(checkpoint.config)
    shift_key = "flow_shift" if "flow_shift" in config else "shift"
    shift = flow_shift if flow_shift is not None else config.get(shift_key, 1.0)
    if not solver or _is_kind(checkpoint, solver):
        return type(checkpoint).from_config(config, **{shift_key: shift})
    if solver not in SOLVERS:
        raise SettingsError(f'sample_solver: "{solver}" is not known. Use {" or ".join(SOLVERS)}.')
    return SOLVERS[solver](config["num_train_timesteps"], shift)


def _is_kind(checkpoint: Any, solver: str) -> bool:
    kind = {"unipc": UniPCMultistepScheduler, "dpm++": DPMSolverMultistepScheduler}.get(solver)
    return kind is not None and type(checkpoint) is kind


def clean_estimate(scheduler: Any, index: int, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """What the clip will look like, judged after step `index` (from the start of the schedule): for previews.

    Multistep solvers keep their last estimate; for Euler it lies on the line from `before` through `after`.
    """
    outputs = getattr(scheduler, "model_outputs", None)
    if outputs and outputs[-1] is not None:
        return outputs[-1]
    sigma, next_sigma = float(scheduler.sigmas[index]), float(scheduler.sigmas[index + 1])
    if sigma == next_sigma:
        return after
    return after - next_sigma * (before - after) / (sigma - next_sigma)
