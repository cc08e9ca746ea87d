"""What a running task tells: frozen, plain, picklable values that cross threads and processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["done", "failed", "cancelled"]
Stage = Literal["validation", "generation", "cancelled", "runtime"]
MediaType = Literal["video", "image", "audio", "text"]


@dataclass(frozen=True)
class TaskEvent:
    """Base of every event: `task_id` is the queue's id, `client_id` the caller's."""

    task_id: int
    client_id: str


@dataclass(frozen=True)
class Started(TaskEvent):
    """A device has claimed the task."""

    device: str = ""


@dataclass(frozen=True)
class Progress(TaskEvent):
    """One step forward.

    `text` is the whole status line (`Prompt 1/2, Sample 1/3 - Denoising | 7.2s / 21s`), `phase` the bare label
    (`Denoising`), `step` and `total` are None while the length is unknown. `unit` is the name of what is counted
    (None: steps; "bytes" for a download).
    """

    text: str
    phase: str
    step: int | None = None
    total: int | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Preview(TaskEvent):
    """A JPEG of the clip as it stands: its frames side by side in one wide RGB strip."""

    jpeg: bytes


@dataclass(frozen=True)
class Status(TaskEvent):
    """A line about what is being done."""

    text: str


@dataclass(frozen=True)
class Info(TaskEvent):
    """A line that the user should notice (a setting that this model ignores, a size that was rounded)."""

    text: str


@dataclass(frozen=True)
class Console(TaskEvent):
    """One line printed by the generation."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True)
class Output(TaskEvent):
    """A finished file.

    `path` is absolute, `settings` what is embedded in the file, `artifact` the in-memory media asked for with
    `_api` (see results.GeneratedArtifact.from_payload), `index` counts the task's results from 0
    (the layers of a picture have numbers of their own, from 10000).
    """

    path: str
    media_type: MediaType
    settings: dict[str, Any] = field(default_factory=dict)
    artifact: dict[str, Any] | None = None
    index: int = 0


@dataclass(frozen=True)
class RefreshModels(TaskEvent):
    """Model or LoRA files changed on disk; `token` differs each time. Task 0: no task did it."""

    token: str


@dataclass(frozen=True)
class Finished(TaskEvent):
    """The last event of a task. `error` is fit for a user; `stage` says where it failed."""

    outcome: Outcome
    error: str | None = None
    stage: Stage | None = None


@dataclass(frozen=True)
class QueueChanged:
    """Tasks were added, moved, removed, paused or resumed; `reason` is for logs."""

    reason: str


Event = Started | Progress | Preview | Status | Info | Console | Output | RefreshModels | Finished | QueueChanged
