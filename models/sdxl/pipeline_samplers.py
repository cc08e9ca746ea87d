"""From the names of sampler and schedule to a scheduler of diffusers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import EulerDiscreteScheduler
from diffusers.schedulers import AysSchedules
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor

from shared.core.errors import SettingsError
from shared.core.sampler_names import EDM, NEAREST, SCHEDULES, SPACINGS, schedule_for


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
        "dpmpp_2s": ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++", "lower_order_final": True}),
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
_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
# The last steps of a checkpoint that was distilled to one step, in steps of the training schedule.
_TURBO_STEPS = 10


def make_sampler(checkpoint: Any, sampler: str = "", schedule: str = "") -> Any:
    """A fresh scheduler for one run.

    `checkpoint` is the scheduler that came with the weights: it gives the training schedule, and without `sampler` its
    own kind is kept. What is not here is run as its nearest, see core/sampler_names.py. Raises SettingsError for names
    that are not known.
    """
    name, changes = _kind(checkpoint, sampler)
    known = [value for _, value in SCHEDULES]
    if schedule not in known:
        raise SettingsError(f'noise_schedule: "{schedule}" is not known. Use {", ".join(filter(None, known))}.')
    if schedule == EDM:
        return _edm(checkpoint, name)
    schedule = schedule_for(sampler, schedule)
    kind = getattr(diffusers, name)
    if schedule in SPACINGS:
        changes = {**changes, **dict.fromkeys(_FLAGS, False), "timestep_spacing": SPACINGS[schedule]}
    elif schedule:
        kind = EulerAncestralOverCurves if name == "EulerAncestralDiscreteScheduler" else kind
        flag = "use_exponential_sigmas" if schedule == "exponential" else "use_karras_sigmas"
        changes = {**changes, **dict.fromkeys(_FLAGS, False), flag: True}
    made = _built(kind, checkpoint, changes)
    if schedule in _OWN_CURVES:
        if not hasattr(made, "_convert_to_karras"):
            raise SettingsError(f'noise_schedule: "{schedule}" needs another sample_solver than the model\'s own.')
        curve, levels = _OWN_CURVES[schedule], made.alphas_cumprod
        made._convert_to_karras = lambda in_sigmas, num_inference_steps=None: curve(
            num_inference_steps or made.num_inference_steps, levels
        )
    return made


def _built(kind: Any, checkpoint: Any, changes: Mapping[str, Any]) -> Any:
    config = {key: value for key, value in dict(checkpoint.config).items() if not key.startswith("_")}
    known = inspect.signature(kind.__init__).parameters
    return kind.from_config({key: value for key, value in {**config, **changes}.items() if key in known})


def _kind(checkpoint: Any, sampler: str) -> tuple[str, Mapping[str, Any]]:
    if not sampler:
        return type(checkpoint).__name__, {}
    name = sampler.removesuffix("_gpu")
    name = NEAREST.get(name, name)
    if name not in _CLASSES:
        raise SettingsError(f'sample_solver: "{sampler}" is not known. Use {", ".join(_CLASSES)}.')
    return _CLASSES[name]


def _edm(checkpoint: Any, name: str) -> Any:
    """The schedule of networks that were trained as EDM; only theirs come out well."""
    kind = diffusers.EDMEulerScheduler if name.startswith("Euler") else diffusers.EDMDPMSolverMultistepScheduler
    return _built(kind, checkpoint, {}) if type(checkpoint).__name__.startswith("EDM") else kind()


def _turbo(count: int, levels: torch.Tensor) -> torch.Tensor:
    """Noise levels of every hundredth training step from the last, as many as there are steps."""
    last = len(levels)
    every = max(last // max(_TURBO_STEPS, count), 1)
    steps = torch.arange(last, 0, -every)[:count] - 1
    return _sigmas(levels)[steps]


def _aligned(count: int, levels: torch.Tensor) -> torch.Tensor:
    """The ten noise levels that were found to serve best, laid out over as many steps as are asked for."""
    published: list[float] = AysSchedules["StableDiffusionXLSigmas"]  # type: ignore[assignment]
    best = np.log(published[:-1])
    places = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(best)), best)
    return torch.from_numpy(np.exp(places)).float()


def _sigmas(levels: torch.Tensor) -> torch.Tensor:
    return ((1 - levels) / levels) ** 0.5


_OWN_CURVES = {"turbo": _turbo, "align_your_steps": _aligned}
