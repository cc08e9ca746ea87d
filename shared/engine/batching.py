"""The samples of a task made together, where a pipeline can: pictures that differ in nothing but their seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from shared.core.contracts import Pipeline, Step, WindowRequest, WindowResult

# `settings` says nothing that the other fields do not say of a picture from the same task.
_APART = ("seed", "settings")


def together(pipeline: Pipeline, settings: Mapping[str, Any]) -> Pipeline:
    """`pipeline`, which makes `batch_size` pictures of a task at once where it can (its `makes_batches`)."""
    count = int(settings.get("batch_size") or 1)
    can = hasattr(pipeline, "makes_batches") and settings.get("image_mode") and not settings.get("fixed_seed")
    return BatchingPipeline(pipeline, count) if count > 1 and can else pipeline


class BatchingPipeline:
    """See core.contracts.Pipeline. Asked for one sample it makes those with the next seeds too, and keeps them until
    they are asked for."""

    def __init__(self, pipeline: Any, count: int) -> None:
        self._pipeline, self._count = pipeline, count
        self._waiting: dict[int, tuple[WindowRequest, WindowResult]] = {}

    def components(self) -> dict[str, Any]:
        """Those of the pipeline."""
        found: dict[str, Any] = self._pipeline.components()
        return found

    def preview(self, latents: Any) -> Any:
        """The first picture at work."""
        return self._pipeline.preview(latents)

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """One sample; raises as the pipeline does."""
        asked, result = self._waiting.pop(window.seed, (None, None))
        if asked is not None and result is not None and _differ_in_seed_alone(asked, window):
            return result
        self._waiting.clear()
        batch = replace(window, batch_size=self._count)
        if window.source is not None or not self._pipeline.makes_batches(batch):
            alone: WindowResult = self._pipeline(window, on_step, is_cancelled)
            return alone
        made: WindowResult = self._pipeline(batch, on_step, is_cancelled)
        for index, frames in enumerate(made.frames[1:], start=1):
            self._waiting[window.seed + index] = (window, WindowResult([frames]))
        return replace(made, frames=made.frames[:1])


def _differ_in_seed_alone(left: WindowRequest, right: WindowRequest) -> bool:
    names = (field.name for field in fields(WindowRequest) if field.name not in _APART)
    return all(_is_same(getattr(left, name), getattr(right, name)) for name in names)


def _is_same(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return bool(np.array_equal(left, right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_is_same, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_is_same(left[key], right[key]) for key in left)
    return bool(left == right)
