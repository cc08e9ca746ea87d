"""Guidance phases that could never begin are refused."""

from __future__ import annotations

import pytest

from shared.core.model_def import ModelDef
from shared.core.model_params import params_of
from shared.core.settings import problems


def told(settings: dict[str, object], **definition: object) -> list[str]:
    model = ModelDef("m", "M", "m", "m", model={"guidance_max_phases": 3, **definition})
    return problems({"prompt": "a", **settings}, model, params_of(model))


def test_a_phase_without_a_threshold_is_refused() -> None:
    assert told({"guidance_phases": 2})[0].startswith("switch_threshold: 0 is the finished picture")
    assert told({"guidance_phases": 3, "switch_threshold": 800})[0].startswith("switch_threshold2:")
    assert told({"guidance_phases": 2, "switch_threshold": 800}) == []


@pytest.mark.parametrize(("phase", "missing"), [(1, "switch_threshold"), (2, "switch_threshold2")])
def test_two_experts_have_a_threshold_of_their_own(phase: int, missing: str) -> None:
    thresholds = {"switch_threshold": 800, "switch_threshold2": 500}
    settings = {"guidance_phases": 3, "model_switch_phase": phase, **thresholds, missing: 0}
    assert told(settings, two_experts=True) == []
    assert told(settings) != []


def test_phases_come_one_after_the_other() -> None:
    settings = {"guidance_phases": 3, "switch_threshold": 500, "switch_threshold2": 600}
    assert told(settings)[0].startswith("switch_threshold2: 600 is not below switch_threshold (500)")
