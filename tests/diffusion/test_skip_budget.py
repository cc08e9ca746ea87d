"""A budget skips as many steps as the speed-up asks for, where little changes."""

from __future__ import annotations

import pytest

from shared.diffusion.skip_budget import MOST_IN_A_ROW, SkipBudget


def decisions(budget: SkipBudget, steps: int, rate_at: list[float] | None = None) -> str:
    """Which steps of an even schedule are computed (#) and skipped (.)."""
    told, last = "", 0
    for step in range(steps):
        if step and budget.skips(step, (step - last) / steps, (steps - last) / steps):
            told += "."
            continue
        if step:
            budget.learn(rate_at[step] if rate_at else 1.0)
        told, last = told + "#", step
    return told


@pytest.mark.parametrize("steps", [10, 20, 30, 50])
@pytest.mark.parametrize("multiplier", [1.5, 1.75, 2.0, 2.25, 2.5])
def test_the_speed_up_is_about_the_one_asked_for(steps: int, multiplier: float) -> None:
    computed = decisions(SkipBudget(steps, multiplier), steps).count("#")
    assert 0.85 * multiplier <= steps / computed <= multiplier


def test_the_start_and_the_last_step_are_computed() -> None:
    told = decisions(SkipBudget(20, 2.0, start_percent=40), 20)
    assert told.startswith("#" * 8)
    assert told.endswith("#")


def test_a_late_start_leaves_less_to_skip() -> None:
    told = decisions(SkipBudget(20, 2.5, start_percent=75), 20)
    assert told.count("#") == 16


def test_skipped_steps_are_spread() -> None:
    assert "..." not in decisions(SkipBudget(30, 2.0), 30)
    assert "." * (MOST_IN_A_ROW + 1) not in decisions(SkipBudget(30, 2.5, start_percent=40), 30)


def test_steps_are_spent_where_the_prediction_changes() -> None:
    restless_late = [1.0] * 16 + [6.0] * 14
    told = decisions(SkipBudget(30, 1.75), 30, restless_late)
    assert told[2:16].count(".") > told[16:].count(".")
