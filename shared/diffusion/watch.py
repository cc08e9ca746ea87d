"""Hears what any diffusers pipeline does: how many steps there are, each one's end, the latents, the decoding.

Nothing depends on a pipeline's `callback_on_step_end`, which some lack. The number of steps and their ends come from
the pipeline's own progress bar, the latents from its scheduler.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from shared.core.contracts import Step
from shared.diffusion.guard import networks_of

ToPreview = Callable[[torch.Tensor], torch.Tensor | None]


@contextmanager
def watched(
    pipe: Any, on_step: Callable[[Step], None], check: Callable[[], None], to_preview: ToPreview
) -> Iterator[None]:
    """Within it, `on_step` hears the phases of `pipe`; afterwards the pipeline is as it was.

    `check` is called before every step and may raise. `to_preview` makes latents (C,T,H,W) of the first sample from
    the scheduler's latents, or None where no picture can be made of them.
    """
    watch = _Watch(pipe, on_step, check, to_preview)
    with ExitStack() as stack:
        stack.enter_context(_replaced(pipe, "progress_bar", watch.progress_bar))
        stack.enter_context(_overridden_step(getattr(pipe, "scheduler", None), watch))
        for module in networks_of(pipe).values():
            decode: Any = getattr(module, "decode", None)
            if callable(decode):
                stack.enter_context(_replaced(module, "decode", watch.announced(decode)))
        yield


class _Watch:
    def __init__(
        self, pipe: Any, on_step: Callable[[Step], None], check: Callable[[], None], to_preview: ToPreview
    ) -> None:
        self.scheduler, self._on_step, self._check, self._to_preview = (
            getattr(pipe, "scheduler", None), on_step, check, to_preview,
        )  # fmt: skip
        self._phase = ""
        self._clean: torch.Tensor | None = None

    def tell(self, step: Step) -> None:
        self._check()
        self._phase = step.phase
        self._on_step(step)

    def progress_bar(self, iterable: Any = None, total: int | None = None, **_: Any) -> _Bar:
        """What `pipe.progress_bar` gives: the loop of the steps begins."""
        return _Bar(self, iterable, total if total is not None else len(iterable))

    def finished(self, index: int, total: int) -> None:
        """`index` steps of `total` are done."""
        latents, self._clean = self._clean, None
        self.tell(Step("Denoising", index, total, None if latents is None else self._to_preview(latents)))

    def stepped(self, scheduler: Any, before: torch.Tensor, after: Any) -> None:
        """The scheduler has made `after` from `before`; copies of it, for other latents, do not count."""
        if scheduler is self.scheduler:
            self._clean = clean_latents(scheduler, before[:1], after)
        self._check()

    def announced(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        """`decode`, told as a phase of its own."""

        @functools.wraps(decode)
        def wrapper(*args: Any, **options: Any) -> Any:
            if self._phase != "VAE decoding":
                self.tell(Step("VAE decoding"))
            return decode(*args, **options)

        return wrapper


class _Bar:
    """Stands in for the progress bar of a pipeline: a context with `update`, or an iterable."""

    def __init__(self, watch: _Watch, iterable: Any, total: int) -> None:
        self._watch, self._iterable, self.total, self.n = watch, iterable, total, 0
        watch.tell(Step("Denoising", 0, total))

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        for item in self._iterable:
            yield item
            self.update()

    def update(self, count: int = 1) -> None:
        """`count` more steps are done."""
        self.n = min(self.n + count, self.total)
        self._watch.finished(self.n, self.total)

    def close(self) -> None:
        """The loop has ended."""

    def set_postfix(self, *_: Any, **__: Any) -> None:
        """Words beside the bar are not shown."""

    set_description = set_postfix_str = set_postfix


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value`; afterwards it is what the class says, or what it was."""
    missing = object()
    before = vars(owner).get(name, missing)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if before is missing:
            object.__delattr__(owner, name)
        else:
            object.__setattr__(owner, name, before)


@contextmanager
def _overridden_step(scheduler: Any, watch: _Watch) -> Iterator[None]:
    """`scheduler.step` tells what it does.

    Its class is exchanged, rather than the method of the object: a pipeline that copies its scheduler gets copies
    that step by themselves.
    """
    if scheduler is None or not hasattr(scheduler, "step"):
        yield
        return
    original = type(scheduler)

    @functools.wraps(original.step)
    def step(self: Any, *args: Any, **options: Any) -> Any:
        result = original.step(self, *args, **options)
        watch.stepped(self, options["sample"] if "sample" in options else args[2], result)
        return result

    scheduler.__class__ = type(original.__name__, (original,), {"step": step, "__module__": original.__module__})
    try:
        yield
    finally:
        scheduler.__class__ = original


def clean_latents(scheduler: Any, before: torch.Tensor, result: Any) -> torch.Tensor:
    """What the first sample will look like, judged after a step: (1, ...), in the shape of the latents.

    Some schedulers say it, multistep ones keep their last estimate; for Euler it lies on the line from `before`
    through the step's result.
    """
    values = result if isinstance(result, tuple) else tuple(result.values())
    after = values[0][:1]
    if len(values) > 1 and isinstance(values[1], torch.Tensor):
        return values[1][:1]
    outputs = getattr(scheduler, "model_outputs", None)
    if outputs and outputs[-1] is not None:
        return outputs[-1][:1]
    index, sigmas = getattr(scheduler, "step_index", None), getattr(scheduler, "sigmas", None)
    if index is None or sigmas is None or not 0 < index < len(sigmas) or before.shape != after.shape:
        return after
    sigma, next_sigma = float(sigmas[index - 1]), float(sigmas[index])
    return after if sigma == next_sigma else after - next_sigma * (before - after) / (sigma - next_sigma)
