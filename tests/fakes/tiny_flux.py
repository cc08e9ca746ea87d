"""Tiny random-weight checkpoints of the real FLUX.1 architectures; `save(name, folder)` writes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxControlNetModel, FluxFillPipeline, FluxKontextPipeline, FluxPipeline, FluxTransformer2DModel

from tests.fakes.tiny_parts import clip_text, flow_scheduler, picture_vae, t5_encoder
from tests.fakes.tokenizers import clip_tokenizer, t5_tokenizer

_SHIFTING = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "shift": 3.0}
_NETWORK = {
    "patch_size": 1, "in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
    "num_attention_heads": 2, "joint_attention_dim": 32, "pooled_projection_dim": 32, "axes_dims_rope": [4, 4, 8],
    "guidance_embeds": True,
}  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def save_control(folder: Path) -> Path:
    """Write a tiny ControlNet."""
    torch.manual_seed(1)
    control = FluxControlNetModel(**_NETWORK)
    for parameter in control.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    control.save_pretrained(folder)
    return folder


def _parts(scheduler: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "scheduler": flow_scheduler(**(_SHIFTING if scheduler is None else scheduler)),
        "text_encoder": clip_text(), "text_encoder_2": t5_encoder(), "tokenizer": clip_tokenizer(),
        "tokenizer_2": t5_tokenizer(), "transformer": FluxTransformer2DModel(**{**_NETWORK, **changes}).eval(),
        "vae": picture_vae(),
    }  # fmt: skip


def _dev() -> Any:
    return FluxPipeline(**_parts())


def _schnell() -> Any:
    return FluxPipeline(**_parts({"shift": 1.0}, guidance_embeds=False))


def _kontext() -> Any:
    return FluxKontextPipeline(**_parts())


def _fill() -> Any:
    return FluxFillPipeline(**_parts(in_channels=2 * 16 + 256, out_channels=16))


BUILDERS: dict[str, Callable[[], Any]] = {
    "flux": _dev,
    "flux_schnell": _schnell,
    "flux_dev_kontext": _kontext,
    "flux_dev_fill": _fill,
}
