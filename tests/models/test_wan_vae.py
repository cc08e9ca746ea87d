"""Frames to latents and back, at any scale in time."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers.video_processor import VideoProcessor

from models.wan.pipeline import WanVideo
from models.wan.pipeline_vae import to_uint8

TinyWan = Callable[[str], WanVideo]


def clip(frames: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(frames).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7, 8])
def test_no_frame_is_dropped_where_the_vae_packs_none(tiny_wan: TinyWan, frames: int) -> None:
    codec = tiny_wan("starter").codec
    whole = clip(9)
    with torch.inference_mode():
        latents = codec.encode(whole[:frames])
        assert latents.shape[2] == frames
        assert torch.allclose(latents, codec.encode(whole)[:, :, :frames], atol=1e-5)


def test_four_frames_share_a_latent_frame_where_the_vae_packs_them(tiny_wan: TinyWan) -> None:
    codec = tiny_wan("t2v").codec
    assert [codec.latent_frames(n) for n in (1, 5, 81)] == [1, 2, 21]
    assert [codec.whole_frames(n) for n in (1, 4, 5, 8, 9)] == [1, 1, 5, 5, 9]
    with torch.inference_mode():
        assert codec.encode(clip(9)).shape[2] == 3


def test_latents_are_those_that_diffusers_makes(tiny_wan: TinyWan) -> None:
    codec, frames = tiny_wan("t2v").codec, clip(5, 32)
    config = codec.vae.config
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1) for v in (config.latents_mean, config.latents_std))
    video = VideoProcessor(vae_scale_factor=8).preprocess_video(
        list(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)
    )
    with torch.inference_mode():
        expected = (codec.vae.encode(video).latent_dist.mode() - mean) / std
        assert torch.allclose(codec.encode(frames), expected, atol=1e-5)


def test_frames_may_be_read_only(tiny_wan: TinyWan) -> None:
    frames = clip(1)
    frames.flags.writeable = False
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(tiny_wan("starter").codec.encode(frames), tiny_wan("starter").codec.encode(clip(1)))


def test_pixels_are_rounded_as_diffusers_rounds_them() -> None:
    video = torch.rand(1, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 2.2 - 1.1
    expected = VideoProcessor().postprocess_video(video.clone(), output_type="np")[0]
    assert np.array_equal(to_uint8(video[0]), np.rint(expected * 255).astype(np.uint8))


def test_tiling_is_used_only_where_memory_is_short(tiny_wan: TinyWan, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = tiny_wan("starter").codec
    latents = torch.zeros(1, 16, 1, 20, 20)
    monkeypatch.setattr("shared.diffusion.tiling.free_bytes", lambda device: 10_000)
    codec.decode(latents)
    assert codec.vae.use_tiling
    monkeypatch.setattr("shared.diffusion.tiling.free_bytes", lambda device: 2**40)
    codec.decode(latents)
    assert not codec.vae.use_tiling
