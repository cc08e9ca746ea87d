"""The Wan family keeps the contract on tiny checkpoints of each architecture."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from PIL import Image

from models.wan import handler
from shared.core.contracts import WindowRequest
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import save
from tests.models.contract import STEPS, PipelineContract

PICTURE = Image.new("RGB", (64, 64), "red")


def picture(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def generator(window: WindowRequest) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(window.seed)


class WanContract(PipelineContract):
    handler = handler
    architecture = ""
    side = 32
    pipeline_class: Any = WanPipeline

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return wan_model(self.architecture)

    def request(self) -> WindowRequest:
        return WindowRequest(
            prompt="a red ball", negative_prompt="blurry", width=self.side, height=self.side, num_frames=9,
            num_inference_steps=STEPS, guidance_scale=5.0, seed=7,
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipe = self.pipeline_class.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=window.width, height=window.height,
            num_inference_steps=STEPS, guidance_scale=window.guidance_scale, generator=generator(window),
            output_type="np", **self.bare_arguments(window),
        ).frames[0]  # fmt: skip

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames}


class TestTextToVideo(WanContract):
    architecture = "t2v"

    def unsupported(self) -> dict[str, Any]:
        return {
            "image_start": [PICTURE], "image_end": [PICTURE], "video_source": "clip.mp4",
            "image_mask": PICTURE, "image_prompt_type": "S", "video_prompt_type": "VAG",
            "activated_loras": ["style.safetensors"], "image_mode": 2, "sample_solver": "euler_ancestral",
        }  # fmt: skip


class TestTwoExperts(WanContract):
    architecture = "t2v_2_2"

    def unsupported(self) -> dict[str, Any]:
        return {"image_start": [PICTURE], "guidance_phases": 3}


class TestImageToVideo(WanContract):
    architecture = "i2v"
    pipeline_class = WanImageToVideoPipeline

    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture(32))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames, "image": Image.fromarray(window.image_start)}

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_mask": PICTURE}


class TestImageToVideoTwoExperts(TestImageToVideo):
    architecture = "i2v_2_2"


class TestFirstLastFrame(TestImageToVideo):
    architecture = "flf2v_720p"

    def request(self) -> WindowRequest:
        return replace(super().request(), image_end=picture(32, seed=1))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "last_image": Image.fromarray(window.image_end)}


class TestFirstFrameTokens(WanContract):
    architecture = "ti2v_2_2"
    side = 64

    def unsupported(self) -> dict[str, Any]:
        return {"image_end": [PICTURE], "image_mask": PICTURE}


class TestFirstFrameTokensFromAnImage(TestFirstFrameTokens):
    """The 5B model's own loop for a start image, as WanImageToVideoPipeline runs it."""

    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture(64))

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        text_to_video = WanPipeline.from_pretrained(folder)
        pipe = WanImageToVideoPipeline(
            **text_to_video.components, image_encoder=None, image_processor=None, expand_timesteps=True
        )
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            image=Image.fromarray(window.image_start), prompt=window.prompt, negative_prompt=window.negative_prompt,
            width=window.width, height=window.height, num_frames=window.num_frames, num_inference_steps=STEPS,
            guidance_scale=window.guidance_scale, generator=generator(window), output_type="np",
        ).frames[0]  # fmt: skip


class TestAnyTokens(WanContract):
    architecture = "starter"
    side = 64

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        # diffusers rounds to k * 1 + 1 where the VAE packs no frames.
        return {"num_frames": window.num_frames - 1}
