"""HunyuanVideo and HunyuanVideo 1.5 keep the contract on tiny checkpoints, from a text and from a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    HunyuanVideo15ImageToVideoPipeline,
    HunyuanVideo15Pipeline,
    HunyuanVideoFramepackPipeline,
    HunyuanVideoImageToVideoPipeline,
    HunyuanVideoPipeline,
)
from PIL import Image

from models.hunyuan import handler
from shared.core.contracts import LoadOptions, WindowRequest
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_hunyuan import save
from tests.models.contract import STEPS, PipelineContract, run

WIDTH, HEIGHT = 64, 32
PICTURE = Image.new("RGB", (WIDTH, HEIGHT), "red")
TEXT_LENGTH, TEXT_LENGTH_1_5 = 48, 440


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


class HunyuanContract(PipelineContract):
    handler = handler
    architecture = ""
    pipeline_class: Any = None
    definition: dict[str, Any] = {}
    parts = frozenset({"transformer", "vae", "text_encoder", "text_encoder_2"})

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return family_model(handler, self.architecture, **self.definition)

    def request(self) -> WindowRequest:
        return WindowRequest(
            prompt="a red ball", negative_prompt="the blue ball", width=WIDTH, height=HEIGHT, num_frames=9,
            num_inference_steps=STEPS, guidance_scale=2.0, flow_shift=7.0, seed=7,
            settings={"embedded_guidance_scale": 5.0},
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = self.pipeline_class.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, num_inference_steps=STEPS, output_type="np",
            generator=torch.Generator("cpu").manual_seed(window.seed),
            **{"num_frames": 9, **self.bare_arguments(pipe)},
        ).frames[0]  # fmt: skip

    def bare_arguments(self, pipe: Any) -> dict[str, Any]:
        return {
            "width": WIDTH, "height": HEIGHT, "guidance_scale": 5.0, "true_cfg_scale": 2.0,
            "max_sequence_length": TEXT_LENGTH,
        }  # fmt: skip


class TestTextToVideo(HunyuanContract):
    architecture = "hunyuan"
    pipeline_class = HunyuanVideoPipeline
    definition = {"text_length": TEXT_LENGTH}

    def unsupported(self) -> dict[str, Any]:
        return {
            "image_start": [PICTURE], "image_end": [PICTURE], "video_source": "clip.mp4", "image_mask": PICTURE,
            "video_prompt_type": "GV", "sample_solver": "euler", "audio_guide": "sound.wav",
        }  # fmt: skip


class TestTextToVideo15(HunyuanContract):
    """Its guidance is that of its guider, which has no part in the pipeline's arguments."""

    architecture = "hunyuan_1_5_t2v"
    pipeline_class = HunyuanVideo15Pipeline
    definition = {"text_length": TEXT_LENGTH_1_5}

    def bare_arguments(self, pipe: Any) -> dict[str, Any]:
        pipe.tokenizer_max_length = TEXT_LENGTH_1_5
        pipe.scheduler.set_shift(7.0)
        pipe.guider = pipe.guider.new(guidance_scale=2.0)
        return {"width": WIDTH, "height": HEIGHT}

    def unsupported(self) -> dict[str, Any]:
        return {"image_start": [PICTURE], "image_mode": 2, "sample_solver": "euler"}


class ImageToVideo(HunyuanContract):
    """What a start picture adds; the rest is as from a text."""

    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture())

    def bare_arguments(self, pipe: Any) -> dict[str, Any]:
        return super().bare_arguments(pipe) | {"image": Image.fromarray(picture())}


class FirstImageToVideo(ImageToVideo):
    architecture = "hunyuan_i2v"
    pipeline_class = HunyuanVideoImageToVideoPipeline
    definition = {"text_length": TEXT_LENGTH}


class TestFramepack(ImageToVideo):
    """One section of 37 frames; longer clips are sections in turn, the last one first."""

    architecture = "hunyuan_framepack"
    pipeline_class = HunyuanVideoFramepackPipeline
    definition = {"text_length": TEXT_LENGTH, "extra_parts": {}}
    side = 32

    def request(self) -> WindowRequest:
        first, last = (picture(seed)[:, : self.side] for seed in (0, 1))
        return replace(super().request(), width=self.side, num_frames=37, image_start=first, image_end=last)

    def bare_arguments(self, pipe: Any) -> dict[str, Any]:
        first, last = (Image.fromarray(picture(seed)[:, : self.side]) for seed in (0, 1))
        given = {"width": self.side, "num_frames": 33, "image": first, "last_image": last}
        return super().bare_arguments(pipe) | given

    def test_a_longer_clip_is_made_from_its_end(self, pipeline: Any) -> None:
        told: list[str] = []
        window = replace(self.request(), num_frames=73)
        result = pipeline(window, lambda step: told.append(step.phase), lambda: False)
        assert result.frames[0].shape == (73, HEIGHT, self.side, 3)
        assert told == ["Encoding prompt", *(*("Denoising",) * (STEPS + 1), "VAE decoding") * 2]

    def unsupported(self) -> dict[str, Any]:
        return {"video_source": "clip.mp4", "image_mask": PICTURE, "sample_solver": "euler"}


class ImageToVideo15(ImageToVideo):
    architecture = "hunyuan_1_5_i2v"
    pipeline_class = HunyuanVideo15ImageToVideoPipeline
    definition = {"text_length": TEXT_LENGTH_1_5}

    def bare_arguments(self, pipe: Any) -> dict[str, Any]:
        """Of the sizes trained for, the bare pipeline chooses the one nearest to the picture's shape."""
        pipe.tokenizer_max_length = TEXT_LENGTH_1_5
        pipe.scheduler.set_shift(7.0)
        pipe.guider = pipe.guider.new(guidance_scale=2.0)
        pipe.video_processor.calculate_default_height_width = lambda height, width, target_size: (height, width)
        return {"image": Image.fromarray(picture())}


@pytest.mark.parametrize("case", [FirstImageToVideo(), ImageToVideo15()], ids=lambda case: case.architecture)
def test_a_start_picture_is_where_the_clip_begins(case: ImageToVideo, tmp_path: Path) -> None:
    pipeline = handler.load(case.build(tmp_path), [str(tmp_path)], LoadOptions())
    window = case.request()
    clip = run(pipeline, window)
    assert np.array_equal(clip, np.rint(case.bare(tmp_path / case.architecture, window) * 255).astype(np.uint8))
    assert clip.shape == (9, HEIGHT, WIDTH, 3)
    assert not np.array_equal(clip, run(pipeline, replace(window, image_start=picture(1))))
    prefix = np.stack([picture(1), picture(0)])
    assert np.array_equal(clip, run(pipeline, replace(window, image_start=None, prefix=prefix)))


def test_the_guidance_of_one_job_is_not_that_of_the_next(tmp_path: Path) -> None:
    case = TestTextToVideo15()
    pipeline = handler.load(case.build(tmp_path), [str(tmp_path)], LoadOptions())
    window = case.request()
    first = run(pipeline, window)
    assert not np.array_equal(first, run(pipeline, replace(window, guidance_scale=1.0)))
    assert np.array_equal(first, run(pipeline, window))
