"""How a running task is heard and steered: progress, previews, pause and abort, at every step."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from shared.core.contracts import Control, Pipeline, Step
from shared.core.errors import Cancelled
from shared.core.events import Event, Info, Preview, Progress, Status
from shared.core.task import Task
from shared.engine.status import Clock, Position, duration_text, status_text, window_fraction

PREVIEW_INTERVAL_S = 0.5
SLOW_PREVIEW_INTERVAL_S = 2.0
# Previews may take this share of the time at most, as long as one comes every SLOW_PREVIEW_INTERVAL_S.
PREVIEW_SHARE = 0.03
PAUSE_POLL_S = 0.1


@dataclass(frozen=True)
class Watchers:
    """What a caller in the same process may watch besides the events: latents as they are, the place in the plan."""

    on_latents: Callable[[Any], None] | None = None
    on_position: Callable[[Position], None] | None = None


class _SampleSkipped(Cancelled):
    """The user wants no more of the sample that is being made."""


class Reporter:
    """Tells one task's events and obeys its control."""

    def __init__(
        self, task: Task, emit: Callable[[Event], None], control: Control, watchers: Watchers | None = None
    ) -> None:
        self.control, self.clock, self.position = control, Clock(), Position()
        self._task, self._emit, self._watchers = task, emit, watchers or Watchers()
        self._last_preview, self._preview_interval_s, self._has_shown = 0.0, 0.0, False
        self._taken = {"extra_orders": 0, "extra_windows": 0, "skips": 0}
        self._is_in_sample = False
        self.facts: Counter[str] = Counter()
        """What was counted while the present sample was made."""

    def emit(self, kind: type[Any], **fields: Any) -> None:
        """Send an event of this task."""
        self._emit(kind(task_id=self._task.id, client_id=self._task.client_id, **fields))

    def info(self, text: str) -> None:
        """A line that the user should notice."""
        self.emit(Info, text=text)

    def status(self, text: str) -> None:
        """A line about what is being done."""
        self.emit(Status, text=text)

    def phase(self, phase: str, step: int | None = None, total: int | None = None) -> None:
        """A step forward; a point at which the task can be paused and ended."""
        self.checkpoint()
        text = status_text(self.position, phase, self.clock, window_fraction(phase, step, total))
        self.emit(Progress, text=text, phase=phase, step=step, total=total)

    def downloading(self, phase: str, detail: str, done: int, total: int | None) -> None:
        """How far a download is, in bytes; a point at which the task can be paused and ended."""
        self.checkpoint()
        text = f"{phase}: {detail} | {duration_text(self.clock.elapsed_s())}"
        self.emit(Progress, text=text, phase=phase, step=done, total=total, unit="bytes")

    def move_to(self, position: Position) -> None:
        """What is worked on from here on."""
        self.position = position
        if self._watchers.on_position is not None:
            self._watchers.on_position(position)

    def checkpoint(self) -> None:
        """Wait while the task is paused. Raises Cancelled once it shall end."""
        if self.control.get("pause") and not self.is_cancelled():
            self.status("Paused")
            while self.control.get("pause") and not self.is_cancelled():
                time.sleep(PAUSE_POLL_S)
            self.status("Resumed")
        if self.is_cancelled():
            raise Cancelled()
        if self._is_in_sample and self.takes("skips"):
            raise _SampleSkipped()

    @contextmanager
    def sample(self) -> Iterator[None]:
        """What is made inside can be skipped: it ends at its next step, and the task goes on."""
        self._is_in_sample = True
        try:
            yield
        except _SampleSkipped:
            self.info("A result was skipped.")
        finally:
            self._is_in_sample = False

    def is_cancelled(self) -> bool:
        """Whether the user has ended the task."""
        return bool(self.control.get("abort"))

    def shall_stop_early(self) -> bool:
        """Whether the user wants what there is, and no more."""
        return bool(self.control.get("early_stop"))

    def pending(self, wish: Literal["extra_orders", "extra_windows", "skips"]) -> int:
        """How many samples, windows or skips the user has asked for that nobody has granted yet."""
        return max(int(self.control.get(wish, 0) or 0) - self._taken[wish], 0)

    def takes(self, wish: Literal["extra_orders", "extra_windows", "skips"]) -> bool:
        """Whether there is such a wish; the caller grants it."""
        if not self.pending(wish):
            return False
        self._taken[wish] += 1
        return True

    def step_listener(self, pipeline: Pipeline) -> Callable[[Step], None]:
        """What a pipeline calls at each step."""

        def on_step(step: Step) -> None:
            if step.notice:
                self.info(step.notice)
            self.facts.update(step.facts)
            if step.phase:
                self.phase(step.phase, step.index, step.total)
            if step.latents is not None:
                self._show(step.latents, pipeline)

        return on_step

    def _show(self, latents: Any, pipeline: Pipeline) -> None:
        started = time.monotonic()
        if started - self._last_preview < self._preview_interval_s:
            return
        self._last_preview = started
        if self._watchers.on_latents is not None:
            self._watchers.on_latents(latents)
        strip = io.BytesIO()
        pipeline.preview(latents).convert("RGB").save(strip, "JPEG", quality=85)
        self.emit(Preview, jpeg=strip.getvalue())
        # The first one may have to prepare what the others use.
        cost_s = time.monotonic() - started if self._has_shown else 0.0
        self._has_shown = True
        self._preview_interval_s = min(max(PREVIEW_INTERVAL_S, cost_s / PREVIEW_SHARE), SLOW_PREVIEW_INTERVAL_S)
