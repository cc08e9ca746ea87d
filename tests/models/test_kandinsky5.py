"""Kandinsky 5 keeps the contract on tiny checkpoints: clips and pictures, from a text and from a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Kandinsky5I2IPipeline, Kandinsky5I2VPipeline, Kandinsky5T2IPipeline, Kandinsky5T2VPipeline
from PIL import Image

from models.kandinsky5 import handler
from shared.core.contracts import LoadOptions, WindowRequest
from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.diffusion.loading import load_pipeline
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_kandinsky5 import save
from tests.models.contract import STEPS, PipelineContract, run

WIDTH, HEIGHT = 64, 32
PICTURE = Image.new("RGB", (WIDTH, HEIGHT), "red")
TEXT_LENGTH = 1000


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class KandinskyContract(PipelineContract):
    handler = handler
    architecture = "k5_lite_t2v"
    pipeline_class: Any = Kandinsky5T2VPipeline
    parts = frozenset({"transformer", "vae", "text_encoder", "text_encoder_2"})

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return family_model(handler, self.architecture, text_length=TEXT_LENGTH)

    def request(self) -> WindowRequest:
        return WindowRequest(
            prompt="a red ball", negative_prompt="the a", width=WIDTH, height=HEIGHT, num_frames=9,
            num_inference_steps=STEPS, guidance_scale=3.0, seed=7,
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        model = family_model(handler, self.architecture)
        pipe = load_pipeline(model, [str(folder.parent)], LoadOptions(), (self.pipeline_class.__name__,))
        if model.get("image_outputs"):
            pipe.resolutions = [(window.width, window.height)]
        output = pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=window.width, height=window.height,
            num_inference_steps=STEPS, guidance_scale=3.0, max_sequence_length=TEXT_LENGTH, output_type="np",
            generator=torch.Generator("cpu").manual_seed(window.seed), **self.bare_arguments(window),
        )  # fmt: skip
        return output[0] if model.get("image_outputs") else output.frames[0]

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames}


class TestTextToVideo(KandinskyContract):
    def unsupported(self) -> dict[str, Any]:
        return {
            "image_start": [PICTURE], "image_end": [PICTURE], "video_source": "clip.mp4", "image_mask": PICTURE,
            "image_mode": 1, "video_prompt_type": "GV", "sample_solver": "euler", "audio_guide": "sound.wav",
        }  # fmt: skip


class ImageToVideo(KandinskyContract):
    architecture = "k5_lite_i2v"
    pipeline_class = Kandinsky5I2VPipeline

    def request(self) -> WindowRequest:
        return replace(super().request(), num_frames=17, image_start=picture())

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames, "image": Image.fromarray(picture())}


class TextToImage(KandinskyContract):
    architecture = "k5_lite_t2i"
    pipeline_class = Kandinsky5T2IPipeline

    def request(self) -> WindowRequest:
        return replace(super().request(), width=64, height=64, num_frames=1, image_mode=True)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {}


class ImageToImage(TextToImage):
    architecture = "k5_lite_i2i"
    pipeline_class = Kandinsky5I2IPipeline

    def request(self) -> WindowRequest:
        return replace(super().request(), references=(picture(0, 64, 64),))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"image": Image.fromarray(window.references[0])}


@pytest.mark.parametrize("case", [ImageToVideo(), TextToImage(), ImageToImage()], ids=lambda case: case.architecture)
def test_each_kind_makes_what_the_bare_pipeline_makes(case: KandinskyContract, tmp_path: Path) -> None:
    pipeline = handler.load(case.build(tmp_path), [str(tmp_path)], LoadOptions())
    window = case.request()
    made = run(pipeline, window)
    assert np.array_equal(made, np.rint(case.bare(tmp_path / case.architecture, window) * 255).astype(np.uint8))
    assert made.shape == (window.num_frames, window.height, window.width, 3)
    assert made.std() > 0
    assert not np.array_equal(made, run(pipeline, replace(window, prompt="the blue ball")))


def test_a_clip_begins_with_its_picture_or_goes_on_from_the_last_frame(tmp_path: Path) -> None:
    case = ImageToVideo()
    pipeline = handler.load(case.build(tmp_path), [str(tmp_path)], LoadOptions())
    window = case.request()
    clip = run(pipeline, window)
    assert not np.array_equal(clip, run(pipeline, replace(window, image_start=picture(1))))
    prefix = np.stack([picture(1), picture(0)])
    assert np.array_equal(clip, run(pipeline, replace(window, image_start=None, prefix=prefix)))
    with pytest.raises(SettingsError, match="image_start"):
        run(pipeline, replace(window, image_start=None))


def test_a_picture_to_edit_is_cut_rather_than_pressed(tmp_path: Path) -> None:
    case = ImageToImage()
    pipeline = handler.load(case.build(tmp_path), [str(tmp_path)], LoadOptions())
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = picture(0, 64, 64)
    window = replace(case.request(), references=(wide,))
    assert np.array_equal(run(pipeline, window), run(pipeline, case.request()))
    with pytest.raises(SettingsError, match="image_refs"):
        run(pipeline, replace(window, references=()))
