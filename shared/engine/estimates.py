"""How long a task will take, by the results of its like."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.database import Database
from shared.core.errors import SettingsError
from shared.core.prompts import split_clips

# Newest results of a model that are looked at, and how many of the most alike decide.
READ = 40
DECIDING = 5


@dataclass(frozen=True)
class _Work:
    """What a sample takes: pixels of a frame, frames, steps; `seconds` are known of one that was made."""

    pixels: int
    frames: int
    steps: int
    seconds: float = 0.0

    @property
    def amount(self) -> float:
        return float(self.pixels * self.frames * self.steps)

    def unlikeness(self, other: _Work) -> float:
        """0 for the same size, length and steps; each factor of two in one of them is 1 more."""
        pairs = ((self.pixels, other.pixels), (self.frames, other.frames), (self.steps, other.steps))
        return sum(max(mine, its) / min(mine, its) - 1 for mine, its in pairs)


class Estimates:
    """Estimates over one history. What was read of a model is kept until `forget`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: dict[str, list[_Work]] = {}
        self._lock = threading.Lock()

    def seconds(self, params: Mapping[str, Any]) -> float | None:
        """Seconds that a task with these settings will run, loading left out; None while nothing like it was made.

        The median over the most alike of the model's last results, each scaled by pixels, frames and steps.
        """
        work = _work(params)
        if work is None:
            return None
        made = self._of(str(params.get("model_type") or ""))
        alike = sorted(made, key=work.unlikeness)[:DECIDING]
        if not alike:
            return None
        least = work.unlikeness(alike[0])
        nearest = [other for other in alike if work.unlikeness(other) <= least + 0.01]
        sample = statistics.median(other.seconds * work.amount / other.amount for other in nearest)
        return sample * _samples(params)

    def forget(self, model_type: str) -> None:
        """The model has made something: read again at the next question."""
        with self._lock:
            self._made.pop(model_type, None)

    def _of(self, model_type: str) -> list[_Work]:
        with self._lock:
            if model_type not in self._made:
                rows = self._database.rows(
                    "SELECT settings FROM outputs INDEXED BY outputs_model WHERE model_type = ?"
                    " AND state = 'committed' ORDER BY created DESC LIMIT ?",
                    (model_type, READ),
                )
                works = (_work(json.loads(row["settings"])) for row in rows)
                self._made[model_type] = [work for work in works if work is not None and work.seconds > 0]
            return self._made[model_type]


def _work(settings: Mapping[str, Any]) -> _Work | None:
    """None for what has no size or steps, such as an edit."""
    try:
        width, height = (int(side) for side in str(settings.get("resolution")).split("x"))
        frames = 1 if settings.get("image_mode") else int(settings.get("video_length") or 1)
        steps = int(settings.get("num_inference_steps") or 0)
        seconds = float(settings.get("generation_time") or 0)
    except (TypeError, ValueError):
        return None
    work = _Work(width * height, frames, steps, seconds)
    return work if work.amount > 0 else None


def _samples(params: Mapping[str, Any]) -> int:
    """How many results a task makes."""
    try:
        clips = len(split_clips(str(params.get("prompt") or ""), str(params.get("multi_prompts_gen_type") or "PG")))
    except SettingsError:
        clips = 1
    repeats = int(params.get("repeat_generation") or 1) * int(params.get("batch_size") or 1)
    return max(1, clips) * max(1, repeats)
