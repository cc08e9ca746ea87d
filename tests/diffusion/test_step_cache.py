"""Step caches: what is claimed for a family truly skips work, is counted, and leaves nothing behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.core.contracts import Step
from shared.core.errors import Cancelled, SettingsError
from shared.diffusion.abilities import abilities
from shared.diffusion.passes import denoisers
from shared.diffusion.skip_budget import SkipBudget
from shared.diffusion.step_cache import forecast_weights, step_cached
from shared.diffusion.step_cache_blocks import mag_config
from tests.diffusion.tiny_pipelines import CASES, Case, class_of, model_of, window_of

STEPS = 12
KINDS = ("tea", "spectrum", "first_block")
CLAIMED = [(name, kind) for name in CASES for kind in KINDS if abilities((class_of(name),)).get(f"{kind}_cache")]
MAG = {"mag_cache": True, "magcache_ratios": [1.0, 1.1, 1.05, 1.02, 1.01, 1.0, 1.0, 0.99, 0.98, 0.95, 0.9, 0.8]}


def linear_calls(pipe: object) -> list[int]:
    """A count of the linear layers that the denoisers run."""
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    for network in denoisers(pipe):
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_pre_hook(count)
    return calls


def cached(
    case: Case, pipe: object, kind: str, steps: int = STEPS, **definition: object
) -> tuple[torch.Tensor, list[Step]]:
    told: list[Step] = []
    settings = {"skip_steps_cache_type": kind, "skip_steps_multiplier": 2.0}
    with step_cached(pipe, model_of(pipe, **definition), window_of(steps, **settings), told.append):
        return case.run(pipe, steps), told


@pytest.mark.parametrize(("name", "kind"), CLAIMED)
def test_a_cache_skips_what_it_says(name: str, kind: str) -> None:
    case = CASES[name]
    pipe = case.pipe()
    calls = linear_calls(pipe)
    expected, all_calls = case.run(pipe, STEPS), calls[0]
    calls[0] = 0
    result, told = cached(case, pipe, kind)
    facts = told[-1].facts
    assert facts["skipped_steps"] + facts["computed_steps"] == STEPS
    assert 5 <= facts["skipped_steps"] <= 6
    if kind == "first_block":
        assert all_calls * facts["computed_steps"] / STEPS < calls[0] < all_calls
    else:
        # A network of experts runs a few more or fewer of them by what it sees.
        assert calls[0] == pytest.approx(all_calls * facts["computed_steps"] / STEPS, rel=0.01)
    assert not torch.equal(result, expected)
    assert torch.isfinite(result).all()
    assert f"{facts['skipped_steps']} of {STEPS} steps were not computed" in told[-1].notice


@pytest.mark.parametrize("kind", [*KINDS, "mag"])
def test_a_cancelled_run_leaves_nothing_for_the_next(kind: str) -> None:
    case, pipe = CASES["wan"], CASES["wan"].pipe()
    expected = cached(case, CASES["wan"].pipe(), kind, **MAG)[0]
    seen = []

    def cancel(*_: object) -> None:
        seen.append(1)
        if len(seen) == 9:
            raise Cancelled()

    handle = pipe.transformer.register_forward_pre_hook(cancel)
    with pytest.raises(Cancelled):
        cached(case, pipe, kind, **MAG)
    handle.remove()
    assert torch.equal(cached(case, pipe, kind, **MAG)[0], expected)
    assert torch.equal(case.run(pipe), case.run(CASES["wan"].pipe()))
    assert "forward" not in vars(pipe.transformer)


@pytest.mark.parametrize("kind", KINDS)
def test_two_runs_are_the_same(kind: str) -> None:
    case, pipe = CASES["wan two experts"], CASES["wan two experts"].pipe()
    assert torch.equal(cached(case, pipe, kind)[0], cached(case, pipe, kind)[0])


def test_few_steps_are_all_computed() -> None:
    case, pipe = CASES["wan"], CASES["wan"].pipe()
    result, told = cached(case, pipe, "tea", steps=8)
    assert torch.equal(result, case.run(pipe, 8))
    assert told[0].notice == "Step skipping is off: 8 steps are too few to leave out any."


def test_a_kind_that_would_do_nothing_is_refused() -> None:
    pipe = CASES["qwen"].pipe()
    with pytest.raises(SettingsError, match='skip_steps_cache_type: "mag" does nothing for this model'):
        cached(CASES["qwen"], pipe, "mag")


def test_the_table_of_magnitudes_skips_as_many_steps_as_asked() -> None:
    case, pipe = CASES["wan"], CASES["wan"].pipe()
    calls = linear_calls(pipe)
    case.run(pipe, STEPS)
    all_calls, calls[0] = calls[0], 0
    facts = cached(case, pipe, "mag", **MAG)[1][-1].facts
    assert 4 <= facts["skipped_steps"] <= 7
    assert calls[0] < all_calls


def test_the_threshold_of_magnitudes_follows_the_speed_up() -> None:
    slow, fast = (mag_config(MAG["magcache_ratios"], SkipBudget(30, factor)).threshold for factor in (1.5, 2.5))
    assert slow < fast


@pytest.mark.parametrize("times", [[1.0], [1.0, 0.9], [1.0, 0.9, 0.7], [1.0, 0.95, 0.9, 0.8, 0.7]])
def test_a_forecast_keeps_what_stands_still(times: list[float]) -> None:
    assert sum(forecast_weights(times, times[-1] - 0.05)) == pytest.approx(1.0)


def test_a_forecast_follows_a_line() -> None:
    times = [1.0, 0.9, 0.8, 0.7]
    weights = forecast_weights(times, 0.6)
    assert sum(w * (3 * t + 1) for w, t in zip(weights, times, strict=True)) == pytest.approx(3 * 0.6 + 1, abs=0.05)
