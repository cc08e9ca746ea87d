"""What the training stages share: the clock that sets the learning rate, checkpoints and the log."""

import csv
import math
import os
import time
from pathlib import Path

import torch


class Clock:
    """Share of the planned time that is used up; survives a resume by starting from the share already spent.

    `minutes` is the planned length. The learning rate follows the clock, so its decay ends in time on any machine.
    """

    def __init__(self, minutes: float, spent_s: float = 0.0):
        self.planned_s = minutes * 60
        self._began = time.monotonic() - spent_s

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def share(self) -> float:
        return min(self.spent_s / self.planned_s, 1.0)

    @property
    def is_over(self) -> bool:
        return self.spent_s >= self.planned_s


def learning_rate_factor(step: int, share: float, warmup_steps: int, decay_from: float) -> float:
    """Warm-up by steps, then flat, then a cosine to zero from `decay_from` to the end of the planned time."""
    warmup = min((step + 1) / warmup_steps, 1.0)
    tail = max(share - decay_from, 0.0) / (1.0 - decay_from)
    return warmup * (0.5 + 0.5 * math.cos(math.pi * tail))


def save_checkpoint(path: Path, state: dict) -> None:
    """Write the whole state beside `path`, then put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict:
    return torch.load(path, map_location=device, weights_only=True)


class TrainingLog:
    """Rows of figures appended to a CSV file and shown on the console."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, **figures: float | int | str) -> None:
        row = {key: f"{value:.5g}" if isinstance(value, float) else str(value) for key, value in figures.items()}
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
