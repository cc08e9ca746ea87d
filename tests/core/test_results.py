"""The public result types keep the order, the defaults and the meaning that clients rely on."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from shared.core.results import (
    GeneratedArtifact,
    GenerationError,
    GenerationResult,
    PreviewUpdate,
    ProgressUpdate,
    SessionEvent,
    StreamMessage,
)

ORDER = {
    StreamMessage: "stream text",
    ProgressUpdate: "phase status progress current_step total_steps raw_phase unit job_progress",
    PreviewUpdate: "image phase status progress current_step total_steps",
    SessionEvent: "kind data timestamp",
    GeneratedArtifact: (
        "path media_type client_id video_tensor_uint8 video_tensor_hdr hdr audio_tensor audio_sampling_rate fps "
        "flashvsr_continue_cache"
    ),
    GenerationResult: "success generated_files errors total_tasks successful_tasks failed_tasks artifacts",
    GenerationError: "message task_index task_id stage",
}


@pytest.mark.parametrize("kind", ORDER, ids=lambda kind: kind.__name__)
def test_fields_keep_their_order(kind: type) -> None:
    assert " ".join(field.name for field in fields(kind)) == ORDER[kind]


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        StreamMessage("stdout", "line").text = "other"  # type: ignore[misc]


def test_a_result_is_cancelled_only_when_every_error_is() -> None:
    cancelled = GenerationError("stopped", stage="Cancelled")
    by_text = GenerationError("Generation was CANCELLED")
    failed = GenerationError("no such model", task_index=2, stage="validation")
    assert GenerationResult(False, [], [cancelled, by_text], 2, 0, 2).cancelled
    assert not GenerationResult(False, [], [cancelled, failed], 2, 0, 2).cancelled
    assert not GenerationResult(True, [], [], 1, 1, 0).cancelled
    assert str(failed) == "no such model"


def test_an_artifact_is_read_from_its_payload() -> None:
    artifact = GeneratedArtifact.from_payload({"path": "", "fps": 8, "unknown": 1}, default_client_id="api_1")
    assert artifact == GeneratedArtifact(path=None, media_type="video", client_id="api_1", fps=8)
    assert GeneratedArtifact.from_payload(None) is None
    assert GeneratedArtifact.from_payload(["path"]) is None


def test_an_event_knows_when_it_happened() -> None:
    first, second = SessionEvent("started"), SessionEvent("completed")
    assert 0 < first.timestamp <= second.timestamp
