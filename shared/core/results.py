"""The public result types of the Python API. Field order and defaults are a published contract."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

CANCELLED_STAGE = "cancelled"
CANCELLED_MESSAGE = "Generation was cancelled"


@dataclass(frozen=True)
class StreamMessage:
    """One line printed by the generation; `stream` is "stdout" or "stderr"."""

    stream: str
    text: str


@dataclass(frozen=True)
class ProgressUpdate:
    """One step forward of the running task.

    `progress` (0..100) estimates the running task and is not monotonic over windows; `job_progress` (0..100) counts
    the whole job, all of its tasks together, and never goes back. `raw_phase` is the label as displayed, `unit` what
    the steps count (None: denoising steps; "bytes" for a download).
    """

    phase: str
    status: str
    progress: int
    current_step: int | None
    total_steps: int | None
    raw_phase: str | None = None
    unit: str | None = None
    job_progress: int | None = None


@dataclass(frozen=True)
class PreviewUpdate:
    """The clip as it stands: an RGB strip of its frames side by side, with the progress it was made at."""

    image: Image | None
    phase: str
    status: str
    progress: int
    current_step: int | None
    total_steps: int | None


@dataclass(frozen=True)
class SessionEvent:
    """What a job's stream carries: `kind` (started, progress, preview, ..., completed) and its payload."""

    kind: str
    data: Any = None
    timestamp: float = field(default_factory=time.time)


@dataclass(frozen=True)
class GeneratedArtifact:
    """A result in memory: `video_tensor_uint8` is [C, F, H, W], `audio_tensor` a float32 numpy array."""

    path: str | None
    media_type: str
    client_id: str = ""
    video_tensor_uint8: Any = None
    video_tensor_hdr: Any = None
    hdr: bool = False
    audio_tensor: Any = None
    audio_sampling_rate: int | None = None
    fps: float | None = None
    flashvsr_continue_cache: Any = None

    @classmethod
    def from_payload(cls, payload: Any, *, default_client_id: str = "") -> GeneratedArtifact | None:
        """The artifact of an entry of `gen["api_output_artifacts"]`; None for anything but a dict."""
        if not isinstance(payload, dict):
            return None
        return cls(
            path=str(payload.get("path") or "") or None,
            media_type=str(payload.get("media_type") or "video"),
            client_id=str(payload.get("client_id") or default_client_id),
            video_tensor_uint8=payload.get("video_tensor_uint8"),
            video_tensor_hdr=payload.get("video_tensor_hdr"),
            hdr=bool(payload.get("hdr", False)),
            audio_tensor=payload.get("audio_tensor"),
            audio_sampling_rate=payload.get("audio_sampling_rate"),
            fps=payload.get("fps"),
            flashvsr_continue_cache=payload.get("flashvsr_continue_cache"),
        )


@dataclass(frozen=True)
class GenerationError:
    """What went wrong with one task (`task_index` counts from 1), or with the whole job (no index).

    `stage`: validation (refused before it ran), generation, cancelled, or runtime (anything else).
    """

    message: str
    task_index: int | None = None
    task_id: Any = None
    stage: str | None = None

    def __str__(self) -> str:
        return self.message

    @property
    def cancelled(self) -> bool:
        """Whether the user ended the task."""
        is_stage = str(self.stage or "").strip().lower() == CANCELLED_STAGE
        return is_stage or str(self.message).strip().lower() == CANCELLED_MESSAGE.lower()


@dataclass(frozen=True)
class GenerationResult:
    """How a job ended. `generated_files` are absolute paths, those of a partial success included."""

    success: bool
    generated_files: list[str]
    errors: list[GenerationError]
    total_tasks: int
    successful_tasks: int
    failed_tasks: int
    artifacts: Sequence[GeneratedArtifact] = ()

    @property
    def cancelled(self) -> bool:
        """Whether the job ended because the user cancelled it, and for no other reason."""
        return bool(self.errors) and all(error.cancelled for error in self.errors)
