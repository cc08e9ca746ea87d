"""Model definitions for the tests of floor 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.core.model_def import ModelDef, build_model_def

MakeModel = Callable[..., ModelDef]

CLIP_MODEL: dict[str, Any] = {
    "fps": 16,
    "image_prompt_types_allowed": "TSEVL",
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 5, "window_max": 129, "window_step": 4, "window_default": 81,
        "overlap_min": 1, "overlap_max": 17, "overlap_step": 4, "overlap_default": 5,
    },
    "v2i_switch_supported": True,
    "inpaint_support": True,
    "flow_shift": True,
    "sample_solvers": [["UniPC", "unipc"], ["Euler", "euler"]],
    "guidance_max_phases": 2,
}  # fmt: skip


@pytest.fixture
def make_model() -> MakeModel:
    """A model from definition keys (over CLIP_MODEL, or alone with `bare=True`) and top-level settings."""

    def make(settings: dict[str, Any] | None = None, *, bare: bool = False, **definition: Any) -> ModelDef:
        keys = definition if bare else {**CLIP_MODEL, **definition}
        block = {"name": "Tester", "architecture": "tester_1.3B"}
        return build_model_def("tester", {"tester": {"model": block, **(settings or {})}}, "tests", keys)

    return make
