"""The linear map from latents to small pictures."""

from __future__ import annotations

import time

import numpy as np
import torch

from shared.diffusion.preview import MAX_TILES, TILE_HEIGHT_PX, LatentPreview


class PatchCodec:
    """A linear codec whose latents are the colours of 8 x 8 dots, mixed: the map back is exact."""

    space_scale = 8

    def __init__(self) -> None:
        self.calls = 0
        self.mix = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))[0]

    def encode(self, frames: np.ndarray) -> torch.Tensor:
        self.calls += 1
        dots = torch.from_numpy(frames).float() / 255
        f, h, w, _ = dots.shape
        dots = dots.reshape(f, h // 8, 2, 4, w // 8, 2, 4, 3).mean(dim=(3, 6)).permute(0, 1, 3, 2, 4, 5)
        return (dots.flatten(3) @ self.mix).permute(3, 0, 1, 2)[None] * 2 - 0.5


def stripes(frames: int) -> np.ndarray:
    clip = np.zeros((frames, 32, 64, 3), np.uint8)
    clip[:, :, :32, 0] = 220
    clip[:, :, 32:, 2] = 180
    return clip


def test_colours_come_back() -> None:
    codec = PatchCodec()
    preview = LatentPreview(codec.encode, codec.space_scale)
    rgb = preview.to_rgb(codec.encode(stripes(2))[0])
    assert rgb.shape == (2, 8, 16, 3)
    assert np.abs(rgb[:, :, :8].mean(axis=(0, 1, 2)) - [220, 0, 0]).max() < 12
    assert np.abs(rgb[:, :, 8:].mean(axis=(0, 1, 2)) - [0, 0, 180]).max() < 12


def test_the_strip_shows_frames_side_by_side() -> None:
    codec = PatchCodec()
    preview = LatentPreview(codec.encode, codec.space_scale)
    assert preview(codec.encode(stripes(3))[0]).size == (3 * 2 * TILE_HEIGHT_PX, TILE_HEIGHT_PX)
    assert preview(codec.encode(stripes(40))[0]).size == (MAX_TILES * 2 * TILE_HEIGHT_PX, TILE_HEIGHT_PX)


def test_the_map_is_fitted_once_and_then_cheap() -> None:
    codec = PatchCodec()
    preview = LatentPreview(codec.encode, codec.space_scale)
    latents = codec.encode(stripes(17))[0]
    preview(latents)
    calls = codec.calls
    start = time.process_time()
    for _ in range(10):
        preview(latents)
    assert codec.calls == calls
    assert (time.process_time() - start) / 10 < 0.05
