"""The Wan family keeps the contract on tiny checkpoints of each architecture."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image

from models.wan import handler
from models.wan.pipeline import WanVideo
from shared.core.contracts import LoadOptions, WindowRequest
from shared.core.errors import DownloadError, ModelNotFound, OutOfMemory
from shared.core.model_def import ModelDef
from shared.diffusion.guard import networks_of
from shared.diffusion.offload import stream, weight_bytes
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import save
from tests.models.contract import STEPS, PipelineContract, run

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
            "image_mode": 2, "sample_solver": "euler_ancestral",
        }  # fmt: skip


class TestTwoExperts(WanContract):
    architecture = "t2v_2_2"

    def unsupported(self) -> dict[str, Any]:
        return {"image_start": [PICTURE]}


class TestImageToVideo(WanContract):
    architecture = "i2v"
    pipeline_class = WanImageToVideoPipeline

    def request(self) -> WindowRequest:
        return replace(super().request(), image_start=picture(32))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames, "image": Image.fromarray(window.image_start)}

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_mask": PICTURE, "image_end": [PICTURE]}


class TestImageToVideoTwoExperts(TestImageToVideo):
    architecture = "i2v_2_2"

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_mask": PICTURE}


class TestFirstLastFrame(TestImageToVideo):
    architecture = "flf2v_720p"

    def request(self) -> WindowRequest:
        return replace(super().request(), image_end=picture(32, seed=1))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "last_image": Image.fromarray(window.image_end)}

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_mask": PICTURE, "image_end": None}


class TestStartAndEndImage(TestFirstLastFrame):
    """Fun InP: both pictures as channels, the features of the first alone."""

    architecture = "fun_inp_1.3B"

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_mask": PICTURE}

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = WanImageToVideoPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        encode = pipe.encode_image
        object.__setattr__(pipe, "encode_image", lambda images, device=None: encode(images[0], device))
        return pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=window.width, height=window.height,
            num_inference_steps=STEPS, guidance_scale=window.guidance_scale, generator=generator(window),
            output_type="np", **self.bare_arguments(window),
        ).frames[0]  # fmt: skip


class TestEndImageWithTwoExperts(TestFirstLastFrame):
    architecture = "i2v_2_2"

    def unsupported(self) -> dict[str, Any]:
        return {"image_mask": PICTURE}


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


def test_each_expert_has_its_guidance_and_its_share_of_the_steps(tiny_wan: Callable[[str], WanVideo]) -> None:
    pipeline = tiny_wan("t2v_2_2")
    phases = {"guidance_phases": 2, "guidance2_scale": 2.0, "switch_threshold": 500}
    window = WindowRequest("a red ball", 32, 32, 5, 4, 5.0, seed=7, flow_shift=3.0, settings=phases)
    frames = run(pipeline, window)
    pipe = WanPipeline(**pipeline.pipe.components, boundary_ratio=0.5)
    pipe.scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    expected = pipe(
        prompt="a red ball", negative_prompt="", width=32, height=32, num_frames=5, num_inference_steps=4,
        guidance_scale=5.0, guidance_scale_2=2.0, generator=generator(window),
    ).frames[0]  # fmt: skip
    assert np.array_equal(frames, np.rint(expected * 255).astype(np.uint8))
    assert not np.array_equal(frames, run(pipeline, replace(window, settings={})))


def test_weights_that_are_streamed_give_the_same_frames(tmp_path: Path) -> None:
    save("t2v", tmp_path / "t2v")
    model = wan_model("t2v")
    pipeline = handler.load(model, [str(tmp_path)], LoadOptions())
    window = WindowRequest("a red ball", 32, 32, 5, 2, 5.0, seed=7)
    expected = run(pipeline, window)
    networks = networks_of(pipeline.pipe)
    sizes = {name: weight_bytes(network) for name, network in networks.items()}
    stream(networks, sizes, LoadOptions(profile=4.5))
    streamed = WanVideo(pipeline.pipe, model, keeps_weights=False)
    assert np.array_equal(run(streamed, window), expected)
    assert streamed.preview(torch.zeros(16, 2, 4, 4)).mode == "RGB"


def test_a_prompt_is_encoded_once(tiny_wan: Callable[[str], WanVideo]) -> None:
    pipeline, calls = tiny_wan("t2v"), []
    handle = pipeline.pipe.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    window = WindowRequest("a prompt of its own", 32, 32, 5, 1, 5.0, seed=7, negative_prompt="and its opposite")
    first = run(pipeline, window)
    assert len(calls) == 2
    assert np.array_equal(run(pipeline, window), first)
    handle.remove()
    assert len(calls) == 2


def test_a_failed_allocation_says_what_helps(tiny_wan: Callable[[str], WanVideo]) -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

    pipeline = tiny_wan("t2v")
    window = WindowRequest("a red ball", 32, 32, 5, 1, 1.0, seed=7)
    handle = pipeline.pipe.transformer.register_forward_hook(fail)
    with pytest.raises(OutOfMemory, match="Lower the resolution"):
        run(pipeline, window)
    handle.remove()
    assert run(pipeline, window).shape == (5, 32, 32, 3)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "incomplete; missing vae/"),
        (lambda folder: (folder / "model_index.json").write_text('{"_class_name": '), "missing model_index.json"),
        (lambda folder: weights(folder).write_bytes(weights(folder).read_bytes()[:100]), "damaged or of another model"),
        (lambda folder: weights(folder).unlink(), "incomplete; missing transformer"),
        (lambda folder: index_of_shards(folder), "missing transformer/part-2.safetensors"),
    ],
)
def test_a_damaged_checkpoint_is_told(tmp_path: Path, damage: Callable[[Path], Any], words: str) -> None:
    damage(save("t2v", tmp_path / "t2v"))
    with pytest.raises(DownloadError, match=words):
        handler.load(wan_model("t2v"), [str(tmp_path)], LoadOptions())


def test_missing_weights_say_how_to_fetch_them(tmp_path: Path) -> None:
    model = wan_model("t2v", folder="here", repo="team/Clips")
    with pytest.raises(DownloadError, match=r"here.*team/Clips.*--download t2v"):
        handler.load(model, [str(tmp_path)], LoadOptions())


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    (save("t2v", tmp_path / "t2v") / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ModelNotFound, match="holds a FluxPipeline, not a WanPipeline or WanImageToVideoPipeline"):
        handler.load(wan_model("t2v"), [str(tmp_path)], LoadOptions())


def weights(folder: Path) -> Path:
    return folder / "transformer" / "diffusion_pytorch_model.safetensors"


def index_of_shards(folder: Path) -> None:
    index = {"weight_map": {"a": weights(folder).name, "b": "part-2.safetensors"}}
    (folder / "transformer" / "weights.safetensors.index.json").write_text(json.dumps(index))
