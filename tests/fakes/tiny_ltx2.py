"""Tiny random-weight pipelines of the real LTX-2 architecture; `save(name, folder)` writes one as a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma4UnifiedConfig,
    Gemma4UnifiedForConditionalGeneration,
)

from tests.fakes.tokenizers import gemma_tokenizer

_WIDTH, _LAYERS = 32, 2


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _text_encoder(vocab_size: int) -> Any:
    torch.manual_seed(0)
    text = {
        "vocab_size": vocab_size + 8, "hidden_size": _WIDTH, "intermediate_size": 37, "num_hidden_layers": _LAYERS,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 512,
        "max_position_embeddings": 2048,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=vocab_size)
    return Gemma3ForConditionalGeneration(config).eval()


def _text_encoder_2_5(vocab_size: int) -> Any:
    """The newer Gemma of LTX-2.5; every second layer looks at the whole text, with heads of another width."""
    torch.manual_seed(0)
    text = {
        "vocab_size": vocab_size + 8, "hidden_size": _WIDTH, "intermediate_size": 37, "num_hidden_layers": _LAYERS,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 8, "sliding_window": 512,
        "max_position_embeddings": 2048, "layer_types": ["sliding_attention", "full_attention"],
    }  # fmt: skip
    return Gemma4UnifiedForConditionalGeneration(Gemma4UnifiedConfig(text_config=text)).eval()


def _connectors() -> Any:
    torch.manual_seed(0)
    sides = {
        f"{side}_connector_{name}": value
        for side in ("video", "audio")
        for name, value in (
            ("num_attention_heads", 4), ("attention_head_dim", 8), ("num_layers", 1), ("num_learnable_registers", None),
        )
    }  # fmt: skip
    return LTX2TextConnectors(
        caption_channels=_WIDTH, text_proj_in_factor=_LAYERS + 1, connector_rope_base_seq_len=32,
        rope_double_precision=False, rope_type="split", **sides,
    ).eval()  # fmt: skip


def _transformer() -> Any:
    torch.manual_seed(0)
    return LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, patch_size=1, patch_size_t=1, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2,
        audio_attention_head_dim=4, audio_cross_attention_dim=8, num_layers=2, qk_norm="rms_norm_across_heads",
        caption_channels=_WIDTH, rope_double_precision=False, rope_type="split",
    ).eval()  # fmt: skip


def _vae() -> Any:
    """Packs 8 frames and 32x32 pixels into one latent position."""
    torch.manual_seed(0)
    return AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(4, 4, 8, 8), decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 4, spatio_temporal_scaling=(True,) * 4,
        decoder_spatio_temporal_scaling=(True,) * 3, decoder_inject_noise=(False,) * 4,
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"), upsample_residual=(True,) * 3,
        upsample_factor=(2,) * 3, spatial_compression_ratio=32, temporal_compression_ratio=8,
    ).eval()  # fmt: skip


def _audio_parts() -> dict[str, Any]:
    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Audio(
        base_channels=4, output_channels=2, ch_mult=(1,), num_res_blocks=1, attn_resolutions=None, in_channels=2,
        resolution=32, latent_channels=2, norm_type="pixel", causality_axis="height", dropout=0.0,
        mid_block_add_attention=False, sample_rate=16000, mel_hop_length=160, is_causal=True, mel_bins=8,
    ).eval()  # fmt: skip
    vocoder = LTX2Vocoder(
        in_channels=16, hidden_channels=32, out_channels=2, upsample_kernel_sizes=[32, 20], upsample_factors=[16, 10],
        resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], leaky_relu_negative_slope=0.1,
        output_sampling_rate=16000,
    ).eval()  # fmt: skip
    return {"audio_vae": vae, "vocoder": vocoder}


def _with_sound(text_encoder: Callable[[int], Any] = _text_encoder) -> Any:
    tokenizer = gemma_tokenizer()
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05)
    return LTX2Pipeline(
        scheduler=scheduler, vae=_vae(), text_encoder=text_encoder(len(tokenizer)), tokenizer=tokenizer,
        connectors=_connectors(), transformer=_transformer(), **_audio_parts(),
    )  # fmt: skip


def _with_sound_2_5() -> Any:
    return _with_sound(_text_encoder_2_5)


BUILDERS: dict[str, Callable[[], Any]] = {
    "ltx2_19B": _with_sound,
    "ltx2_22B_distilled": _with_sound,
    "ltx2_25_22B": _with_sound_2_5,
}
