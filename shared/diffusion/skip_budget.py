"""Which steps of a run are computed and which are guessed, so that the whole becomes about so many times faster."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# Fewer steps than this are those of distilled models: each one counts.
FEWEST_STEPS = 9
# Guesses in a row; more of them drift. A run allows itself no more than it needs.
MOST_IN_A_ROW = 4
# Steps at the start of a run without which nothing is known of how fast the prediction changes.
FIRST_STEPS = 2


@dataclass
class Count:
    """Steps of a run that were computed, and those that were not."""

    computed: int = 0
    skipped: int = 0

    def add(self, skipped: bool) -> None:
        """One step more."""
        self.skipped += skipped
        self.computed += not skipped


@dataclass
class SkipBudget:
    """Decides step after step. `multiplier` is the speed-up asked for: 1.75 leaves steps / 1.75 to be computed.

    Steps are spent where the prediction changes fast: the way that the noise level still has to go is divided by the
    computed steps that are left, and a step is skipped while the change since the last computed one is expected to
    be below its share. The first `start_percent` of the steps and the last one are always computed.
    """

    steps: int
    multiplier: float
    start_percent: float = 0.0
    skips_left: int = field(init=False)
    _most_in_a_row: int = field(init=False)
    _in_a_row: int = field(init=False, default=0)
    _rates: list[float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.skips_left = self.steps - math.ceil(self.steps / self.multiplier)
        computed = max(self.steps - 1 - self.first_free - self.skips_left, 0) + 1
        self._most_in_a_row = min(math.ceil(self.skips_left / computed), MOST_IN_A_ROW)

    @property
    def first_free(self) -> int:
        """The first step that may be skipped."""
        return max(FIRST_STEPS, math.ceil(self.steps * self.start_percent / 100))

    def learn(self, rate: float) -> None:
        """Hear how fast the prediction changed between two computed steps (per unit of noise level)."""
        self._rates.append(rate)

    def computes(self) -> None:
        """Hear that a step is computed, because nothing is known that could stand for it."""
        self._in_a_row = 0

    def skips(self, step: int, since_last: float, to_end: float, change: float | None = None) -> bool:
        """Whether `step` is skipped.

        `since_last` and `to_end` are differences of noise level: from the last computed step to this one and to the
        end of the run. `change` is how much the prediction has changed since the last computed step where that is
        known; otherwise it is expected from the last rate.
        """
        decision = self._decides(step, since_last, to_end, change)
        if decision:
            self.skips_left -= 1
        self._in_a_row = self._in_a_row + 1 if decision else 0
        return decision

    def _decides(self, step: int, since_last: float, to_end: float, change: float | None) -> bool:
        free_steps = self.steps - 1 - step
        if step < self.first_free or free_steps <= 0 or self.skips_left <= 0 or self._in_a_row >= self._most_in_a_row:
            return False
        if self.skips_left >= free_steps:
            return True
        computed_left = free_steps - self.skips_left + 1
        expected = sum(self._rates) / len(self._rates) if self._rates else 1.0
        latest = self._rates[-1] if self._rates else 1.0
        moved = latest * since_last if change is None else change
        return moved < expected * to_end / computed_left
