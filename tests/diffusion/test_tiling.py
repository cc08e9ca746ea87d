"""Decoding in tiles by need, with tiles that no VAE chokes on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLHunyuanVideo15, AutoencoderKLLTX2Video, AutoencoderKLWan

from shared.core.contracts import LoadOptions
from shared.diffusion.offload import set_tiling_policy
from shared.diffusion.tiling import set_tiles, tile_by_need, tile_layout


def last_tile(size: int, stride: int) -> int:
    return size - stride * ((size - 1) // stride)


@pytest.mark.parametrize("wanted", [4, 8, 16, 32, 64])
def test_no_side_ends_in_a_sliver(wanted: int) -> None:
    for size in range(2, 300):
        tile, stride = tile_layout(size, wanted)
        assert tile <= 2 * wanted + 1 and last_tile(size, stride) >= 2, size
        assert (tile, stride) == (size, size) or size > wanted


def wan() -> Any:
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    ).eval()


def ltx2() -> Any:
    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(8,), decoder_block_out_channels=(8,), layers_per_block=(1,),
        decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,), decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False), downsample_type=("spatial",), upsample_residual=(False,),
        upsample_factor=(1,), timestep_conditioning=False, patch_size=1, patch_size_t=1,
    ).eval()  # fmt: skip
    vae.use_framewise_decoding = False
    return vae


def kl() -> Any:
    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=2, **blocks
    ).eval()


def hunyuan15() -> Any:
    torch.manual_seed(0)
    return AutoencoderKLHunyuanVideo15(latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1).eval()


@pytest.mark.parametrize(("make", "size"), [(wan, (480, 160)), (kl, (160, 168)), (hunyuan15, (352, 160))])
def test_every_kind_of_vae_gets_tiles_that_cover_the_picture(make: Any, size: tuple[int, int]) -> None:
    vae = make()
    width, height = size
    set_tiles(vae, width, height, 128)
    vae.use_tiling = True
    ratio = 16 if make is hunyuan15 else 8
    is_video = make is not kl
    channels = {wan: 16, kl: 4, hunyuan15: 4}[make]
    latents = torch.randn(1, channels, *([1] if is_video else []), height // ratio, width // ratio)
    with torch.no_grad():
        decoded = vae.decode(latents).sample
    assert tuple(decoded.shape[-2:]) == (height, width) and torch.isfinite(decoded).all()


def test_ltx2_decodes_sides_whose_last_tile_was_one_row() -> None:
    vae = ltx2()
    ratio = vae.spatial_compression_ratio
    latents = torch.randn(1, 4, 1, 15, 17)
    vae.enable_tiling(16 * ratio, 16 * ratio, 16, 14 * ratio, 14 * ratio, 8)
    with torch.no_grad(), pytest.raises(RuntimeError, match=r"[Pp]adding"):
        vae.decode(latents)
    set_tiles(vae, 17 * ratio, 15 * ratio, 16 * ratio)
    with torch.no_grad():
        decoded = vae.decode(latents).sample
    assert tuple(decoded.shape[-2:]) == (15 * ratio, 17 * ratio) and torch.isfinite(decoded).all()


@pytest.mark.parametrize(("policy", "expected"), [(0, None), (1, None), (2, 256), (3, 128)])
def test_the_configuration_chooses_the_tiles(policy: int, expected: int | None) -> None:
    vae = wan()
    set_tiling_policy([vae], LoadOptions(vae_tiling=policy))
    assert tile_by_need(vae, 832, 480, 5) == expected and vae.use_tiling == (expected is not None)


def test_the_second_attempt_takes_the_smallest_tiles() -> None:
    vae = wan()
    set_tiling_policy([vae], LoadOptions(leaner=True))
    assert tile_by_need(vae, 832, 480, 5) == 128


def test_short_memory_brings_tiles_and_shorter_memory_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    vae, sides = wan(), []
    for free in (10_000_000_000, 240_000_000, 1_000_000):
        monkeypatch.setattr("shared.diffusion.tiling.free_bytes", lambda device, free=free: free)
        sides.append(tile_by_need(vae, 1280, 720, 5))
    assert sides[0] is None and sides[1] is not None and sides[2] == 128 <= sides[1]


def test_hunyuan_is_always_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.diffusion.tiling.free_bytes", lambda device: 2**50)
    assert tile_by_need(hunyuan15(), 832, 480, 5) == 256
