"""The embedded model through the whole engine, at its smallest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from shared.core.contracts import Control
from shared.core.events import Event, Finished, Output, Preview, Progress
from shared.core.task import Task
from shared.engine.generate import generate_preview, run_task
from shared.engine.services import Services, build_services
from shared.media.metadata import read_settings
from shared.media.video import read_frames

SMALL = {"model_type": "starter", "resolution": "64x64", "video_length": 5, "num_inference_steps": 2, "seed": 3}

Run = Callable[..., tuple[Finished, list[Event]]]


@pytest.fixture(scope="module")
def services(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Services:
    torch.set_num_threads(1)
    services = build_services(root, tmp_path_factory.mktemp("starter"))
    services.config.set("video_output_codec", "libx264_lossless")
    return services


@pytest.fixture
def run(services: Services) -> Run:
    def run(control: Control | None = None, hear: Callable[[Event], None] | None = None, **settings: Any) -> Any:
        events: list[Event] = []

        def emit(event: Event) -> None:
            events.append(event)
            if hear is not None:
                hear(event)

        params = {**SMALL, "prompt": "a red ball moving right in front of a blue sky", **settings}
        return run_task(Task(params=params, id=1), emit, control or Control(), services), events

    return run


def frames_of(events: list[Event]) -> np.ndarray:
    (output,) = [event for event in events if isinstance(event, Output)]
    return read_frames(output.path)[0]


def test_a_prompt_becomes_a_clip_and_its_settings_make_it_again(run: Run) -> None:
    finished, events = run()
    assert finished.outcome == "done", finished.error
    (output,) = [event for event in events if isinstance(event, Output)]
    assert frames_of(events).shape == (5, 64, 64, 3)
    phases = list(dict.fromkeys(event.phase for event in events if isinstance(event, Progress)))
    denoising = ["Denoising first frame", "Denoising"]
    assert phases == ["Loading model Starter", "Encoding prompt", *denoising, "VAE decoding", "Saving output"]
    assert any(isinstance(event, Preview) for event in events)

    embedded = read_settings(output.path)
    assert embedded is not None
    _, again = run(**embedded)
    np.testing.assert_array_equal(frames_of(again), frames_of(events))


def test_abort_ends_it_within_one_step(run: Run) -> None:
    control = Control()

    def abort(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "Denoising" and event.step == 1:
            control.set("abort")

    finished, events = run(control, abort, num_inference_steps=20)

    assert finished.outcome == "cancelled"
    steps = [event.step or 0 for event in events if isinstance(event, Progress) and event.phase == "Denoising"]
    assert max(steps) <= 2


def test_it_starts_from_an_image_and_goes_on_in_windows(run: Run) -> None:
    start = Image.new("RGB", (64, 64), (200, 30, 30))
    finished, events = run(image_start=start, video_length=13, sliding_window_size=9, sliding_window_overlap=3)

    assert finished.outcome == "done", finished.error
    assert len(frames_of(events)) == 13


def test_a_masked_part_alone_is_repainted(run: Run) -> None:
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))

    finished, events = run(image_mode=2, image_guide=picture, image_mask=mask)

    assert finished.outcome == "done", finished.error
    (output,) = [event for event in events if isinstance(event, Output)]
    made = np.asarray(Image.open(output.path)).astype(int)
    right = abs(made[:, 40:] - np.asarray(picture)[:, 40:].astype(int)).mean()
    assert right < 0.25 * abs(made[:, :24] - np.asarray(picture)[:, :24].astype(int)).mean()


def test_latents_become_a_preview(services: Services) -> None:
    latents = torch.zeros(services.models.resident.pipe.vae.config.z_dim, 3, 8, 8)

    picture = generate_preview("starter", {"latents": latents}, services=services)

    assert picture.width > picture.height
