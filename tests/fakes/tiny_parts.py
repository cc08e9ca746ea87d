"""Tiny random-weight parts that the tiny checkpoints of several families share."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    Qwen2VLImageProcessorPil,
    Qwen3Config,
    Qwen3VLConfig,
    T5Config,
    T5EncoderModel,
)

from shared.diffusion.processors import processor_class
from tests.fakes.tokenizers import qwen_tokenizer


def flow_scheduler(**config: Any) -> Any:
    """Euler over a flow; `use_dynamic_shifting` as the large models have it."""
    return FlowMatchEulerDiscreteScheduler(**config)


def picture_vae(latent_channels: int = 4, **config: Any) -> Any:
    """A Stable Diffusion style VAE, 8 times smaller."""
    torch.manual_seed(0)
    usual = {
        "sample_size": 32, "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [8, 8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4, "use_quant_conv": False,
        "use_post_quant_conv": False, "scaling_factor": 1.5, "shift_factor": 0.06,
    }  # fmt: skip
    return AutoencoderKL(latent_channels=latent_channels, **{**usual, **config}).eval()


def flux2_vae() -> Any:
    """The VAE of FLUX.2 and Ideogram 4."""
    torch.manual_seed(0)
    return AutoencoderKLFlux2(
        sample_size=32, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=1,
        use_quant_conv=False, use_post_quant_conv=False,
    ).eval()  # fmt: skip


def qwen_vae(latent_channels: int = 4, **config: Any) -> Any:
    """The VAE of Qwen-Image and Krea 2, 8 times smaller."""
    torch.manual_seed(0)
    return AutoencoderKLQwenImage(
        base_dim=4, z_dim=latent_channels, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True], latents_mean=[0.0] * latent_channels,
        latents_std=[1.0] * latent_channels, **config,
    ).eval()  # fmt: skip


def t5_encoder() -> Any:
    """A T5 encoder, 32 wide."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=100, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8, is_encoder_decoder=False,
    )  # fmt: skip
    return T5EncoderModel(config).eval()


def clip_text(model: Any = CLIPTextModel, seed: int = 0, positions: int = 77) -> Any:
    """A CLIP text model, 32 wide."""
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        bos_token_id=512, eos_token_id=513, hidden_size=32, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=5, vocab_size=514, projection_dim=32, max_position_embeddings=positions,
    )  # fmt: skip
    return model(config).eval()


def qwen3(model: Any, layers: int = 2) -> Any:
    """A Qwen3 language model, 16 wide."""
    torch.manual_seed(0)
    config = Qwen3Config(
        hidden_size=16, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, vocab_size=len(qwen_tokenizer()) + 8, max_position_embeddings=1024,
    )  # fmt: skip
    return model(config).eval()


def qwen3_vl(model: Any, layers: int = 2) -> Any:
    """A Qwen3-VL model, 16 wide."""
    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    text = {
        "vocab_size": len(tokenizer) + 8, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": layers,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "rope_theta": 1e6,
        "rope_scaling": {"mrope_section": [2, 1, 1], "rope_type": "default", "mrope_interleaved": True},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
        "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
    }  # fmt: skip
    ids = {
        f"{name}_id": tokenizer.convert_tokens_to_ids(mark) for name, mark in
        (("image_token", "<|image_pad|>"), ("video_token", "<|video_pad|>"), ("vision_start_token", "<|vision_start|>"),
         ("vision_end_token", "<|vision_end|>"))
    }  # fmt: skip
    return model(Qwen3VLConfig(text_config=text, vision_config=vision, **ids)).eval()


def qwen_vl_processor(name: str = "Qwen2VLProcessor", patch_size: int = 14, max_pixels: int = 56 * 56) -> Any:
    """The processor of a Qwen vision model; it shows the model pictures of at most `max_pixels`."""
    tokenizer, processor = qwen_tokenizer(), processor_class(name)
    pictures = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=max_pixels, patch_size=patch_size)
    parts = {"image_processor": pictures, "tokenizer": tokenizer}
    if "video_processor" in processor.get_attributes():
        from transformers import Qwen2VLVideoProcessor

        parts["video_processor"] = Qwen2VLVideoProcessor()
    return processor(**parts, chat_template=tokenizer.chat_template)
