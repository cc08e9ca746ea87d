"""Tiny random-weight checkpoints of the real Qwen-Image architectures; `save(name, folder)` writes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage21,
    QwenImage21Pipeline,
    QwenImage21Transformer2DModel,
    QwenImageControlNetModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageLayeredPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration

from tests.fakes.tiny_parts import flow_scheduler, qwen3_vl, qwen_vae, qwen_vl_processor
from tests.fakes.tokenizers import qwen_tokenizer

_SHIFTING = {
    "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 0.9, "base_image_seq_len": 256,
    "max_image_seq_len": 8192, "shift_terminal": 0.02,
}  # fmt: skip
_NETWORK = {
    "patch_size": 2, "in_channels": 16, "out_channels": 4, "num_layers": 2, "attention_head_dim": 16,
    "num_attention_heads": 3, "joint_attention_dim": 16, "axes_dims_rope": (8, 4, 4),
}  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def save_control(folder: Path) -> Path:
    """Write a tiny ControlNet."""
    torch.manual_seed(1)
    control = QwenImageControlNetModel(**_NETWORK)
    for parameter in control.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    control.save_pretrained(folder)
    return folder


def _text_encoder() -> Any:
    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    token_id = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer) + 8, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "rope_theta": 1e6,
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    }  # fmt: skip
    vision = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, hidden_size=16, vocab_size=len(tokenizer) + 8,
        image_token_id=token_id("<|image_pad|>"), video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"), vision_end_token_id=token_id("<|vision_end|>"),
    )  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def _parts(**changes: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(**{**_NETWORK, **changes}).eval()
    return {
        "transformer": transformer, "vae": qwen_vae(), "scheduler": flow_scheduler(**_SHIFTING),
        "text_encoder": _text_encoder(), "tokenizer": qwen_tokenizer(),
    }  # fmt: skip


def _text_to_image() -> Any:
    return QwenImagePipeline(**_parts())


def _edit() -> Any:
    return QwenImageEditPipeline(**_parts(), processor=qwen_vl_processor())


def _edit_plus() -> Any:
    return QwenImageEditPlusPipeline(**_parts(zero_cond_t=True), processor=qwen_vl_processor())


def _layered() -> Any:
    # Not 4 latent channels: the pipeline would take a picture with alpha for latents.
    parts = _parts(use_additional_t_cond=True, use_layer3d_rope=True, in_channels=32, out_channels=8)
    parts |= {"vae": qwen_vae(8, input_channels=4)}
    return QwenImageLayeredPipeline(**parts, processor=qwen_vl_processor())


def _version_2_1() -> Any:
    torch.manual_seed(0)
    transformer = QwenImage21Transformer2DModel(
        in_channels=8, out_channels=8, num_layers=2, attention_head_dim=16, num_attention_heads=2, context_in_dim=16,
        axes_dims_rope=(8, 4, 4),
    ).eval()  # fmt: skip
    vae = AutoencoderKLQwenImage21(
        base_dim=4, decoder_base_dim=4, z_dim=8, dim_mult=[1, 1, 1, 1, 1], num_res_blocks=1, latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
    ).eval()  # fmt: skip
    return QwenImage21Pipeline(
        scheduler=flow_scheduler(**_SHIFTING), vae=vae, text_encoder=qwen3_vl(Qwen3VLForConditionalGeneration),
        processor=qwen_vl_processor("Qwen3VLProcessor", 16, max_pixels=2**24), transformer=transformer,
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "qwen_image_20B": _text_to_image,
    "qwen_image_edit_20B": _edit,
    "qwen_image_edit_plus_20B": _edit_plus,
    "qwen_image_layered_20B": _layered,
    "qwen_image_2_1": _version_2_1,
}
