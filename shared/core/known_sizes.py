"""Sizes of published networks, for what a model will take before its files are here.

A definition states its own under `known_parts`: by part, `parameters` and, of the denoiser and the VAE, `class` and the
keys of its config.json by which memory is reckoned (see memory_needs.py). tests/diffusion/test_known_sizes.py counts
them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Part = Mapping[str, Any]

# Text encoders and other parts, by number of parameters.
UMT5_XXL: Part = {"parameters": 5.68e9}
T5_XXL: Part = {"parameters": 4.76e9}
CLIP_L: Part = {"parameters": 0.123e9}
CLIP_G: Part = {"parameters": 0.695e9}
CLIP_VISION_H: Part = {"parameters": 0.632e9}
LLAMA_8B: Part = {"parameters": 8.03e9}
QWEN2_5_VL_7B: Part = {"parameters": 8.29e9}
QWEN3_4B: Part = {"parameters": 4.02e9}
QWEN3_8B: Part = {"parameters": 8.19e9}
GEMMA3_12B: Part = {"parameters": 12.2e9}
MISTRAL_24B: Part = {"parameters": 24.0e9}

WAN_VAE: Part = {
    "class": "AutoencoderKLWan", "parameters": 0.127e9, "z_dim": 16, "base_dim": 96,
    "temperal_downsample": [False, True, True], "latents_mean": [0.0],
}  # fmt: skip
WAN_VAE_2_2: Part = {
    **WAN_VAE, "parameters": 0.70e9, "z_dim": 48, "base_dim": 160, "decoder_base_dim": 256, "is_residual": True,
    "patch_size": 2, "scale_factor_spatial": 16, "scale_factor_temporal": 4,
}  # fmt: skip
QWEN_VAE: Part = {**WAN_VAE, "class": "AutoencoderKLQwenImage"}
PICTURE_VAE: Part = {"class": "AutoencoderKL", "parameters": 0.084e9, "block_out_channels": [128, 256, 512, 512]}
FLUX2_VAE: Part = {**PICTURE_VAE, "class": "AutoencoderKLFlux2"}
LTX_VAE: Part = {
    "class": "AutoencoderKLLTXVideo", "parameters": 1.2e9, "patch_size": 4,
    "spatio_temporal_scaling": [True, True, True], "latents_mean": [0.0],
}  # fmt: skip
LTX2_VAE: Part = {**LTX_VAE, "class": "AutoencoderKLLTX2Video", "parameters": 1.22e9}
HUNYUAN_VAE: Part = {
    "class": "AutoencoderKLHunyuanVideo", "parameters": 0.246e9, "spatial_compression_ratio": 8,
    "temporal_compression_ratio": 4,
}  # fmt: skip
HUNYUAN_VAE_1_5: Part = {
    "class": "AutoencoderKLHunyuanVideo15", "parameters": 1.26e9, "spatial_compression_ratio": 16,
    "temporal_compression_ratio": 4,
}  # fmt: skip


def network(class_name: str, billions: float, heads: int, head_width: int, **config: Any) -> dict[str, Any]:
    """A denoiser of that many billion parameters."""
    width = {"num_attention_heads": heads, "attention_head_dim": head_width}
    return {"class": class_name, "parameters": billions * 1e9, **width, **config}


def wan_network(
    billions: float = 14.29, heads: int = 40, feed_forward: int = 13824, class_name: str = "WanTransformer3DModel"
) -> dict[str, Any]:
    """A Wan transformer."""
    return network(class_name, billions, heads, 128, ffn_dim=feed_forward, patch_size=[1, 2, 2])
