"""The modes of the embedded model, through the registry, on its own checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.wan.pipeline import WanVideo
from shared.core.contracts import LoadOptions, Step, WindowRequest
from shared.core.errors import Cancelled
from shared.core.settings import problems
from shared.engine.registry import Registry
from tools.starter.judge import judge
from tools.starter.scenes import Combination

CHECKPOINT = Path(__file__).resolve().parents[2] / "ckpts" / "starter" / "model_index.json"
pytestmark = pytest.mark.skipif(not CHECKPOINT.is_file(), reason="ckpts/starter is not there")


@pytest.fixture(scope="module")
def registry(root: Path) -> Registry:
    return Registry(root)


@pytest.fixture(scope="module")
def starter(registry: Registry) -> WanVideo:
    model = registry.get("starter")
    return registry.handler(model).load(model, registry.roots(), LoadOptions())


def request(**changes: Any) -> WindowRequest:
    window = WindowRequest("a big red ball moving right in front of a blue sky", 128, 128, 5, 2, 1.0, seed=1)
    return replace(window, **changes)


def run(starter: WanVideo, window: WindowRequest) -> np.ndarray:
    return starter(window, lambda step: None, lambda: False).frames[0]


def scene(frames: int, height: int = 128, width: int = 128) -> np.ndarray:
    """A red square that moves right over blue."""
    clip = np.full((frames, height, width, 3), (90, 160, 230), np.uint8)
    for index, frame in enumerate(clip):
        frame[40:80, 10 + 4 * index : 50 + 4 * index] = (220, 30, 30)
    return clip


def through_autoencoder(starter: WanVideo, frames: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return starter.codec.decode(starter.codec.encode(frames))[0]


def assert_close(left: np.ndarray, right: np.ndarray) -> None:
    assert np.abs(left.astype(int) - right).max() <= 2


def test_its_definition_is_whole(registry: Registry) -> None:
    model = registry.get("starter")
    assert registry.availability(model) == "available"
    assert problems(model.default_settings(), model, registry.params(model)) == []
    for _, size in registry.params(model)["resolution"].choices:
        assert all(int(side) % model.block_size == 0 for side in size.split("x"))


@pytest.mark.parametrize(("width", "height", "frames"), [(128, 128, 9), (160, 96, 2), (96, 128, 4), (128, 96, 1)])
def test_clips_have_the_size_asked_for(starter: WanVideo, width: int, height: int, frames: int) -> None:
    clip = run(starter, request(width=width, height=height, num_frames=frames))
    assert clip.shape == (frames, height, width, 3)


def test_a_clip_from_text_opens_with_the_picture_of_its_prompt(starter: WanVideo) -> None:
    assert_close(run(starter, request())[:1], run(starter, request(num_frames=1)))


def test_clips_show_what_their_prompts_ask_for(starter: WanVideo) -> None:
    asked = [
        Combination("big", "red", "square", "growing", "on a black background"),
        Combination("big", "red", "ball", "moving right", "in front of a blue sky"),
        Combination("", "yellow", "star", "moving right", "in front of green grass"),
    ]
    right = []
    for combination in asked:
        clip = run(
            starter,
            request(
                prompt=combination.prompt, num_frames=17, num_inference_steps=10, guidance_scale=2.5, flow_shift=3.0
            ),
        )
        seen = judge(clip)
        assert (seen.colour, seen.shape, seen.background) == (
            combination.colour,
            combination.shape,
            combination.background,
        )
        right.append(seen.motion == combination.motion)
    assert sum(right) >= 2


def test_the_opening_picture_is_told_and_can_be_cancelled(starter: WanVideo) -> None:
    told: list[str] = []

    def on_step(step: Step) -> None:
        told.append(step.phase)

    starter(request(), on_step, lambda: False)
    assert told == ["Encoding prompt", *["Denoising first frame"] * 3, *["Denoising"] * 3, "VAE decoding"]
    with pytest.raises(Cancelled):
        starter(request(), on_step, lambda: told[-1] == "Denoising first frame")
    assert told[-1] == "Denoising first frame"


def test_a_clip_starts_on_the_given_picture(starter: WanVideo) -> None:
    image = scene(1)
    assert_close(run(starter, request(image_start=image[0]))[:1], through_autoencoder(starter, image))


def test_a_clip_ends_on_the_given_picture(starter: WanVideo) -> None:
    first, last = scene(1), scene(5)[-1:]
    clip = run(starter, request(image_start=first[0], image_end=last[0]))
    assert_close(clip[:1], through_autoencoder(starter, first))
    assert_close(clip[-1:], through_autoencoder(starter, last))


@pytest.mark.parametrize("count", [1, 4])
def test_a_clip_goes_on_from_given_frames(starter: WanVideo, count: int) -> None:
    prefix = scene(count)
    assert_close(run(starter, request(prefix=prefix))[:count], through_autoencoder(starter, prefix))


def test_pixels_outside_a_mask_are_kept(starter: WanVideo) -> None:
    source, mask = scene(5), np.zeros((128, 128), np.uint8)
    mask[30:90, 30:90] = 255
    clip = run(starter, request(source=source, mask=mask))
    assert np.array_equal(clip[:, mask == 0], source[:, mask == 0])


def test_little_denoising_stays_near_the_source(starter: WanVideo) -> None:
    source = scene(5)
    kept = through_autoencoder(starter, source).astype(int)
    little = run(starter, request(source=source, denoising_strength=0.5))
    much = run(starter, request(source=source, denoising_strength=1.0))
    assert np.abs(little - kept).mean() < np.abs(much - kept).mean()


def test_previews_of_it_show_its_colours(starter: WanVideo) -> None:
    with torch.inference_mode():
        latents = starter.codec.encode(scene(1))[0]
    strip = np.asarray(starter.preview(latents))
    seen = through_autoencoder(starter, scene(1))[0]
    assert strip.shape[0] == strip.shape[1]
    assert np.abs(strip[5:15].mean(axis=(0, 1)) - seen[5:15].mean(axis=(0, 1))).max() < 60
