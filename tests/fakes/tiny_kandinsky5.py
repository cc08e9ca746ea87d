"""Tiny random-weight pipelines of the real Kandinsky 5 architecture; `save(name, folder)` writes a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    FlowMatchEulerDiscreteScheduler,
    Kandinsky5I2IPipeline,
    Kandinsky5I2VPipeline,
    Kandinsky5T2IPipeline,
    Kandinsky5T2VPipeline,
    Kandinsky5Transformer3DModel,
)
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from tests.fakes.tiny_parts import clip_text, picture_vae, qwen_vl_processor
from tests.fakes.tokenizers import clip_tokenizer, qwen_tokenizer

_TEXT_WIDTH, _CLIP_WIDTH = 16, 32


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _text_encoder() -> Any:
    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    text = {
        "vocab_size": len(tokenizer) + 8, "hidden_size": _TEXT_WIDTH, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "rope_theta": 1e6, "bos_token_id": None,
        "eos_token_id": None, "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": _TEXT_WIDTH,
        "fullatt_block_indexes": [1],
    }  # fmt: skip
    token_id = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"), vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
    )  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def _parts(vae: Any, *, visual_cond: bool = False) -> dict[str, Any]:
    torch.manual_seed(0)
    transformer = Kandinsky5Transformer3DModel(
        in_visual_dim=4, out_visual_dim=4, in_text_dim=_TEXT_WIDTH, in_text_dim2=_CLIP_WIDTH, time_dim=16,
        model_dim=24, ff_dim=32, num_text_blocks=1, num_visual_blocks=2, axes_dims=(4, 4, 4), visual_cond=visual_cond,
    ).eval()  # fmt: skip
    for weights in transformer.parameters():  # new networks start with modulations of zero, deaf to the text
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return {
        "transformer": transformer, "vae": vae, "text_encoder": _text_encoder(), "tokenizer": qwen_vl_processor(),
        "text_encoder_2": clip_text(), "tokenizer_2": clip_tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
    }  # fmt: skip


def _clip_vae() -> Any:
    torch.manual_seed(0)
    return AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4, up_block_types=("HunyuanVideoUpBlock3D",) * 4,
    ).eval()  # fmt: skip


def _text_to_video() -> Any:
    return Kandinsky5T2VPipeline(**_parts(_clip_vae()))


def _image_to_video() -> Any:
    return Kandinsky5I2VPipeline(**_parts(_clip_vae(), visual_cond=True))


def _text_to_image() -> Any:
    return Kandinsky5T2IPipeline(**_parts(picture_vae()))


def _image_to_image() -> Any:
    return Kandinsky5I2IPipeline(**_parts(picture_vae(), visual_cond=True))


BUILDERS: dict[str, Callable[[], Any]] = {
    "k5_lite_t2v": _text_to_video,
    "k5_lite_i2v": _image_to_video,
    "k5_lite_t2i": _text_to_image,
    "k5_lite_i2i": _image_to_image,
}
