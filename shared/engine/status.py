"""The status line of a running task: where it stands, how long it has run, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

# Share of a window's time that denoising takes; the rest is the decoding of its latents.
DENOISING_SHARE = 0.9
DENOISING = "Denoising"


@dataclass(frozen=True)
class Position:
    """What is being made, each counted from 1: prompt of prompts, sample of samples, window of windows."""

    prompt_no: int = 1
    prompts: int = 1
    sample_no: int = 1
    samples: int = 1
    window_no: int = 1
    windows: int = 1

    def text(self) -> str:
        """`Prompt 1/2, Sample 1/3, Sliding Window 2/4`; parts with a single piece are left out."""
        parts = (
            ("Prompt", self.prompt_no, self.prompts),
            ("Sample", self.sample_no, self.samples),
            ("Sliding Window", self.window_no, self.windows),
        )
        return ", ".join(f"{name} {number}/{count}" for name, number, count in parts if count > 1)

    def fraction(self, of_window: float) -> float:
        """Share of the whole task that is done when `of_window` (0..1) of this window is."""
        sample = (self.window_no - 1 + of_window) / self.windows
        prompt = (self.sample_no - 1 + sample) / self.samples
        return min(1.0, (self.prompt_no - 1 + prompt) / self.prompts)


class Clock:
    """Elapsed and estimated seconds of a task; what comes before the first window (loading) is counted once."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = now()
        self._generating = self._started

    def begin_generating(self) -> None:
        """Loading is over: from here on time is taken to pass evenly."""
        self._generating = self._now()

    def elapsed_s(self) -> float:
        """Seconds since the task began."""
        return self._now() - self._started

    def estimate_s(self, fraction: float) -> float | None:
        """Seconds that the whole task will take, or None while too little is done to tell."""
        if fraction < 0.01:
            return None
        return self._generating - self._started + (self._now() - self._generating) / fraction

    def text(self, fraction: float) -> str:
        """`7.2s / 21.0s`: elapsed / estimate."""
        elapsed, estimate = self.elapsed_s(), self.estimate_s(fraction)
        return duration_text(elapsed) + (f" / {duration_text(max(estimate, elapsed))}" if estimate else "")


def duration_text(seconds: float) -> str:
    """`7.2s`, `2m 05s`, `1h 02m`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def window_fraction(phase: str, step: int | None, total: int | None) -> float:
    """Share of a window that is done: its denoising steps (not those of an opening frame), then its decoding."""
    if "saving" in phase.lower():
        return 1.0
    if "decod" in phase.lower():
        return DENOISING_SHARE
    if step is None or not total or DENOISING.lower() not in phase.lower() or "first frame" in phase.lower():
        return 0.0
    return DENOISING_SHARE * step / total


def status_text(position: Position, phase: str, clock: Clock, of_window: float = 0.0) -> str:
    """`Prompt i/n, Sample j/m, Sliding Window k/w - <phase> | elapsed / estimate`."""
    where = position.text()
    head = f"{where} - {phase}" if where else phase
    return f"{head} | {clock.text(position.fraction(of_window))}"
