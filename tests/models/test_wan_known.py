"""Parts of a clip that are given: prefix, end image, mask, a noised source. On tiny models with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.wan.pipeline import WanVideo
from models.wan.pipeline_denoise import DenoisePlan, KnownTokens, denoise
from models.wan.pipeline_masks import as_clip, noisy_tokens, put_back
from shared.core.contracts import Step, WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.samplers import SOLVERS, make_scheduler

TinyWan = Callable[[str], WanVideo]
SIDE = 64


def noise_frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def request(**changes: Any) -> WindowRequest:
    window = WindowRequest("a red ball", SIDE, SIDE, 9, 4, 4.0, seed=3)
    return replace(window, **changes)


def run(pipeline: WanVideo, window: WindowRequest) -> np.ndarray:
    return pipeline(window, lambda step: None, lambda: False).frames[0]


def through_autoencoder(pipeline: WanVideo, frames: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return pipeline.codec.decode(pipeline.codec.encode(frames))[0]


def half_mask() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2 :] = 255
    return mask


@pytest.mark.parametrize("architecture", ["starter", "t2v_2_2", "ti2v_2_2"])
def test_without_given_parts_the_loop_does_what_diffusers_does(tiny_wan: TinyWan, architecture: str) -> None:
    pipeline, pipe = tiny_wan(architecture), tiny_wan(architecture).pipe
    pipe.scheduler = make_scheduler(pipeline._scheduler, "unipc", 5.0)
    noise = torch.randn(2, pipe.vae.config.z_dim, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        embeds, negative = (pipeline._text.encode(text).repeat(2, 1, 1) for text in ("a ball", ""))
        side = 4 * pipeline.codec.space_scale
        expected = pipe(
            prompt_embeds=embeds, negative_prompt_embeds=negative, latents=noise, width=side, height=side,
            num_inference_steps=5, guidance_scale=4.0, output_type="latent",
        ).frames  # fmt: skip
        pipe.scheduler.set_timesteps(5)
        ratio = pipe.config.boundary_ratio
        plan = DenoisePlan(noise, embeds, negative, 4.0, 4.0, boundary=None if ratio is None else ratio * 1000)
        assert torch.equal(denoise(pipe, plan, lambda *_: None), expected)


@pytest.mark.parametrize("solver", ["", *SOLVERS])
@pytest.mark.parametrize("count", [1, 4])
def test_prefix_frames_are_kept(tiny_wan: TinyWan, solver: str, count: int) -> None:
    pipeline, prefix = tiny_wan("starter"), noise_frames(count)
    frames = run(pipeline, request(prefix=prefix, sample_solver=solver))
    assert frames.shape == (9, SIDE, SIDE, 3)
    kept = through_autoencoder(pipeline, prefix)
    assert np.abs(frames[:count].astype(int) - kept).max() <= 1


def test_a_start_image_is_a_prefix_of_one_frame(tiny_wan: TinyWan) -> None:
    pipeline, image = tiny_wan("starter"), noise_frames(1)
    start = run(pipeline, request(image_start=image[0]))
    assert np.array_equal(start, run(pipeline, request(prefix=image)))


def test_what_is_given_steers_the_rest(tiny_wan: TinyWan) -> None:
    pipeline = tiny_wan("starter")
    free = run(pipeline, request())
    started = run(pipeline, request(image_start=noise_frames(1)[0]))
    ended = run(pipeline, request(image_end=noise_frames(1)[0]))
    assert not np.array_equal(free[1:], started[1:])
    assert not np.array_equal(free[:-1], ended[:-1])


def test_pixels_outside_the_mask_are_exactly_the_source(tiny_wan: TinyWan) -> None:
    source, mask = noise_frames(9), half_mask()
    frames = run(tiny_wan("starter"), request(source=source, mask=mask))
    assert np.array_equal(frames[:, :, : SIDE // 2], source[:, :, : SIDE // 2])
    assert (frames[:, :, SIDE // 2 + 4 :] != source[:, :, SIDE // 2 + 4 :]).mean() > 0.9


def test_a_picture_is_repainted_as_a_clip_of_one_frame(tiny_wan: TinyWan) -> None:
    source = noise_frames(1)
    frames = run(tiny_wan("starter"), request(source=source[0], mask=half_mask(), num_frames=1, image_mode=True))
    assert frames.shape == (1, SIDE, SIDE, 3)
    assert np.array_equal(frames[:, :, : SIDE // 2], source[:, :, : SIDE // 2])


def test_a_moving_mask_is_followed_frame_by_frame(tiny_wan: TinyWan) -> None:
    source = noise_frames(9)
    mask = np.stack([half_mask() if index < 5 else half_mask()[:, ::-1] for index in range(9)])
    frames = run(tiny_wan("starter"), request(source=source, mask=mask))
    assert np.array_equal(frames[:5, :, : SIDE // 2], source[:5, :, : SIDE // 2])
    assert np.array_equal(frames[5:, :, SIDE // 2 :], source[5:, :, SIDE // 2 :])


@pytest.mark.parametrize(("strength", "steps"), [(1.0, 4), (0.5, 2), (0.25, 1), (0.0, 0)])
def test_denoising_strength_sets_how_many_steps_are_taken(tiny_wan: TinyWan, strength: float, steps: int) -> None:
    told: list[Step] = []
    window = request(source=noise_frames(9), denoising_strength=strength)
    tiny_wan("starter")(window, told.append, lambda: False)
    denoising = [(step.index, step.total) for step in told if step.phase == "Denoising"]
    assert denoising == [(index, steps) for index in range(steps + 1)]


@pytest.mark.parametrize("architecture", ["starter", "t2v", "t2v_2_2"])
def test_no_denoising_leaves_the_source_as_it_is(tiny_wan: TinyWan, architecture: str) -> None:
    pipeline, source = tiny_wan(architecture), noise_frames(9)
    frames = run(pipeline, request(source=source, denoising_strength=0.0))
    assert np.abs(frames.astype(int) - through_autoencoder(pipeline, source)).max() <= 1


def test_lengths_between_those_of_the_vae_are_cut(tiny_wan: TinyWan) -> None:
    window = request(source=noise_frames(6), denoising_strength=0.5, num_frames=6)
    assert run(tiny_wan("t2v"), window).shape == (6, SIDE, SIDE, 3)
    assert run(tiny_wan("t2v"), request(num_frames=7)).shape == (7, SIDE, SIDE, 3)


def test_previews_show_given_frames_as_they_are(tiny_wan: TinyWan) -> None:
    pipeline, prefix, told = tiny_wan("starter"), noise_frames(2), []
    pipeline(request(prefix=prefix), told.append, lambda: False)
    with torch.inference_mode():
        given = pipeline.codec.encode(prefix)[0]
    seen = [step.latents for step in told if step.latents is not None]
    assert len(seen) == 4
    assert all(torch.allclose(latents[:, :2], given, atol=1e-5) for latents in seen)


def test_noise_on_the_overlap_frees_the_rest_and_keeps_the_overlap(tiny_wan: TinyWan) -> None:
    pipeline, prefix = tiny_wan("starter"), noise_frames(3)
    plain, noised = (run(pipeline, request(prefix=prefix, overlap_noise=level)) for level in (0, 100))
    assert np.array_equal(plain[:3], noised[:3])
    assert not np.array_equal(plain[3:], noised[3:])


def test_cancel_and_progress_hold_for_given_parts(tiny_wan: TinyWan) -> None:
    from shared.core.errors import Cancelled

    told: list[Step] = []
    window = request(prefix=noise_frames(2))
    with pytest.raises(Cancelled):
        tiny_wan("starter")(window, told.append, lambda: bool(told) and told[-1].index == 2)
    assert told[-1].index == 2
    assert np.array_equal(run(tiny_wan("starter"), window), run(tiny_wan("starter"), window))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prefix": 9}, "video_length: 9 frames leave nothing to make after 9 given frames"),
        ({"image_end": 1, "num_frames": 1}, "image_end: 1 frames are too short"),
        ({"mask": np.zeros((SIDE, SIDE), np.uint8), "source": 9}, "image_mask: nothing is marked"),
        ({"mask": half_mask()}, "image_mask: a mask needs a picture or clip"),
        ({"width": 72}, "resolution: 72x64 does not fit this model. Use multiples of 32"),
        ({"sample_solver": "magic"}, "sample_solver"),
    ],
)
def test_contradictions_are_refused(tiny_wan: TinyWan, changes: dict[str, Any], words: str) -> None:
    made = {name: noise_frames(value) if name in ("prefix", "source") else value for name, value in changes.items()}
    if "image_end" in made:
        made["image_end"] = noise_frames(1)[0]
    with pytest.raises(SettingsError, match=words):
        run(tiny_wan("starter"), request(**made))


@pytest.mark.parametrize(
    ("architecture", "changes", "words"),
    [
        ("t2v", {"image_start": noise_frames(1)[0]}, "image_start"),
        ("t2v", {"mask": half_mask(), "source": noise_frames(9)}, "mask"),
        ("ti2v_2_2", {"image_end": noise_frames(1)[0]}, "image_end"),
        ("ti2v_2_2", {"prefix": noise_frames(5)}, "sliding_window_overlap"),
        ("i2v", {}, "image_start: this model needs"),
        ("i2v", {"image_start": noise_frames(1)[0], "source": noise_frames(9)}, "denoising_strength"),
        ("i2v", {"image_start": noise_frames(1)[0], "image_end": noise_frames(1)[0]}, "image_end: not available"),
        ("flf2v_720p", {"image_start": noise_frames(1)[0]}, "image_end: this model makes the clip between"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    tiny_wan: TinyWan, architecture: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        run(tiny_wan(architecture), request(**changes))


def test_a_clip_goes_on_from_one_frame_where_the_model_takes_pictures(tiny_wan: TinyWan) -> None:
    image = noise_frames(1)
    frames = run(tiny_wan("i2v"), request(prefix=image))
    assert np.array_equal(frames, run(tiny_wan("i2v"), request(image_start=image[0])))


def test_a_given_token_is_told_its_own_timestep() -> None:
    noisy = torch.ones(1, 1, 2, 4, 4)
    noisy[:, :, 0] = 0
    known = KnownTokens(torch.zeros(1, 16, 2, 4, 4), noisy, noise_level=0.05)
    early, late = (known.timesteps(torch.tensor(t), (1, 2, 2), 1000)[0] for t in (900, 20))
    assert early.tolist() == [50.0] * 4 + [900.0] * 4
    assert late.tolist() == [20.0] * 8


def test_a_token_is_made_anew_when_one_of_its_pixels_is_masked() -> None:
    mask = np.zeros((5, 64, 64), np.uint8)
    mask[2, 40, 10] = 255
    noisy = noisy_tokens(mask, time_scale=4, token_side=32, patch=2)
    assert noisy.shape == (1, 1, 2, 4, 4)
    assert noisy[0, 0, 1, 2:, :2].min() == 1
    assert noisy.sum() == 4


def test_a_mask_stands_for_frames_beyond_it() -> None:
    assert as_clip(half_mask(), 3).shape == (3, SIDE, SIDE)
    assert as_clip(np.stack([half_mask()] * 5), 2).shape == (2, SIDE, SIDE)


def test_the_edge_of_a_repaint_fades_inside_the_mask() -> None:
    source, made = np.zeros((1, SIDE, SIDE, 3), np.uint8), np.full((1, SIDE, SIDE, 3), 200, np.uint8)
    mixed = put_back(made, source, half_mask()[None])[0, 32, :, 0]
    assert mixed[: SIDE // 2].max() == 0
    assert 0 < mixed[SIDE // 2] < 200
    assert (np.diff(mixed.astype(int)) >= 0).all()
    assert mixed[-1] == 200
