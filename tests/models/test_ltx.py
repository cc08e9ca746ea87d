"""LTX-Video keeps the contract on tiny checkpoints, and its start, end, injected and continued frames have effect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTXConditionPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from PIL import Image

from models.ltx import handler
from shared.core.contracts import LoadOptions, Pipeline, WindowRequest
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_ltx import save
from tests.models.contract import STEPS, PipelineContract, run

WIDTH, HEIGHT = 64, 32
PICTURE = Image.new("RGB", (WIDTH, HEIGHT), "red")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def still(pixels: np.ndarray, frame: int) -> LTXVideoCondition:
    return LTXVideoCondition(image=Image.fromarray(pixels), frame_index=frame)


class LTXContract(PipelineContract):
    handler = handler
    architecture = "ltxv_13B"
    definition: dict[str, Any] = {}

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return family_model(handler, self.architecture, **self.definition)

    def request(self) -> WindowRequest:
        return WindowRequest(
            prompt="a red ball", negative_prompt="the a", width=WIDTH, height=HEIGHT, num_frames=17, fps=24.0,
            num_inference_steps=STEPS, guidance_scale=3.0, seed=7,
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = LTXConditionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=WIDTH, height=HEIGHT, num_frames=17,
            frame_rate=24, decode_timestep=0.05, decode_noise_scale=0.025, image_cond_noise_scale=0.025,
            generator=torch.Generator("cpu").manual_seed(window.seed), output_type="np",
            **self.bare_arguments(window),
        ).frames[0]  # fmt: skip

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_inference_steps": STEPS, "guidance_scale": 3.0, "guidance_rescale": 0.7}


class TestTextToVideo(LTXContract):
    def unsupported(self) -> dict[str, Any]:
        return {
            "image_mode": 1, "image_mask": PICTURE, "video_prompt_type": "VA", "sample_solver": "euler",
            "audio_guide": "sound.wav",
        }  # fmt: skip


class TestPicturesAtFrames(LTXContract):
    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture(0), injected={9: picture(1)}, image_end=picture(2))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        given = [still(picture(0), 0), still(picture(1), 9), still(picture(2), 16)]
        return super().bare_arguments(window) | {"conditions": given}


class TestDistilled(LTXContract):
    """Its steps are its own: as many as the definition has timesteps, whatever is asked for."""

    architecture = "ltxv_distilled"
    definition = {"timesteps": [1000, 900, 500]}

    def request(self) -> WindowRequest:
        return replace(super().request(), num_inference_steps=30, guidance_scale=6.0)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"timesteps": [1000, 900, 500], "guidance_scale": 1.0}

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "sample_solver": "euler"}


@pytest.fixture(scope="module")
def ltx(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root = tmp_path_factory.mktemp("ltx")
    save("ltxv_13B", root / "ltxv_13B")
    return handler.load(family_model(handler, "ltxv_13B"), [str(root)], LoadOptions())


TEXT = LTXContract().request()


def test_each_given_picture_changes_the_clip(ltx: Pipeline) -> None:
    windows = [
        TEXT,
        replace(TEXT, image_start=picture()),
        replace(TEXT, image_end=picture()),
        replace(TEXT, injected={8: picture()}),
        replace(TEXT, image_start=picture(), settings={"input_video_strength": 0.5}),
    ]
    clips = [run(ltx, window) for window in windows]
    for index, clip in enumerate(clips):
        assert not any(np.array_equal(clip, other) for other in clips[:index]), f"window {index} changes nothing"


def test_a_continued_clip_is_given_as_its_own_frames(ltx: Pipeline) -> None:
    prefix = np.stack([picture(seed) for seed in range(9)])
    window = replace(TEXT, prefix=prefix)
    pipe = ltx.pipe
    expected = pipe(
        prompt=TEXT.prompt, negative_prompt=TEXT.negative_prompt, width=WIDTH, height=HEIGHT, num_frames=17,
        frame_rate=24, decode_timestep=0.05, decode_noise_scale=0.025, image_cond_noise_scale=0.025,
        generator=torch.Generator("cpu").manual_seed(7), output_type="np", num_inference_steps=STEPS,
        guidance_scale=3.0, guidance_rescale=0.7,
        conditions=[LTXVideoCondition(video=[Image.fromarray(frame) for frame in prefix], frame_index=0)],
    ).frames[0]  # fmt: skip
    assert np.array_equal(run(ltx, window), np.rint(expected * 255).astype(np.uint8))


def test_frames_beyond_whole_latent_frames_still_count(ltx: Pipeline) -> None:
    prefix = np.stack([picture(seed) for seed in range(5)])
    changed = prefix.copy()
    changed[4] = picture(99)
    assert not np.array_equal(run(ltx, replace(TEXT, prefix=prefix)), run(ltx, replace(TEXT, prefix=changed)))


def test_a_source_clip_is_kept_the_more_the_lower_the_denoising_strength(ltx: Pipeline) -> None:
    source = np.repeat(picture()[None], 17, axis=0)
    low, high = (run(ltx, replace(TEXT, source=source, denoising_strength=value)) for value in (0.34, 0.67))
    assert not np.array_equal(low, high)
    assert not np.array_equal(high, run(ltx, TEXT))


def test_the_speed_of_the_frames_reaches_the_model(ltx: Pipeline) -> None:
    assert not np.array_equal(run(ltx, TEXT), run(ltx, replace(TEXT, fps=60.0)))


def test_noise_on_the_overlap_loosens_it(ltx: Pipeline) -> None:
    window = replace(TEXT, prefix=np.stack([picture(seed) for seed in range(9)]))
    assert not np.array_equal(run(ltx, window), run(ltx, replace(window, overlap_noise=150)))


def test_a_picture_without_a_place_is_refused() -> None:
    model = family_model(handler, "ltxv_13B")
    settings = {"video_prompt_type": "KFI", "image_refs": [PICTURE, PICTURE], "frames_positions": "9"}
    assert any(sentence.startswith("frames_positions:") for sentence in handler.problems(settings, model))
    assert not handler.problems({**settings, "frames_positions": "9 L"}, model)
