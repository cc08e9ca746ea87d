"""Tiny random-weight checkpoints of Stable Diffusion XL; `save(name, folder)` writes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    ControlNetUnionModel,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.fakes.tiny_parts import clip_text, picture_vae
from tests.fakes.tokenizers import clip_tokenizer

_ADAPTER_TOKENS = 4


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def save_controlnet(folder: Path) -> Path:
    """Write a union ControlNet for the tiny network, with weights that have an effect."""
    torch.manual_seed(3)
    accepted = inspect.signature(ControlNetUnionModel.__init__).parameters
    config = {name: value for name, value in _unet().config.items() if name in accepted}
    controlnet = ControlNetUnionModel(
        **config,
        num_trans_channel=8,
        num_trans_head=2,
        num_proj_channel=8,
        conditioning_embedding_out_channels=(4,) * 4,
    )
    for weight in controlnet.parameters():
        if not bool(weight.any()):
            torch.nn.init.normal_(weight, std=0.1)
    # Loud enough that two control pictures differ in the result.
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=3.0)
    controlnet.eval().save_pretrained(folder)
    return folder


def save_ip_adapter(folder: Path, encoder: Path) -> Path:
    """Write an IP-Adapter for the tiny network and the image encoder that it reads pictures with; its file."""
    torch.manual_seed(4)
    config = CLIPVisionConfig(
        hidden_size=8, projection_dim=16, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        intermediate_size=16, patch_size=8,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).eval().save_pretrained(encoder)
    width = 64
    weights = {
        "image_proj.proj.weight": torch.randn(width * _ADAPTER_TOKENS, 16),
        "image_proj.proj.bias": torch.randn(width * _ADAPTER_TOKENS),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    number = 1
    for name, processor in _unet().attn_processors.items():
        if "attn2" not in name:
            continue
        assert processor is not None
        size = _hidden_size(name)
        for kind in ("k", "v"):
            weights[f"ip_adapter.{number}.to_{kind}_ip.weight"] = torch.randn(size, width) * 0.2
        number += 2
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ip-adapter_sdxl_vit-h.safetensors"
    save_file(weights, path)
    return path


def _hidden_size(name: str) -> int:
    channels = list(_unet().config.block_out_channels)
    if name.startswith("mid_block"):
        return channels[-1]
    block = int(name.split(".")[1])
    return channels[block] if name.startswith("down_blocks") else channels[::-1][block]


def _unet(in_channels: int = 4) -> Any:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1, sample_size=32, in_channels=in_channels,
        out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=80, cross_attention_dim=64,
    ).eval()  # fmt: skip


def _parts(in_channels: int = 4) -> dict[str, Any]:
    return {
        "unet": _unet(in_channels),
        "scheduler": EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, steps_offset=1, beta_schedule="scaled_linear",
            timestep_spacing="leading",
        ),
        "vae": picture_vae(use_quant_conv=True, use_post_quant_conv=True, shift_factor=None, scaling_factor=0.13),
        "text_encoder": clip_text(), "tokenizer": clip_tokenizer(),
        "text_encoder_2": clip_text(CLIPTextModelWithProjection, seed=1), "tokenizer_2": clip_tokenizer(),
    }  # fmt: skip


def _refiner() -> Any:
    """One text encoder, and a network that is told a score instead of a size aimed at."""
    torch.manual_seed(5)
    unet = UNet2DConditionModel.from_config({**_unet().config, "cross_attention_dim": 32,
                                             "projection_class_embeddings_input_dim": 72})  # fmt: skip
    parts = {**_parts(), "unet": unet.eval(), "text_encoder": None, "tokenizer": None}
    return StableDiffusionXLImg2ImgPipeline(**parts, requires_aesthetics_score=True)


BUILDERS: dict[str, Callable[[], Any]] = {
    "sdxl": lambda: StableDiffusionXLPipeline(**_parts()),
    "sdxl_inpaint": lambda: StableDiffusionXLInpaintPipeline(**_parts(in_channels=9)),
    "sdxl_control": lambda: StableDiffusionXLPipeline(**_parts()),
    "sdxl_ip_adapter": lambda: StableDiffusionXLPipeline(**_parts()),
    "sdxl_refiner": _refiner,
}
