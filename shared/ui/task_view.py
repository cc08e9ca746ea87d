"""What the page shows of a task, a result and the progress of the running one: plain JSON, made from core values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.core.events import Progress
from shared.core.phases import estimate_progress, normalize_phase, task_fraction
from shared.core.task import Task

PROMPT_CHARS = 300


def task_row(task: Task, model_name: str, fps: float | None) -> dict[str, Any]:
    """One line of the queue panel."""
    params = task.params
    return {
        "id": task.id,
        "client_id": task.client_id,
        "status": task.status,
        "prompt": str(params.get("prompt") or "")[:PROMPT_CHARS],
        "model": model_name,
        "frames": None if params.get("image_mode") else params.get("video_length"),
        "fps": fps,
        "steps": params.get("num_inference_steps"),
        "size": params.get("resolution"),
        "repeats": params.get("repeat_generation") or 1,
        "picture": task_picture(task) is not None,
        "error": task.error,
        "attempts": task.attempts,
        "edit_mode": str(params.get("mode") or ""),
    }


def task_picture(task: Task) -> Any:
    """The picture that stands for a task: its first start image, else the first other media; None: it has none."""
    for name in ("image_start", "image_refs", "image_guide", "video_source", "video_guide", "image_end"):
        value = task.params.get(name)
        if isinstance(value, (list, tuple)):
            value = value[0] if value else None
        if value:
            return value
    return None


def result_row(entry: Any, model_name: str) -> dict[str, Any]:
    """One tile of the gallery; `entry` is a line of the history."""
    settings: Mapping[str, Any] = entry.settings or {}
    return {
        "id": entry.id,
        "task_id": entry.task_id,
        "name": Path(entry.path).name,
        "kind": entry.media_type,
        "prompt": str(settings.get("prompt") or "")[:PROMPT_CHARS],
        "model": model_name,
        "seed": settings.get("seed"),
        "size": settings.get("resolution"),
        "frames": settings.get("video_length"),
        "steps": settings.get("num_inference_steps"),
        "created": entry.created,
        "favourite": entry.is_favourite,
        "missing": entry.is_missing,
        "trashed": entry.trashed,
    }


@dataclass
class RunningTask:
    """What is known of the running task: its phase and steps, its share done, and the time left."""

    task_id: int
    client_id: str
    started: float = field(default_factory=time.monotonic)
    text: str = ""
    phase: str = ""
    step: int | None = None
    total: int | None = None
    unit: str | None = None
    percent: int = 0
    preview_number: int = 0
    preview: bytes = b""
    _mark: tuple[float, float] | None = None
    _left_s: float | None = None
    _left_at: float = 0.0

    def advance(self, event: Progress, now: float | None = None) -> None:
        """Take in one step forward. The bar never runs backwards."""
        now = time.monotonic() if now is None else now
        phase = normalize_phase(event.phase)
        fraction = task_fraction(event.text, estimate_progress(phase, event.step, event.total, event.phase))
        self.text, self.phase = event.text, event.phase
        self.step, self.total, self.unit = event.step, event.total, event.unit
        self.percent = max(self.percent, min(99, int(fraction * 100)))
        if phase.startswith("inference") and event.step is not None:
            self._estimate(fraction, now)

    def _estimate(self, fraction: float, now: float) -> None:
        """Time left from the pace since the first denoising step: loading and encoding do not repeat."""
        if self._mark is None:
            self._mark = (fraction, now)
            return
        first_fraction, first_time = self._mark
        if fraction - first_fraction > 0 and now > first_time:
            pace = (now - first_time) / (fraction - first_fraction)
            self._left_s, self._left_at = max(0.0, (1.0 - fraction) * pace), now

    def as_json(self, now: float | None = None) -> dict[str, Any]:
        """The progress message of the browser."""
        now = time.monotonic() if now is None else now
        is_download = self.unit == "bytes" and bool(self.total)
        left = None if self._left_s is None else max(0.0, self._left_s - (now - self._left_at))
        return {
            "task_id": self.task_id,
            "client_id": self.client_id,
            "text": self.text.split(" | ")[0],
            "phase": self.phase,
            "step": self.step,
            "total": self.total,
            "unit": self.unit,
            "percent": self.percent if not is_download else 100 * (self.step or 0) // (self.total or 1),
            "elapsed_s": round(now - self.started, 1),
            "left_s": None if left is None else round(left, 1),
            "preview": self.preview_number,
        }
