"""Solvers on an equation whose answer is known, and against the checkpoint's own."""

from __future__ import annotations

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from shared.core.errors import SettingsError
from shared.diffusion.samplers import SOLVERS, clean_estimate, make_scheduler


def checkpoint(shift: float = 3.0) -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)


@pytest.mark.parametrize("solver", ["", *SOLVERS])
def test_a_straight_flow_is_followed_exactly(solver: str) -> None:
    noise, clean = torch.randn(2, 1, 4, 3, generator=torch.Generator().manual_seed(0)).unbind(0)
    scheduler = make_scheduler(checkpoint(), solver, 5.0)
    scheduler.set_timesteps(6)
    latents = noise
    for index, t in enumerate(scheduler.timesteps):
        before = latents
        latents = scheduler.step((before - clean) / scheduler.sigmas[index], t, before, return_dict=False)[0]
        assert torch.allclose(clean_estimate(scheduler, index, before, latents), clean, atol=1e-4)
    assert torch.allclose(latents, clean, atol=1e-4)


def test_the_shift_moves_the_noise_levels() -> None:
    for solver in SOLVERS:
        low, high = (make_scheduler(checkpoint(), solver, shift) for shift in (1.0, 9.0))
        low.set_timesteps(10)
        high.set_timesteps(10)
        assert float(high.sigmas[5]) > float(low.sigmas[5]) + 0.2, solver


def test_without_wishes_the_checkpoints_own_schedule_is_kept() -> None:
    own = checkpoint(7.0)
    made = make_scheduler(own)
    assert made is not own
    assert dict(made.config) == dict(own.config)
    euler = FlowMatchEulerDiscreteScheduler(shift=2.5)
    assert type(make_scheduler(euler, "", 4.0)) is FlowMatchEulerDiscreteScheduler
    assert make_scheduler(euler, "", 4.0).config.shift == 4.0


def test_a_run_does_not_touch_the_checkpoints_scheduler() -> None:
    own = checkpoint()
    made = make_scheduler(own, "unipc", 4.0)
    made.set_timesteps(4)
    assert own.num_inference_steps is None
    assert own.config.flow_shift == 3.0


def test_euler_spreads_its_steps_over_the_whole_time() -> None:
    scheduler = make_scheduler(checkpoint(), "euler", 3.0)
    scheduler.set_timesteps(4)
    expected = [3 * s / (1 + 2 * s) for s in (1.0, 0.75, 0.5, 0.25)] + [0.0]
    assert torch.allclose(scheduler.sigmas, torch.tensor(expected), atol=1e-6)


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(SettingsError, match=r'sample_solver: "magic" is not known\. Use unipc or euler or dpm\+\+'):
        make_scheduler(checkpoint(), "magic")
