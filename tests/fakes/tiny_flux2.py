"""Tiny random-weight checkpoints of the real FLUX.2 architectures; `save(name, folder)` writes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import Flux2KleinKVPipeline, Flux2KleinPipeline, Flux2Pipeline, Flux2Transformer2DModel
from transformers import Mistral3Config, Mistral3ForConditionalGeneration, Qwen3ForCausalLM

from shared.diffusion.processors import processor_class
from tests.fakes.tiny_parts import flow_scheduler, flux2_vae, qwen3
from tests.fakes.tokenizers import llama_tokenizer, qwen_tokenizer

_MESSAGES = (
    "{% for m in messages %}{% if m['content'] is string %}{{m['content']}}{% else %}{% for c in m['content'] %}"
    "{% if c['type']=='text' %}{{c['text']}}{% else %}[IMG]{% endif %}{% endfor %}{% endif %}{% endfor %}"
)


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _transformer(joint_dim: int, *, guidance_embeds: bool) -> Any:
    torch.manual_seed(0)
    return Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=joint_dim, timestep_guidance_channels=256,
        axes_dims_rope=[4, 4, 4, 4], guidance_embeds=guidance_embeds,
    ).eval()  # fmt: skip


def mistral_tokenizer() -> Any:
    """The tokenizer of FLUX.2 dev: with what reads pictures, where torchvision is installed."""
    tokenizer = llama_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[IMG]", "[IMG_BREAK]", "[IMG_END]"]})
    tokenizer.chat_template = _MESSAGES
    processor = processor_class("PixtralProcessor")
    if processor.__name__ != "PixtralProcessor":
        return tokenizer
    from transformers import PixtralImageProcessor

    pictures = PixtralImageProcessor()
    return processor(image_processor=pictures, tokenizer=tokenizer, patch_size=6, chat_template=_MESSAGES)


def _mistral() -> Any:
    torch.manual_seed(0)
    text = {
        "model_type": "mistral", "vocab_size": 400, "hidden_size": 16, "intermediate_size": 37,
        "max_position_embeddings": 512, "num_attention_heads": 4, "num_hidden_layers": 31, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "sliding_window": None,
    }  # fmt: skip
    vision = {
        "model_type": "pixtral", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4,
        "intermediate_size": 37, "image_size": 30, "patch_size": 6, "num_channels": 3,
    }  # fmt: skip
    image_token = mistral_tokenizer().convert_tokens_to_ids("[IMG]")
    config = Mistral3Config(text_config=text, vision_config=vision, image_token_index=image_token)
    return Mistral3ForConditionalGeneration(config).eval()


def _dev() -> Any:
    # Three layers of the text model go side by side into the network.
    return Flux2Pipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True, shift=3.0), text_encoder=_mistral(),
        tokenizer=mistral_tokenizer(), transformer=_transformer(48, guidance_embeds=True), vae=flux2_vae(),
    )  # fmt: skip


def _klein_kv() -> Any:
    return Flux2KleinKVPipeline(**_klein(is_distilled=True).components, is_distilled=True)


def _klein(*, is_distilled: bool) -> Any:
    return Flux2KleinPipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True, shift=3.0), text_encoder=qwen3(Qwen3ForCausalLM, 28),
        tokenizer=qwen_tokenizer(), transformer=_transformer(48, guidance_embeds=False), vae=flux2_vae(),
        is_distilled=is_distilled,
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "flux2_dev": _dev,
    "flux2_klein_4b": lambda: _klein(is_distilled=True),
    "flux2_klein_9b_kv": _klein_kv,
    "flux2_klein_base_4b": lambda: _klein(is_distilled=False),
}
