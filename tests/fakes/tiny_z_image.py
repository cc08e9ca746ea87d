"""Tiny random-weight checkpoints of the real Z-Image architectures; `save(name, folder)` writes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import ZImageControlNetModel, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Model

from tests.fakes.tiny_parts import flow_scheduler, picture_vae, qwen3
from tests.fakes.tokenizers import qwen_tokenizer

_SIZES = {"dim": 32, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2, "qk_norm": True}
CONTROL_CONFIG: dict[str, Any] = {
    **_SIZES, "control_layers_places": [0, 1], "control_refiner_layers_places": [0], "control_in_dim": 33,
    "add_control_noise_refiner": "control_noise_refiner",
}  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint: all architectures of the family share it."""
    torch.set_num_threads(1)
    build().save_pretrained(folder)
    return folder


def save_control(folder: Path) -> Path:
    """Write the tiny ControlNet as its publisher does: one file of weights."""
    from safetensors.torch import save_file

    torch.manual_seed(1)
    control = ZImageControlNetModel(**CONTROL_CONFIG)
    for parameter in control.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(control.state_dict(), folder / "control.safetensors")
    return folder


def build() -> Any:
    """Z-Image with its turbo's schedule."""
    torch.manual_seed(0)
    transformer = ZImageTransformer2DModel(
        **_SIZES, all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, n_layers=2, norm_eps=1e-5,
        cap_feat_dim=16, rope_theta=256.0, t_scale=1000.0, axes_dims=[8, 4, 4], axes_lens=[512, 32, 32],
    ).eval()  # fmt: skip
    with torch.no_grad():
        transformer.x_pad_token.fill_(1.0)
        transformer.cap_pad_token.fill_(1.0)
    return ZImagePipeline(
        scheduler=flow_scheduler(shift=3.0), vae=picture_vae(16, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=qwen3(Qwen3Model), tokenizer=qwen_tokenizer(), transformer=transformer,
    )  # fmt: skip


BUILDERS = {"z_image": build}
