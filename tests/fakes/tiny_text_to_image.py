"""Tiny random-weight checkpoints of HiDream, Krea 2 and Ideogram 4; `save(name, folder)` writes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    HiDreamImagePipeline,
    HiDreamImageTransformer2DModel,
    Ideogram4Pipeline,
    Ideogram4Transformer2DModel,
    Krea2Pipeline,
    Krea2Transformer2DModel,
)
from transformers import CLIPTextModelWithProjection, LlamaConfig, LlamaForCausalLM, Qwen3VLModel

from tests.fakes.tiny_parts import clip_text, flow_scheduler, flux2_vae, picture_vae, qwen3_vl, qwen_vae, t5_encoder
from tests.fakes.tokenizers import clip_tokenizer, llama_tokenizer, qwen_tokenizer, t5_tokenizer

_TAPPED_LAYERS = 13


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    pipe = BUILDERS[name]()
    pipe.save_pretrained(folder)
    return folder


def save_llama(folder: Path) -> Path:
    """Write the language model that HiDream's own repository leaves out."""
    _llama().save_pretrained(folder)
    llama_tokenizer().save_pretrained(folder)
    return folder


def _llama() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=4, num_key_value_heads=2,
        vocab_size=400, output_hidden_states=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def _hidream() -> Any:
    torch.manual_seed(0)
    transformer = HiDreamImageTransformer2DModel(
        patch_size=2, in_channels=4, out_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_channels=[32, 16], text_emb_dim=64, num_routed_experts=4,
        num_activated_experts=2, axes_dims_rope=(4, 2, 2), max_resolution=(32, 32), llama_layers=[0, 1],
        force_inference_output=True,
    ).eval()  # fmt: skip
    return HiDreamImagePipeline(
        scheduler=flow_scheduler(shift=3.0), vae=picture_vae(),
        text_encoder=clip_text(CLIPTextModelWithProjection, positions=248), tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(CLIPTextModelWithProjection, seed=1, positions=248), tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_encoder(), tokenizer_3=t5_tokenizer(), text_encoder_4=_llama(),
        tokenizer_4=llama_tokenizer(), transformer=transformer,
    )  # fmt: skip


def _krea2(*, is_distilled: bool) -> Any:
    torch.manual_seed(0)
    transformer = Krea2Transformer2DModel(
        in_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, timestep_embed_dim=16, text_hidden_dim=16, num_text_layers=2,
        text_num_attention_heads=2, text_num_key_value_heads=2, text_intermediate_size=16,
        num_layerwise_text_blocks=1, num_refiner_text_blocks=1, axes_dims_rope=(4, 2, 2),
    ).eval()  # fmt: skip
    for name, table in transformer.named_parameters():
        if name.endswith("scale_shift_table"):
            torch.nn.init.normal_(table, std=0.5)  # they begin as zeros, which shut the blocks off
    return Krea2Pipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, max_image_seq_len=6400),
        vae=qwen_vae(), text_encoder=qwen3_vl(Qwen3VLModel), tokenizer=qwen_tokenizer(), transformer=transformer,
        text_encoder_select_layers=(1, 2), is_distilled=is_distilled,
    )  # fmt: skip


def _ideogram4() -> Any:
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks.append(
            Ideogram4Transformer2DModel(
                in_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=2, intermediate_size=16,
                adaln_dim=16, llm_features_dim=16 * _TAPPED_LAYERS, mrope_section=(2, 1, 1),
            ).eval()
        )  # fmt: skip
    return Ideogram4Pipeline(
        scheduler=flow_scheduler(), vae=flux2_vae(), text_encoder=qwen3_vl(Qwen3VLModel, layers=36),
        tokenizer=qwen_tokenizer(), transformer=networks[0], unconditional_transformer=networks[1],
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "hidream": _hidream,
    "krea2": lambda: _krea2(is_distilled=False),
    "krea2_turbo": lambda: _krea2(is_distilled=True),
    "ideogram4": _ideogram4,
}
