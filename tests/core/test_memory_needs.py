"""The formulas of activations and decoding against peaks measured at full size (tensors without data)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.memory_needs import Shape, activation_bytes, decode_bytes, vae_scales

GIB = 2**30
WAN_VAE = {"base_dim": 96, "z_dim": 16, "temperal_downsample": [False, True, True], "latents_mean": [0.0]}
LTX2_VAE = {"spatial_compression_ratio": 32, "temporal_compression_ratio": 8}
KL = {"block_out_channels": [128, 256, 512, 512]}


def heads(count: int, size: int = 128, **more: Any) -> dict[str, Any]:
    return {"num_attention_heads": count, "attention_head_dim": size, **more}


@pytest.mark.parametrize(
    ("name", "config", "vae", "shape", "gib"),
    [
        ("WanTransformer3DModel", heads(40, ffn_dim=13824, patch_size=[1, 2, 2]), WAN_VAE, (832, 480, 81), 3.49),
        ("WanTransformer3DModel", heads(40, ffn_dim=13824, patch_size=[1, 2, 2]), WAN_VAE, (1280, 720, 81), 8.02),
        ("WanTransformer3DModel", heads(12, ffn_dim=8960, patch_size=[1, 2, 2]), WAN_VAE, (832, 480, 81), 1.51),
        ("WanTransformer3DModel", heads(12, ffn_dim=8960, patch_size=[1, 2, 2]), WAN_VAE, (832, 480, 161), 2.93),
        ("LTX2VideoTransformer3DModel", heads(32, patch_size=1, patch_size_t=1), LTX2_VAE, (1920, 1088, 121), 4.52),
        ("HunyuanVideoTransformer3DModel", heads(24, patch_size=2, patch_size_t=1),
         {"spatial_compression_ratio": 8, "temporal_compression_ratio": 4}, (1280, 720, 129), 12.37),
        ("QwenImageTransformer2DModel", heads(24, patch_size=2), WAN_VAE, (1328, 1328, 1), 0.61),
        ("FluxTransformer2DModel", heads(24, patch_size=1), KL, (1024, 1024, 1), 0.46),
    ],
)  # fmt: skip
def test_activations_are_those_that_were_measured(
    name: str, config: dict[str, Any], vae: dict[str, Any], shape: tuple[int, int, int], gib: float
) -> None:
    found = activation_bytes(name, config, vae, Shape(*shape, has_guidance=False)) / GIB
    assert found == pytest.approx(gib, rel=0.15)


@pytest.mark.parametrize(
    ("name", "config", "shape", "itemsize", "tile", "gib"),
    [
        ("AutoencoderKLWan", WAN_VAE, (832, 480, 81), 4, None, 7.61),
        ("AutoencoderKLWan", WAN_VAE, (832, 480, 81), 2, None, 3.95),
        ("AutoencoderKLWan", WAN_VAE, (1280, 720, 81), 2, None, 9.11),
        ("AutoencoderKLWan", WAN_VAE, (1280, 720, 81), 2, 256, 1.96),
        ("AutoencoderKLWan", {**WAN_VAE, "base_dim": 160, "decoder_base_dim": 256, "is_residual": True,
                              "patch_size": 2}, (1280, 704, 121), 2, None, 9.64),
        ("AutoencoderKLLTX2Video", LTX2_VAE, (1216, 704, 121), 2, None, 8.21),
        ("AutoencoderKLLTX2Video", LTX2_VAE, (1920, 1088, 121), 2, None, 20.0),
        ("AutoencoderKLHunyuanVideo", {}, (1280, 720, 129), 2, 256, 3.32),
        ("AutoencoderKLQwenImage", WAN_VAE, (1328, 1328, 1), 2, None, 5.68),
        ("AutoencoderKL", KL, (1024, 1024, 1), 2, None, 1.50),
    ],
)  # fmt: skip
def test_decoding_takes_what_was_measured_and_not_much_more(
    name: str, config: dict[str, Any], shape: tuple[int, int, int], itemsize: int, tile: int | None, gib: float
) -> None:
    conversion = shape[0] * shape[1] * shape[2] * 27 / GIB  # turning floats into pictures was not measured with it
    found = decode_bytes(name, config, Shape(*shape), itemsize, tile) / GIB - conversion
    assert 0.7 * gib <= found <= 1.35 * gib


def test_the_scales_are_read_from_every_kind_of_configuration() -> None:
    assert vae_scales(WAN_VAE) == (8, 4)
    assert vae_scales(LTX2_VAE) == (32, 8)
    assert vae_scales(KL) == (8, 1)
    ltx = {"patch_size": 4, "patch_size_t": 1, "spatio_temporal_scaling": [True, True, True, False]}
    assert vae_scales({**ltx, "downsample_type": ["conv"] * 4}) == (32, 8)
    kinds = ["spatial", "temporal", "spatiotemporal", "spatiotemporal"]
    assert vae_scales({**ltx, "spatio_temporal_scaling": [True] * 4, "downsample_type": kinds}) == (32, 8)
    assert vae_scales({**WAN_VAE, "scale_factor_spatial": 16, "scale_factor_temporal": 4}) == (16, 4)


def test_batched_guidance_and_samples_multiply() -> None:
    config = heads(32, patch_size=1, patch_size_t=1)
    one = activation_bytes("LTXVideoTransformer3DModel", config, LTX2_VAE, Shape(512, 512, 9, has_guidance=False))
    two = activation_bytes("LTXVideoTransformer3DModel", config, LTX2_VAE, Shape(512, 512, 9))
    four = activation_bytes("LTXVideoTransformer3DModel", config, LTX2_VAE, Shape(512, 512, 9, samples=2))
    assert four == 2 * two == 4 * one
