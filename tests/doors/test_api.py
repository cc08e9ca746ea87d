"""The Python API with the embedded model: real tasks, real files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.api import Runtime, WanGPSession
from shared.core.phases import has_steps
from shared.media.video import probe, read_frames

Make = Callable[..., dict[str, Any]]


def test_a_clip_comes_back_as_a_file_and_in_memory(session: WanGPSession, small: Make) -> None:
    import torch

    job = session.submit_task(small(_api={"return_media": True}))
    events = list(job.events.iter(timeout=0.2))
    result = job.result()
    assert result.success, result.errors
    (path,), (artifact,) = result.generated_files, result.artifacts
    info = probe(path)
    assert (info.width, info.height, info.num_frames) == (96, 96, 5)
    assert artifact.path == path and artifact.media_type == "video" and artifact.fps == info.fps == 8
    video = artifact.video_tensor_uint8
    assert video.dtype == torch.uint8 and tuple(video.shape) == (3, 5, 96, 96) and video.is_contiguous()
    frames, _ = read_frames(path)
    assert np.abs(video.permute(1, 2, 3, 0).numpy().astype(int) - frames).mean() < 8
    steps = [event.data for event in events if event.kind == "progress"]
    assert [(step.current_step, step.total_steps) for step in steps if step.phase == "inference"][-1] == (2, 2)
    assert all(step.current_step is None or has_steps(step.phase) for step in steps)
    jobs = [step.job_progress for step in steps]
    assert jobs == sorted(jobs) and jobs[-1] > 90
    assert "preview" in [event.kind for event in events]


def test_the_model_stays_loaded_between_jobs(session: WanGPSession, small: Make) -> None:
    session.run_task(small())
    job = session.submit_task(small())
    phases = [event.data.phase for event in job.events.iter(timeout=0.2) if event.kind == "progress"]
    assert job.result().success and "loading_model" not in phases


def test_the_output_folder_of_a_session_takes_its_files(
    session: WanGPSession, root: Path, config_dir: Path, small: Make, tmp_path: Path
) -> None:
    there = WanGPSession(
        root=root, config_path=config_dir / "wgp_config.json", output_dir=tmp_path / "mine", console_output=False
    )
    picture = small(image_mode=1)
    assert Path(there.run_task(picture).generated_files[0]).parent == tmp_path / "mine"
    assert Path(session.run_task(picture).generated_files[0]).parent == config_dir / "outputs"


def test_one_bad_task_of_a_manifest_fails_alone(session: WanGPSession, small: Make, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture", encoding="utf-8")
    result = session.run_manifest(
        [
            small(),
            small(image_start=str(tmp_path / "text.png")),
            small(image_start=str(tmp_path / "absent.png")),
            small(prompt=""),
            small(seed=6),
        ]
    )
    assert (result.total_tasks, result.successful_tasks, result.failed_tasks) == (5, 2, 3), result.errors
    assert [error.task_index for error in result.errors] == [2, 3, 4]
    assert ["image_start" in error.message for error in result.errors] == [True, True, False]
    assert len(result.generated_files) == 2


def test_cancel_stops_within_a_step(session: WanGPSession, small: Make) -> None:
    job = session.submit_task(small(num_inference_steps=60))
    seen = 0
    for event in job.events.iter(timeout=0.2):
        if event.kind == "progress" and event.data.phase == "inference":
            seen = event.data.current_step or 0
            if seen >= 2:
                job.cancel()
    assert job.result().cancelled and seen < 12
    assert session.run_task(small()).success


def test_a_part_of_a_clip_is_addressed_by_its_suffix(session: WanGPSession, small: Make, tmp_path: Path) -> None:
    (source,) = session.run_task(small(video_length=9)).generated_files
    part = f"{source}|start_frame=2,end_frame=4"
    result = session.run_task(small(video_source=part, video_length=7))
    assert result.success, result.errors
    frames, _ = read_frames(result.generated_files[0])
    kept, _ = read_frames(part)
    assert np.abs(frames[: len(kept)].astype(int) - kept).mean() < 8


def test_a_finished_file_can_be_worked_on(session: WanGPSession, small: Make) -> None:
    (source,) = session.run_task(small()).generated_files
    result = session.run_media_postprocessing(source, spatial_upsampling="lanczos2", return_media=True)
    assert result.success, result.errors
    info = probe(result.generated_files[0])
    assert (info.width, info.height, info.num_frames) == (192, 192, 5)
    assert tuple(result.artifacts[0].video_tensor_uint8.shape) == (3, 5, 192, 192)


def test_a_client_that_polls_gets_all_it_needs(root: Path, session: WanGPSession, small: Make, tmp_path: Path) -> None:
    """The loop of a desktop program built on WanGP: manifest in, `get` until `done`, files out."""
    import shared.api as api

    assert (root / "wgp.py").is_file() and Path(api.__file__) == root / "shared" / "api.py" and str(root) in sys.path
    Image.new("RGB", (96, 96), (200, 30, 30)).save(tmp_path / "start.png")
    params = small(image_prompt_type="S", image_start=str(tmp_path / "start.png"), duration_seconds=1, force_fps=8)
    params |= {"negative_prompt": "", "sliding_window_size": 17}
    job = session.submit_manifest([{"id": 1, "params": params, "plugin_data": {}}])
    phases = []
    while not job.done:
        event = job.events.get(timeout=0.2)
        if event is not None and event.kind == "progress":
            phases.append(event.data.phase)
    result = job.result()
    assert result.success and Path(result.generated_files[0]).is_file(), result.errors
    assert "inference" in phases


def test_a_second_root_is_refused_while_the_first_is_in_use(session: WanGPSession, tmp_path: Path) -> None:
    session.ensure_ready()
    assert Runtime.current() is not None
    with pytest.raises(RuntimeError, match="another root"):
        WanGPSession(root=tmp_path)
