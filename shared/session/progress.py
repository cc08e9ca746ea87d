"""Events of a task as the updates that callers see, with the percentage of the whole job."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from shared.core.events import Progress
from shared.core.phases import (
    CANCELLED,
    INFERENCE,
    estimate_progress,
    extract_status_phase_label,
    has_steps,
    normalize_phase,
    task_fraction,
)
from shared.core.results import PreviewUpdate, ProgressUpdate


def progress_update(event: Progress) -> ProgressUpdate:
    """What a step means: its phase, its percentage, its counts where they mean something."""
    displayed = extract_status_phase_label(event.text)
    label = event.phase or displayed
    phase = normalize_phase(label)
    if event.step is None and displayed and normalize_phase(displayed) != phase:
        label, phase = displayed, normalize_phase(displayed)
    is_counted = has_steps(phase)
    step, total = (event.step, event.total) if is_counted else (None, None)
    return ProgressUpdate(
        phase=phase,
        status=event.text,
        progress=estimate_progress(phase, step, total, label),
        current_step=step,
        total_steps=total,
        raw_phase=label,
        unit=event.unit,
    )


class JobMeter:
    """How far a job of several tasks is; what was once reached is never taken back."""

    def __init__(self, tasks: int) -> None:
        self._tasks = max(1, tasks)
        self._finished = 0
        self._reached = 0
        self.last = ProgressUpdate(INFERENCE, "", 0, None, None, job_progress=0)

    def step(self, event: Progress) -> ProgressUpdate:
        """The update for a step of the running task."""
        update = progress_update(event)
        if update.phase != CANCELLED:
            share = self._finished + task_fraction(update.status, update.progress)
            self._reach(share)
        self.last = replace(update, job_progress=self._reached)
        return self.last

    def task_finished(self) -> None:
        """One task less to do, whatever became of it."""
        self._finished += 1
        self._reach(self._finished)

    def preview(self, jpeg: bytes) -> PreviewUpdate:
        """The update for a preview, at the last step told."""
        last = self.last
        return PreviewUpdate(
            image=decode_preview(jpeg),
            phase=last.phase,
            status=last.status,
            progress=last.progress,
            current_step=last.current_step,
            total_steps=last.total_steps,
        )

    def _reach(self, share: float) -> None:
        self._reached = max(self._reached, min(100, int(100 * share / self._tasks)))


def decode_preview(jpeg: bytes) -> Image.Image | None:
    """A preview as an RGB picture; None where it cannot be read (a preview is never worth a failure)."""
    try:
        return Image.open(io.BytesIO(jpeg)).convert("RGB")
    except (OSError, ValueError):
        return None
