"""A tiny Depth Anything with random weights, as a folder in transformers' layout."""

from __future__ import annotations

from pathlib import Path


def save(folder: Path) -> Path:
    """Write it."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    torch.set_num_threads(1)
    backbone = Dinov2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8, image_size=56, patch_size=14,
        out_features=["stage1", "stage2"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=8, reassemble_factors=[1, 0.5],
        neck_hidden_sizes=[4, 4], fusion_hidden_size=4, head_hidden_size=4, head_in_index=-1,
    )  # fmt: skip
    model = DepthAnythingForDepthEstimation(config).eval()
    torch.nn.init.ones_(model.head.conv3.bias)  # depths below 0 would be cut off
    model.save_pretrained(folder)
    return folder
