"""LTX-2 keeps the contract on tiny checkpoints; its sound, its start, end and continued frames have effect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTX2ConditionPipeline
from diffusers.pipelines.ltx2 import LTX2VideoCondition
from PIL import Image

from models.ltx2 import handler
from shared.core.contracts import LoadOptions, Pipeline, WindowRequest
from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_ltx2 import save
from tests.models.contract import STEPS, PipelineContract, run

WIDTH, HEIGHT = 64, 64
PICTURE = Image.new("RGB", (WIDTH, HEIGHT), "red")
SHORT_TEXT = {"text_length": 32, "perturbed_blocks": [1]}
SIGMAS = [1.0, 0.9, 0.5]


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def still(pixels: np.ndarray, latent_frame: int) -> LTX2VideoCondition:
    return LTX2VideoCondition(Image.fromarray(pixels), latent_frame)


class LTX2Contract(PipelineContract):
    handler = handler
    architecture = "ltx2_19B"
    definition: dict[str, Any] = SHORT_TEXT
    parts = frozenset({"transformer", "vae", "text_encoder", "audio_vae", "vocoder", "connectors"})

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return family_model(handler, self.architecture, **self.definition)

    def request(self) -> WindowRequest:
        return WindowRequest(
            prompt="a red ball", negative_prompt="the a", width=WIDTH, height=HEIGHT, num_frames=17, fps=25.0,
            num_inference_steps=STEPS, guidance_scale=3.0, seed=7,
            settings={
                "audio_guidance_scale": 5.0, "alt_guidance_scale": 2.0, "custom_settings": {"block_guidance": 0.5},
            },
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = LTX2ConditionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=WIDTH, height=HEIGHT, num_frames=17,
            frame_rate=25, max_sequence_length=32, generator=torch.Generator("cpu").manual_seed(window.seed),
            output_type="np", **self.bare_arguments(window),
        ).frames[0]  # fmt: skip

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {
            "num_inference_steps": STEPS, "guidance_scale": 3.0, "audio_guidance_scale": 5.0, "modality_scale": 2.0,
            "audio_modality_scale": 2.0, "stg_scale": 0.5, "audio_stg_scale": 0.5, "guidance_rescale": 0.7,
            "audio_guidance_rescale": 0.7, "spatio_temporal_guidance_blocks": [1],
        }  # fmt: skip


class TestTextToVideo(LTX2Contract):
    def unsupported(self) -> dict[str, Any]:
        return {
            "image_mode": 1, "image_mask": PICTURE, "video_prompt_type": "GV", "sample_solver": "euler",
            "audio_guide": "sound.wav", "custom_settings": {"other": 1},
        }  # fmt: skip


class TestPicturesAtFrames(LTX2Contract):
    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture(0), injected={1: picture(1)}, image_end=picture(2))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        given = [still(picture(0), 0), still(picture(1), 1), still(picture(2), -1)]
        return super().bare_arguments(window) | {"conditions": given}


class Newest(LTX2Contract):
    """LTX-2.5 reads the prompt with another text encoder, and expects less compressed pictures."""

    architecture = "ltx2_25_22B"

    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture(0))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        start = LTX2VideoCondition(Image.fromarray(picture(0)), 0, crf=18)
        return super().bare_arguments(window) | {"conditions": [start]}


def test_the_newest_makes_what_the_bare_pipeline_makes(tmp_path: Path) -> None:
    case = Newest()
    pipeline = handler.load(case.build(tmp_path), [str(tmp_path)], LoadOptions())
    expected = case.bare(tmp_path / case.architecture, case.request())
    assert np.array_equal(run(pipeline, case.request()), np.rint(expected * 255).astype(np.uint8))


class TestDistilled(LTX2Contract):
    """Its noise levels are its own, taken as they are, whatever is asked for."""

    architecture = "ltx2_22B_distilled"
    definition = {"text_length": 32, "sigmas": SIGMAS}

    def request(self) -> WindowRequest:
        return replace(super().request(), num_inference_steps=30, guidance_scale=6.0)

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = LTX2ConditionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler.register_to_config(use_dynamic_shifting=False)
        return pipe(
            prompt=window.prompt, width=WIDTH, height=HEIGHT, num_frames=17, frame_rate=25, max_sequence_length=32,
            generator=torch.Generator("cpu").manual_seed(window.seed), output_type="np", sigmas=SIGMAS,
            guidance_scale=1.0, audio_guidance_scale=1.0, modality_scale=1.0, audio_modality_scale=1.0, stg_scale=0.0,
            audio_stg_scale=0.0, guidance_rescale=0.0, audio_guidance_rescale=0.0,
        ).frames[0]  # fmt: skip

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "sample_solver": "euler", "skip_steps_cache_type": "tea"}


@pytest.fixture(scope="module")
def ltx2(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root = tmp_path_factory.mktemp("ltx2")
    save("ltx2_22B_distilled", root / "ltx2_22B_distilled")
    model = family_model(handler, "ltx2_22B_distilled", **TestDistilled.definition)
    return handler.load(model, [str(root)], LoadOptions())


TEXT = LTX2Contract().request()


def test_its_sound_is_as_long_as_the_clip(ltx2: Pipeline) -> None:
    result = ltx2(TEXT, lambda step: None, lambda: False)
    assert result.audio_sampling_rate == 16000
    assert result.audio.dtype == np.float32
    assert result.audio.shape[1] == 2
    assert len(result.audio) == pytest.approx(17 / 25 * 16000, rel=0.1)
    made = [ltx2(replace(TEXT, fps=fps), lambda step: None, lambda: False).audio for fps in (25.0, 12.5)]
    assert len(made[1]) == pytest.approx(2 * len(made[0]), rel=0.1)


def test_each_sample_of_a_batch_has_its_own_sound(ltx2: Pipeline) -> None:
    result = ltx2(replace(TEXT, batch_size=2), lambda step: None, lambda: False)
    assert len(result.audio) == 2
    assert not np.array_equal(*result.audio)


def test_each_given_picture_changes_the_clip(ltx2: Pipeline) -> None:
    windows = [
        TEXT,
        replace(TEXT, image_start=picture()),
        replace(TEXT, image_end=picture()),
        replace(TEXT, injected={1: picture()}),
        replace(TEXT, image_start=picture(), settings={"input_video_strength": 0.5}),
    ]
    clips = [run(ltx2, window) for window in windows]
    for index, clip in enumerate(clips):
        assert not any(np.array_equal(clip, other) for other in clips[:index]), f"window {index} changes nothing"


def test_a_clip_is_continued_from_all_its_given_frames(ltx2: Pipeline) -> None:
    prefix = np.stack([picture(seed) for seed in range(9)])
    longer = run(ltx2, replace(TEXT, prefix=prefix))
    for count in (1, 5):
        assert not np.array_equal(longer, run(ltx2, replace(TEXT, prefix=prefix[:count])))
    changed = prefix[:5].copy()
    changed[4] = picture(99)
    assert not np.array_equal(run(ltx2, replace(TEXT, prefix=prefix[:5])), run(ltx2, replace(TEXT, prefix=changed)))


def test_a_side_that_the_decoder_cannot_make_is_refused_before_the_work(ltx2: Pipeline) -> None:
    with pytest.raises(SettingsError, match="resolution: 64x32"):
        run(ltx2, replace(TEXT, height=32))
