"""From the names of sampler and schedule to a scheduler of diffusers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import diffusers
import torch
from diffusers import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor

from shared.core.errors import SettingsError
from shared.core.sampler_names import CURVES, SPACINGS


class EulerAncestralOverCurves(EulerDiscreteScheduler):
    """Euler ancestral over noise levels of Karras and others: diffusers' own knows the training schedule alone."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: Any = None,
        return_dict: bool = True,
    ) -> Any:
        """One step down to the lower level, and as much fresh noise as lies between."""
        own: Any = self
        if own.step_index is None:
            own._init_step_index(timestep)
        sigma, lower = own.sigmas[own.step_index], own.sigmas[own.step_index + 1]
        if own.config.prediction_type == "v_prediction":
            clean = model_output * (-sigma / (sigma**2 + 1) ** 0.5) + sample / (sigma**2 + 1)
        else:
            clean = sample - sigma * model_output
        fresh = (lower**2 * (sigma**2 - lower**2) / sigma**2) ** 0.5
        down = (lower**2 - fresh**2) ** 0.5
        noise = randn_tensor(model_output.shape, generator=generator, device=model_output.device, dtype=sample.dtype)
        previous = sample + (sample - clean) / sigma * (down - sigma) + noise * fresh
        own._step_index += 1
        return EulerDiscreteSchedulerOutput(previous, clean) if return_dict else (previous, clean)


_SDE = {"algorithm_type": "sde-dpmsolver++"}
_CLASSES: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "euler": ("EulerDiscreteScheduler", {}),
        "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "dpm_2": ("KDPM2DiscreteScheduler", {}),
        "dpm_2_ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
        "dpmpp_sde": ("DPMSolverSinglestepScheduler", {**_SDE, "lower_order_final": True}),
        "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", _SDE),
        "dpmpp_3m_sde": ("DPMSolverMultistepScheduler", {**_SDE, "solver_order": 3}),
        "ddpm": ("DDPMScheduler", {}),
        "lcm": ("LCMScheduler", {}),
        "tcd": ("TCDScheduler", {}),
        "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
        # Of bh1, a last level of 0 makes nothing but infinities.
        "uni_pc": ("UniPCMultistepScheduler", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}),
        "uni_pc_bh2": ("UniPCMultistepScheduler", {"solver_type": "bh2"}),
    }
)


def make_sampler(checkpoint: Any, sampler: str = "", schedule: str = "") -> Any:
    """A fresh scheduler for one run.

    `checkpoint` is the scheduler that came with the weights: it gives the training schedule, and without `sampler` its
    own kind is kept. Raises SettingsError for names that are not known or do not go together.
    """
    config = {key: value for key, value in dict(checkpoint.config).items() if not key.startswith("_")}
    name, changes = _kind(checkpoint, sampler)
    kind = getattr(diffusers, name)
    if schedule in CURVES:
        if name == "EulerAncestralDiscreteScheduler":
            kind = EulerAncestralOverCurves
        flag = CURVES[schedule]
        if flag not in inspect.signature(kind.__init__).parameters:
            raise SettingsError(f'custom_settings: scheduler: "{schedule}" does not go with this sampler.')
        changes = {**changes, **dict.fromkeys(CURVES.values(), False), flag: True}
    elif schedule:
        changes = {**changes, **dict.fromkeys(CURVES.values(), False), "timestep_spacing": _spacing(schedule)}
    known = inspect.signature(kind.__init__).parameters
    return kind.from_config({key: value for key, value in {**config, **changes}.items() if key in known})


def _kind(checkpoint: Any, sampler: str) -> tuple[str, Mapping[str, Any]]:
    if not sampler:
        return type(checkpoint).__name__, {}
    name = sampler.removesuffix("_gpu")
    if name not in _CLASSES:
        raise SettingsError(f'sample_solver: "{sampler}" is not known. Use {", ".join(_CLASSES)}.')
    return _CLASSES[name]


def _spacing(schedule: str) -> str:
    if schedule not in SPACINGS:
        raise SettingsError(f'custom_settings: scheduler: "{schedule}" is not known. Use {", ".join(SPACINGS)}.')
    return SPACINGS[schedule]
