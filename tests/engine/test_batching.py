"""Samples of a picture task are made together where the pipeline can, and are the ones that it makes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.core.contracts import WindowRequest, WindowResult
from shared.core.errors import Cancelled
from shared.engine.batching import together

PICTURES = {"image_mode": 1, "batch_size": 3}


class Painter:
    """A picture is its seed; `asked` are the batches."""

    def __init__(self, *, can: bool = True) -> None:
        self.asked: list[tuple[int, int]] = []
        self.can = can

    def components(self) -> dict[str, Any]:
        return {}

    def preview(self, latents: Any) -> Any:
        return latents

    def makes_batches(self, window: WindowRequest) -> bool:
        return self.can

    def __call__(self, window: WindowRequest, on_step: Any, is_cancelled: Any) -> WindowResult:
        if is_cancelled():
            raise Cancelled()
        self.asked.append((window.seed, window.batch_size))
        return WindowResult([np.full((1, 2, 2, 3), window.seed + index) for index in range(window.batch_size)])


def window(seed: int, prompt: str = "a red ball", **given: Any) -> WindowRequest:
    return WindowRequest(prompt, 2, 2, 1, 4, 3.0, seed, **given)


def make(pipeline: Any, *requests: WindowRequest) -> list[int]:
    """The seeds that came out."""
    return [int(pipeline(request, lambda step: None, lambda: False).frames[0].max()) for request in requests]


def test_samples_that_follow_each_other_are_one_batch() -> None:
    painter = Painter()
    made = make(together(painter, PICTURES), *(window(seed) for seed in range(7, 13)))
    assert made == [7, 8, 9, 10, 11, 12]
    assert painter.asked == [(7, 3), (10, 3)]


def test_another_prompt_or_reference_is_asked_for_anew() -> None:
    painter, picture = Painter(), np.zeros((2, 2, 3))
    requests = [window(7), window(8, "a blue ball"), window(9, "a blue ball", references=(picture,)),
                window(10, "a blue ball", references=(picture.copy(),))]  # fmt: skip
    assert make(together(painter, PICTURES), *requests) == [7, 8, 9, 10]
    assert painter.asked == [(7, 3), (8, 3), (9, 3)]


@pytest.mark.parametrize(
    ("can", "settings", "given"),
    [(False, PICTURES, {}), (True, {**PICTURES, "batch_size": 1}, {}), (True, {**PICTURES, "image_mode": 0}, {}),
     (True, {**PICTURES, "fixed_seed": True}, {}), (True, PICTURES, {"source": np.zeros((1, 2, 2, 3))})],
)  # fmt: skip
def test_what_cannot_be_made_together_is_made_in_turn(
    can: bool, settings: dict[str, Any], given: dict[str, Any]
) -> None:
    painter = Painter(can=can)
    assert make(together(painter, settings), window(7, **given), window(8, **given)) == [7, 8]
    assert painter.asked == [(7, 1), (8, 1)]


def test_a_cancelled_batch_leaves_nothing_behind() -> None:
    painter = Painter()
    pipeline: Any = together(painter, PICTURES)
    with pytest.raises(Cancelled):
        pipeline(window(7), lambda step: None, lambda: True)
    assert make(pipeline, window(8)) == [8]
