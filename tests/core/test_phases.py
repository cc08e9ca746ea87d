"""Phases and percentages against the published tables."""

from __future__ import annotations

import pytest

from shared.core.phases import (
    estimate_progress,
    extract_status_phase_label,
    has_steps,
    normalize_phase,
    task_fraction,
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Prompt 1/1 | Denoising | 7.2s", "Denoising"),
        ("Prompt 1/2, Sample 1/3 - Denoising | 7.2s / 21s", "Denoising"),
        ("[2/3] Sliding Window 1/4: VAE Decoding", "VAE Decoding"),
        ("[1/2] [3/4] chunk 1/2, pass 2/2 - Denoising First Pass", "Denoising First Pass"),
        ("Prompt 1/2, Sample 1/3", ""),
        ("Sample 2/3 | 00:07", ""),
        ("7.2s", "7.2s"),
        ("1m 20s | Loading model Starter", "Loading model Starter"),
        ("", ""),
        ("Prompting the model", "Prompting the model"),
    ],
)
def test_the_label_is_what_counters_and_times_leave(text: str, label: str) -> None:
    assert extract_status_phase_label(text) == label


@pytest.mark.parametrize(
    ("label", "phase"),
    [
        ("Denoising First Pass", "inference_stage_1"),
        ("denoising 2nd pass", "inference_stage_2"),
        ("Denoising Third Pass", "inference_stage_3"),
        ("Denoising Second Phase", "inference"),
        ("Loading model Starter", "loading_model"),
        ("Loading LoRAs", "loading_model"),
        ("Downloading model files", "downloading_model"),
        ("Downloading output", "downloading_output"),
        ("Encoding Prompt", "encoding_text"),
        ("VAE Encoding", "encoding_text"),
        ("Enhancing Prompt", "encoding_text"),
        ("VAE Decoding", "decoding"),
        ("Saved", "downloading_output"),
        ("Completed", "downloading_output"),
        ("Cancelled", "cancelled"),
        ("Aborting", "cancelled"),
        ("Upsampling", "inference"),
        ("", "inference"),
    ],
)
def test_the_first_matching_phase_wins(label: str, phase: str) -> None:
    assert normalize_phase(label) == phase


@pytest.mark.parametrize(
    ("phase", "alone", "start", "half", "end"),
    [
        ("loading_model", 10, 5, 10, 15),
        ("encoding_text", 18, 12, 17, 22),
        ("inference_stage_1", 25, 20, 44, 68),
        ("inference_stage_2", 70, 68, 78, 88),
        ("inference_stage_3", 80, 80, 84, 89),
        ("inference", 15, 20, 52, 85),
        ("decoding", 90, 85, 90, 95),
        ("downloading_output", 95, 92, 95, 98),
        ("cancelled", 0, 0, 0, 0),
        ("downloading_model", 2, 0, 2, 5),
    ],
)
def test_percentages_follow_the_table(phase: str, alone: int, start: int, half: int, end: int) -> None:
    found = [estimate_progress(phase, None, None), *(estimate_progress(phase, step, 8) for step in (0, 4, 8))]
    assert found == [alone, start, half, end]


def test_a_ratio_never_leaves_its_phase() -> None:
    assert estimate_progress("inference", 99, 8) == 85
    assert estimate_progress("inference", -1, 8) == 20
    assert estimate_progress("inference", 3, 0) == 15


def test_steps_count_only_where_something_is_counted() -> None:
    counted = [p for p in ("encoding_text", "inference", "inference_stage_2", "decoding", "downloading_model")]
    assert all(has_steps(phase) for phase in counted)
    assert not any(has_steps(phase) for phase in ("loading_model", "downloading_output", "cancelled"))


def test_the_fraction_of_a_task_nests_its_counters() -> None:
    assert task_fraction("Denoising", 50) == 0.5
    assert task_fraction("Prompt 2/2, Sample 1/2 - Denoising | 3s", 50) == 0.625
    assert task_fraction("Sliding Window 3/4 - VAE Decoding", 100) == 0.75
    assert task_fraction("Prompt 1/1, Sample 2/2", 0) == 0.5
