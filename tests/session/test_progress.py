"""Steps of a task as updates, and the percentage of a whole job."""

from __future__ import annotations

import io

from PIL import Image

from shared.core.events import Progress
from shared.session.progress import JobMeter, progress_update


def step(
    text: str, phase: str, index: int | None = None, total: int | None = None, unit: str | None = None
) -> Progress:
    return Progress(1, "api_1", text, phase, index, total, unit)


def test_a_denoising_step_keeps_its_counts() -> None:
    update = progress_update(step("Prompt 1/1 | Denoising | 7.2s", "Denoising", 4, 8))
    assert (update.phase, update.progress, update.current_step, update.total_steps) == ("inference", 52, 4, 8)
    assert (update.raw_phase, update.unit, update.status) == ("Denoising", None, "Prompt 1/1 | Denoising | 7.2s")


def test_counts_without_meaning_are_dropped() -> None:
    update = progress_update(step("Loading model Starter", "Loading model", 3, 5))
    assert (update.phase, update.progress, update.current_step, update.total_steps) == ("loading_model", 10, None, None)


def test_the_status_line_wins_over_the_phase_where_nothing_is_counted() -> None:
    update = progress_update(step("Prompt 1/2 - VAE Decoding | 3s", "Denoising"))
    assert (update.phase, update.raw_phase) == ("decoding", "VAE Decoding")
    assert progress_update(step("VAE Decoding", "Denoising", 3, 8)).phase == "inference"


def test_a_download_is_a_phase_of_its_own_counted_in_bytes() -> None:
    update = progress_update(step("Downloading model.safetensors", "Downloading", 50, 100, "bytes"))
    assert (update.phase, update.current_step, update.total_steps, update.unit) == (
        "downloading_model", 50, 100, "bytes",
    )  # fmt: skip
    assert update.progress == 2


def test_the_job_never_goes_back() -> None:
    meter = JobMeter(2)
    seen = [
        meter.step(step("Encoding prompt", "Encoding prompt")).job_progress,
        meter.step(step("Sample 1/2 - Denoising", "Denoising", 8, 8)).job_progress,
        meter.step(step("Sample 2/2 - Encoding prompt", "Encoding prompt")).job_progress,
    ]
    meter.task_finished()
    seen.append(meter.step(step("Loading model", "Loading model")).job_progress)
    seen.append(meter.step(step("Cancelled", "Cancelled")).job_progress)
    meter.task_finished()
    seen.append(meter.step(step("Saved", "Saved")).job_progress)
    assert seen == sorted(seen)
    assert seen[3] >= 50 and seen[-1] == 100


def test_a_preview_carries_the_progress_it_was_made_at() -> None:
    meter = JobMeter(1)
    meter.step(step("Denoising", "Denoising", 4, 8))
    data = io.BytesIO()
    Image.new("L", (80, 20), 200).save(data, "JPEG")
    preview = meter.preview(data.getvalue())
    assert preview.image.mode == "RGB" and preview.image.size == (80, 20)
    assert (preview.phase, preview.progress, preview.current_step, preview.total_steps) == ("inference", 52, 4, 8)
    assert meter.preview(b"not a picture").image is None
