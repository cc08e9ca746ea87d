"""The budget's formulas beside peaks that are measured here, on networks of full width and few layers, without data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLWan, FluxTransformer2DModel, WanTransformer3DModel

from shared.core.memory_needs import Shape, activation_bytes, decode_bytes
from tests.fakes.peak import peak_bytes

WAN_VAE = {"temperal_downsample": [False, True, True], "z_dim": 16}
KL: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512), "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2, "latent_channels": 16, "norm_num_groups": 32,
}  # fmt: skip


@pytest.mark.parametrize(("heads", "ffn"), [(12, 8960), (40, 13824)], ids=["1.3B", "14B"])
def test_wan_holds_what_the_formula_says(heads: int, ffn: int) -> None:
    config = {"num_attention_heads": heads, "attention_head_dim": 128, "ffn_dim": ffn}
    measured = peak_bytes(
        lambda: WanTransformer3DModel(**config, num_layers=2),
        lambda wan: wan(torch.empty(1, 16, 21, 30, 52), torch.zeros(1), torch.empty(1, 512, 4096)),
    )
    shape = Shape(416, 240, 81, has_guidance=False)
    found = activation_bytes("WanTransformer3DModel", {**config, "patch_size": (1, 2, 2)}, WAN_VAE, shape)
    assert found == pytest.approx(measured, rel=0.3)


def test_flux_holds_what_the_formula_says() -> None:
    tokens = 4096
    measured = peak_bytes(
        lambda: FluxTransformer2DModel(guidance_embeds=True, num_layers=1, num_single_layers=1),
        lambda flux: flux(
            torch.empty(1, tokens, 64), torch.empty(1, 512, 4096), torch.empty(1, 768), torch.zeros(1),
            torch.zeros(tokens, 3), torch.zeros(512, 3), guidance=torch.zeros(1),
        ),
    )  # fmt: skip
    config = {"num_attention_heads": 24, "attention_head_dim": 128}
    found = activation_bytes("FluxTransformer2DModel", config, KL, Shape(1024, 1024))
    assert found == pytest.approx(measured, rel=0.3)


def test_the_vaes_hold_what_the_formula_says() -> None:
    measured = peak_bytes(AutoencoderKLWan, lambda vae: vae.decode(torch.empty(1, 16, 2, 30, 52)))
    config = {**WAN_VAE, "base_dim": 96}
    found = decode_bytes("AutoencoderKLWan", config, Shape(416, 240, 5), 2) - 416 * 240 * 5 * 27
    assert found == pytest.approx(measured, rel=0.3)
    measured = peak_bytes(lambda: AutoencoderKL(**KL), lambda vae: vae.decode(torch.empty(1, 16, 64, 64)))
    found = decode_bytes("AutoencoderKL", KL, Shape(512, 512), 2) - 512 * 512 * 27
    assert found == pytest.approx(measured, rel=0.3)
