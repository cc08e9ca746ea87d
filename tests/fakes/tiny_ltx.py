"""Tiny random-weight pipelines of the real LTX-Video architecture; `save(name, folder)` writes one as a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel

from tests.fakes.tokenizers import t5_tokenizer


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def t5_encoder(vocab_size: int = 100) -> Any:
    """A T5 of two layers, 32 wide."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=vocab_size, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8, is_encoder_decoder=False,
    )  # fmt: skip
    return T5EncoderModel(config).eval()


def _transformer() -> Any:
    torch.manual_seed(0)
    return LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=8, cross_attention_dim=32,
        num_layers=2, caption_channels=32,
    ).eval()  # fmt: skip


def _vae() -> Any:
    """Packs 8 frames and 32x32 pixels into one latent position; its decoder is told how much noise is left."""
    torch.manual_seed(0)
    return AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(4, 4, 8, 8, 8), decoder_block_out_channels=(8, 16, 32),
        down_block_types=("LTXVideo095DownBlock3D",) * 4, layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 4,
        spatio_temporal_scaling=(True,) * 4, decoder_spatio_temporal_scaling=(True,) * 3,
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        decoder_inject_noise=(False,) * 4, upsample_residual=(True,) * 3, upsample_factor=(2,) * 3,
        timestep_conditioning=True, spatial_compression_ratio=32, temporal_compression_ratio=8,
    ).eval()  # fmt: skip


def _any_task() -> Any:
    return LTXConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=_vae(), text_encoder=t5_encoder(),
        tokenizer=t5_tokenizer(), transformer=_transformer(),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {"ltxv_13B": _any_task, "ltxv_distilled": _any_task}
