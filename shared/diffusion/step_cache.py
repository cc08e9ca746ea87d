"""Step caches: some steps reuse or forecast what the network would say, instead of asking it.

Four kinds, under WanGP's names. `tea` and `spectrum` wrap the whole network and so work with any of them: `tea`
repeats the last prediction, `spectrum` forecasts it by a line through the last three. `first_block` and `mag` are
diffusers' FirstBlockCache and MagCache, see step_cache_blocks.py. All keep to one budget (skip_budget.py), which makes
the speed-up about the one asked for. What a run remembers ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from shared.core.contracts import Step, WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.passes import Pass, around_passes, denoisers
from shared.diffusion.skip_budget import FEWEST_STEPS, Count, SkipBudget
from shared.diffusion.step_cache_blocks import block_cached, magnitudes

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

# Predictions that the forecast goes by, the degree of the curve through them, and how stiff it is.
_CURVE_THROUGH = 3
_DEGREE = 1
_SMOOTHING = 0.02


@contextmanager
def step_cached(pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Within it, `pipe` skips steps as the settings of `window` ask (`skip_steps_cache_type`).

    Afterwards the networks are as before, and `on_step` has heard how many steps were skipped. Raises SettingsError
    for a kind that this model cannot use.
    """
    settings = window.settings
    kind = str(settings.get("skip_steps_cache_type") or "")
    if not kind:
        yield
        return
    if not model.get(f"{kind}_cache") or not denoisers(pipe):
        raise SettingsError(f'skip_steps_cache_type: "{kind}" does nothing for this model ({model.name}).')
    if window.num_inference_steps < FEWEST_STEPS:
        on_step(
            Step("", notice=f"Step skipping is off: {window.num_inference_steps} steps are too few to leave out any.")
        )
        yield
        return
    count = Count()
    multiplier = float(settings.get("skip_steps_multiplier") or 1.75)
    start_percent = float(settings.get("skip_steps_start_step_perc") or 0)

    def new_budget(steps: int) -> SkipBudget:
        return SkipBudget(steps, multiplier, start_percent)

    if kind in ("tea", "spectrum"):
        with around_passes(pipe, _Forecaster(kind == "spectrum", new_budget, count)):
            yield
    else:
        with block_cached(pipe, new_budget, count, magnitudes(model) if kind == "mag" else None):
            yield
    _tell(count, on_step)


def _tell(count: Count, on_step: Callable[[Step], None]) -> None:
    total = count.computed + count.skipped
    words = f"Step skipping: {count.skipped} of {total} steps were not computed"
    words += f" (x {total / max(count.computed, 1):.2f})." if count.skipped else "; none could be left out."
    facts = {"skipped_steps": count.skipped, "computed_steps": count.computed}
    on_step(Step("", notice=words, facts=facts))


@dataclass
class _Branch:
    """What one branch (with the prompt, without it) of one network has answered: noise levels and tensors."""

    times: list[float] = field(default_factory=list)
    answers: list[list[Any]] = field(default_factory=list)
    layout: Any = None

    def keep(self, time: float, answer: Any, most: int) -> None:
        leaves, self.layout = tree_flatten(answer)
        self.times.append(time)
        self.answers.append([leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves])
        del self.times[:-most], self.answers[:-most]

    def rate(self) -> float | None:
        """How fast the answer changed between the last two, relative to its size, per unit of noise level."""
        if len(self.times) < 2 or self.times[-1] == self.times[-2]:
            return None
        return relative_change(self.answers[-1], self.answers[-2]) / abs(self.times[-1] - self.times[-2])

    def repeated(self) -> Any:
        copies = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in self.answers[-1]]
        return tree_unflatten(copies, self.layout)

    def forecast(self, time: float) -> Any:
        weights = forecast_weights(self.times, time)
        mixed = [_mixed(leaves, weights) for leaves in zip(*self.answers, strict=True)]
        return tree_unflatten(mixed, self.layout)


class _Forecaster:
    """Answers some passes from those before them. The first branch of a step decides for all of them."""

    def __init__(self, follows_curve: bool, new_budget: Callable[[int], SkipBudget], count: Count) -> None:
        self._follows_curve, self._new_budget, self._count = follows_curve, new_budget, count
        self._branches: dict[tuple[int, int], _Branch] = {}
        self._budget = new_budget(1)
        self._skips = False
        self._last_time = 0.0

    def __call__(self, now: Pass) -> Any:
        if now.starts_run:
            self._branches, self._budget = {}, self._new_budget(now.steps)
        branch = self._branches.setdefault((id(now.module), now.branch), _Branch())
        if now.branch == 0:
            self._begin_step(now, branch)
        # A branch that is new, or was left out of the last computed step, has nothing to go by.
        is_known = bool(branch.times) and branch.times[-1] == self._last_time
        if self._skips and is_known:
            return branch.forecast(now.time) if self._follows_curve else branch.repeated()
        answer = now.run()
        if branch.answers and not _same_shapes(branch, answer):
            branch.times, branch.answers = [], []
        branch.keep(now.time, answer, _CURVE_THROUGH if self._follows_curve else 2)
        if now.branch == 0:
            self._last_time = now.time
            rate = branch.rate()
            if rate is not None:
                self._budget.learn(rate)
        return answer

    def _begin_step(self, now: Pass, branch: _Branch) -> None:
        if branch.times and branch.times[-1] == self._last_time:
            since_last = abs(self._last_time - now.time)
            self._skips = self._budget.skips(now.step, since_last, self._last_time)
        else:
            self._skips = False
            self._budget.computes()
        self._count.add(self._skips)


def _same_shapes(branch: _Branch, answer: Any) -> bool:
    leaves = tree_flatten(answer)[0]
    return [getattr(leaf, "shape", None) for leaf in leaves] == [
        getattr(leaf, "shape", None) for leaf in branch.answers[-1]
    ]


def relative_change(after: list[Any], before: list[Any]) -> float:
    """Mean absolute difference over mean absolute value, of the first tensor."""
    pairs = ((a, b) for a, b in zip(after, before, strict=True) if isinstance(a, torch.Tensor))
    new, old = next(pairs)
    return float((new.float() - old.float()).abs().mean() / old.float().abs().mean().clamp_min(1e-8))


def forecast_weights(times: list[float], time: float) -> list[float]:
    """How much each known value counts in the forecast for `time`: a smoothed line through them, at that place.

    A polynomial in Chebyshev form, fitted by ridge regression. The weights add up to 1. On the starter a line through
    three predictions came closer to the full run than a parabola, more predictions, or the last one repeated.
    """
    if len(times) == 1:
        return [1.0]
    low, high = min(*times, time), max(*times, time)
    places = 2 * (np.array([*times, time]) - low) / max(high - low, 1e-12) - 1
    basis = np.polynomial.chebyshev.chebvander(places, min(_DEGREE, len(times) - 1))
    known, wanted = basis[:-1], basis[-1]
    ridge = _SMOOTHING * np.eye(basis.shape[1])
    ridge[0, 0] = 0.0
    weights = wanted @ np.linalg.solve(known.T @ known + ridge, known.T)
    return [float(weight) for weight in weights]


def _mixed(leaves: tuple[Any, ...], weights: list[float]) -> Any:
    if not isinstance(leaves[-1], torch.Tensor) or not leaves[-1].is_floating_point():
        return leaves[-1]
    total = leaves[0].float() * weights[0]
    for leaf, weight in zip(leaves[1:], weights[1:], strict=True):
        total = total.add(leaf.float(), alpha=weight)
    return total.to(leaves[-1].dtype)
