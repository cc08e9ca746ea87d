"""The models that make sound keep the contract on tiny checkpoints of each architecture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AceStepPipeline, StableAudio3Pipeline
from PIL import Image

from models.music import handler
from shared.core.contracts import LoadOptions, WindowRequest
from shared.core.model_def import ModelDef
from shared.diffusion.driver import DiffusersPipeline
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_music import save
from tests.models.contract import STEPS, PipelineContract, run

RATE = 16
PICTURE = Image.new("RGB", (32, 32), "red")


def sound(seconds: float = 4.0) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (int(seconds * RATE), 2)).astype(np.float32)


class MusicContract(PipelineContract):
    handler = handler
    architecture = ""
    has_preview = False
    settings: dict[str, Any] = {"duration_seconds": 2.0}

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return family_model(handler, self.architecture)

    def request(self) -> WindowRequest:
        return WindowRequest(
            "slow piano", 0, 0, 1, STEPS, 4.0, seed=7, flow_shift=2.0, settings=self.settings, negative_prompt="noise"
        )

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = self.bare_pipe(folder)
        pipe.set_progress_bar_config(disable=True)
        arguments = {
            "prompt": window.prompt, "num_inference_steps": STEPS, "output_type": "np",
            "generator": torch.Generator("cpu").manual_seed(window.seed), **self.bare_arguments(window),
        }  # fmt: skip
        return pipe(**arguments).audios[0].T

    def bare_pipe(self, folder: Path) -> Any:
        raise AssertionError("a model says which")

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        raise AssertionError("a model says how")

    def unsupported(self) -> dict[str, Any]:
        return {
            "image_mode": 1, "image_start": [PICTURE], "video_prompt_type": "VG", "sample_solver": "euler",
            "duration_seconds": 3000, "audio_prompt_type": "AB", "custom_settings": {"tempo": 1},
        }  # fmt: skip


class TestAceStep(MusicContract):
    architecture = "ace_step_v1_5"
    parts = frozenset({"transformer", "vae", "text_encoder", "condition_encoder"})
    settings = {"duration_seconds": 2.0, "alt_prompt": "[verse] la la", "custom_settings": {"bpm": 90}}

    def bare_pipe(self, folder: Path) -> Any:
        return AceStepPipeline.from_pretrained(folder)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        words = {"lyrics": "[verse] la la", "bpm": 90}
        return {**words, "audio_duration": 2.0, "shift": 2.0, "guidance_scale": window.guidance_scale}


class TestAceStepCovers(TestAceStep):
    def request(self) -> WindowRequest:
        settings = {**self.settings, "audio_prompt_type": "A", "audio_scale": 0.7}
        return replace(super().request(), audio=sound(), audio_sampling_rate=RATE, settings=settings)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        source = torch.from_numpy(window.audio).T
        torch.manual_seed(window.seed)  # the pipeline reads the given sound without its generator
        cover = {"task_type": "cover", "src_audio": source, "audio_cover_strength": 0.7}
        return {**super().bare_arguments(window), **cover}


class TestDistilledAceStep(TestAceStep):
    architecture = "ace_step_v1_5_xl"


class TestStableAudio(MusicContract):
    architecture = "stable_audio3_medium"
    parts = frozenset({"transformer", "vae", "text_encoder", "duration_embedder"})

    def bare_pipe(self, folder: Path) -> Any:
        return StableAudio3Pipeline.from_pretrained(folder)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"duration": 2.0, "guidance_scale": window.guidance_scale, "negative_prompt": "noise"}


class TestUndistilledStableAudio(TestStableAudio):
    architecture = "stable_audio3_small"


class TestStableAudioFromASound(TestStableAudio):
    def request(self) -> WindowRequest:
        settings = {**self.settings, "audio_prompt_type": "A", "audio_scale": 0.25}
        return replace(super().request(), audio=sound(), audio_sampling_rate=RATE, settings=settings)

    def bare_pipe(self, folder: Path) -> Any:
        parts = StableAudio3Pipeline.from_pretrained(folder).components
        return diffusers.StableAudio3AudioToAudioPipeline(**parts)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"duration": 2.0, "audio": torch.from_numpy(window.audio).T[None], "init_noise_level": 0.75}


@pytest.fixture(scope="module")
def ace_step(tmp_path_factory: pytest.TempPathFactory) -> DiffusersPipeline:
    root = tmp_path_factory.mktemp("music")
    save("ace_step_v1_5", root / "ace_step_v1_5")
    pipeline = handler.load(family_model(handler, "ace_step_v1_5"), [str(root)], LoadOptions())
    assert isinstance(pipeline, DiffusersPipeline)
    return pipeline


def request(**settings: Any) -> WindowRequest:
    return WindowRequest("slow piano", 0, 0, 1, 2, 1.0, seed=7, settings={"duration_seconds": 2.0, **settings})


def test_the_length_is_the_one_asked_for(ace_step: DiffusersPipeline) -> None:
    assert [len(run(ace_step, request(duration_seconds=seconds))) for seconds in (1.0, 3.0)] == [RATE, 3 * RATE]


def test_lyrics_and_voices_change_the_music(ace_step: DiffusersPipeline) -> None:
    plain = run(ace_step, request())
    sung = run(ace_step, request(alt_prompt="[chorus] oh"))
    voiced = replace(request(audio_prompt_type="A1"), audio=sound(31), audio_sampling_rate=RATE)
    assert not np.array_equal(plain, sung)
    assert not np.array_equal(plain, run(ace_step, voiced))


def test_settings_are_those_of_music() -> None:
    params = {param.name: param for param in handler.settings(family_model(handler, "stable_audio3_small"))}
    assert {"prompt", "duration_seconds", "audio_guide", "seed"} <= set(params)
    assert {"resolution", "video_length", "image_mode", "alt_prompt", "flow_shift"}.isdisjoint(params)
    assert params["duration_seconds"].maximum == 120
    lyrics = {param.name: param for param in handler.settings(family_model(handler, "ace_step_v1_5"))}["alt_prompt"]
    assert lyrics.label == "Lyrics"
