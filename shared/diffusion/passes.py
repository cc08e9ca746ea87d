"""The passes through the network that denoises: which step each belongs to, and something put around them.

Works for any diffusers pipeline: the place in the schedule is read from its scheduler, the branch (with the prompt,
without it, ...) is the order of the calls within a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

# What a pipeline calls at each step.
DENOISERS = ("transformer", "transformer_2", "unconditional_transformer", "unet")


@dataclass(frozen=True)
class Pass:
    """One call of a denoiser.

    `step` counts from 0 in the present run of the schedule, `steps` is the length of that run, `branch` counts the
    calls within a step. `time` is the noise level as the schedule tells it, from 1 (noise) to 0 (clean); `starts_run`
    marks the first call of a run.
    """

    module: nn.Module
    step: int
    steps: int
    branch: int
    time: float
    starts_run: bool
    args: tuple[Any, ...]
    options: dict[str, Any]
    forward: Callable[..., Any]

    def run(self) -> Any:
        """The network's own answer."""
        return self.forward(*self.args, **self.options)


Around = Callable[[Pass], Any]


@contextmanager
def around_passes(pipe: Any, around: Around) -> Iterator[None]:
    """Within it, `around` answers every pass of the denoisers of `pipe`; afterwards they are as they were."""
    clock = _Clock(pipe)
    with ExitStack() as stack:
        for module in denoisers(pipe):
            stack.enter_context(_answered(module, clock, around))
        yield


def denoisers(pipe: Any) -> list[nn.Module]:
    """The networks that a pipeline calls at each step."""
    found = [getattr(pipe, name, None) for name in DENOISERS]
    return [module for module in found if isinstance(module, nn.Module)]


@contextmanager
def _answered(module: nn.Module, clock: _Clock, around: Around) -> Iterator[None]:
    before = vars(module).get("forward")
    forward = module.forward

    def answer(*args: Any, **options: Any) -> Any:
        return around(clock.next_pass(module, args, options, forward))

    module.forward = answer
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


class _Clock:
    """Counts steps and branches by the scheduler of the pipeline, which may be another one in each run.

    A pipeline that gives each frame a noise level of its own (diffusion forcing) steps through rows of levels, with
    copies of its scheduler: there the rows are counted, and the noisiest frame tells the time.
    """

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._timesteps: Any = None
        self._times: list[float] = []
        self._levels = 1.0
        self._first = self._index = self._branch = -1
        self._row: torch.Tensor | None = None

    def next_pass(
        self, module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], forward: Callable[..., Any]
    ) -> Pass:
        scheduler, row = self._pipe.scheduler, self._row_of_levels()
        index = self._place(scheduler, args, options) if row is None else self._index + (row is not self._row)
        starts_run = scheduler.timesteps is not self._timesteps or index < self._index
        if starts_run:
            index = index if row is None else 0
            self._begin(scheduler, index)
        self._branch = 0 if starts_run or index != self._index else self._branch + 1
        self._index, self._row = index, row
        return Pass(
            module=module,
            step=index - self._first,
            steps=len(self._times) - self._first if row is None else int(self._pipe.num_timesteps),
            branch=self._branch,
            time=self._time() if row is None else float(row.max()) / self._levels,
            starts_run=starts_run,
            args=args,
            options=options,
            forward=forward,
        )

    def _begin(self, scheduler: Any, index: int) -> None:
        self._timesteps, self._first = scheduler.timesteps, index
        self._levels = max(float(getattr(scheduler.config, "num_train_timesteps", 0) or 0), 1.0)
        self._times = [float(t) / self._levels for t in scheduler.timesteps]

    def _time(self) -> float:
        return self._times[min(self._index, len(self._times) - 1)] if self._times else 0.0

    def _row_of_levels(self) -> torch.Tensor | None:
        row = getattr(self._pipe, "_current_timestep", None)
        return row if isinstance(row, torch.Tensor) and row.ndim else None

    def _place(self, scheduler: Any, args: tuple[Any, ...], options: dict[str, Any]) -> int:
        """Where in its schedule the pipeline is."""
        if hasattr(scheduler, "step_index"):
            index = scheduler.step_index
            return int(index if index is not None else getattr(scheduler, "begin_index", None) or 0)
        # Schedulers without a place of their own (DDIM, PNDM) are those of pipelines that hand on the timestep.
        timestep = options.get("timestep", args[1] if len(args) > 1 else 0)
        value = float(timestep.max()) if hasattr(timestep, "max") else float(timestep)
        distances = [abs(float(t) - value) for t in scheduler.timesteps]
        return distances.index(min(distances))
