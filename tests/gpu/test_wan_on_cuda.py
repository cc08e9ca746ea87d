"""The Wan family on a graphics card: same frames as on the CPU, whatever the memory profile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.wan import handler
from models.wan.pipeline import WanVideo
from shared.core.contracts import LoadOptions, WindowRequest
from shared.diffusion.guard import networks_of
from shared.diffusion.offload import stream, weight_bytes
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import save

pytestmark = pytest.mark.gpu

WINDOW = WindowRequest("a red ball", 32, 32, 9, 3, 5.0, seed=7)


def run(pipeline: WanVideo, window: WindowRequest) -> np.ndarray:
    return pipeline(window, lambda step: None, lambda: False).frames[0]


def load(root: Path, device: str, **options: float) -> WanVideo:
    return handler.load(wan_model("t2v"), [str(root)], LoadOptions(device=device, dtype="float32", **options))


def assert_close(left: np.ndarray, right: np.ndarray) -> None:
    assert np.abs(left.astype(int) - right).mean() < 1.0


@pytest.mark.parametrize("profile", [-1, 1, 3])
def test_a_resident_model_makes_the_frames_of_the_cpu(tmp_path: Path, profile: float) -> None:
    save("t2v", tmp_path / "t2v")
    on_card = load(tmp_path, "cuda:0", profile=profile)
    assert on_card.pipe.transformer.device.type == "cuda"
    assert_close(run(on_card, WINDOW), run(load(tmp_path, "cpu"), WINDOW))


@pytest.mark.parametrize("kind", ["int8", "fp8"])
@pytest.mark.parametrize("profile", [1, 4])
def test_quantised_weights_run_on_the_card_and_streamed(tmp_path: Path, kind: str, profile: float) -> None:
    save("t2v", tmp_path / "t2v")
    model = wan_model("t2v", quantization=kind)
    options = LoadOptions(device="cuda:0", profile=profile, leaner=profile == 4)
    frames = run(handler.load(model, [str(tmp_path)], options), WINDOW)
    assert frames.shape == (9, 32, 32, 3) and frames.std() > 0


@pytest.mark.parametrize("profile", [2, 4, 4.5])
def test_a_streamed_model_makes_the_frames_of_the_cpu(tmp_path: Path, profile: float) -> None:
    save("t2v", tmp_path / "t2v")
    expected = run(load(tmp_path, "cpu"), WINDOW)
    pipeline = load(tmp_path, "cpu")
    networks = networks_of(pipeline.pipe)
    sizes = {name: weight_bytes(network) for name, network in networks.items()}
    stream(networks, sizes, LoadOptions(device="cuda:0", profile=profile))
    streamed = WanVideo(pipeline.pipe, pipeline.model, keeps_weights=False)
    assert_close(run(streamed, WINDOW), expected)
    assert streamed.preview(torch.zeros(16, 3, 4, 4, device="cuda:0")).mode == "RGB"


def test_given_parts_work_on_the_card(tmp_path: Path) -> None:
    save("starter", tmp_path / "starter")
    model, prefix = wan_model("starter"), np.full((3, 64, 64, 3), 120, np.uint8)
    window = replace(WINDOW, width=64, height=64, prefix=prefix)
    frames = [
        run(handler.load(model, [str(tmp_path)], LoadOptions(device=device, dtype="float32")), window)
        for device in ("cpu", "cuda:0")
    ]
    assert_close(frames[0], frames[1])
