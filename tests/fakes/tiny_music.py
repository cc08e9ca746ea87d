"""Tiny random-weight checkpoints of the models that make sound; `save(name, folder)` writes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AutoencoderOobleck,
    AutoencoderSAME,
    FlowMatchEulerDiscreteScheduler,
    StableAudio3DiTModel,
    StableAudio3DurationEmbedder,
    StableAudio3Pipeline,
)
from diffusers.pipelines.ace_step import AceStepAudioTokenDetokenizer, AceStepAudioTokenizer, AceStepConditionEncoder
from transformers import Qwen3Model, T5GemmaConfig, T5GemmaEncoderModel, T5GemmaModuleConfig

from tests.fakes.tiny_parts import qwen3
from tests.fakes.tokenizers import gemma_tokenizer, qwen_tokenizer

_ATTENTION = {
    "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
}  # fmt: skip
_CHANNELS = 4


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _lively(network: Any) -> Any:
    """The network with an effect: weights that training begins with at 0 are drawn."""
    for weight in network.parameters():
        if not bool(weight.any()):
            torch.nn.init.normal_(weight, std=0.1)
    return network.eval()


def _ace_step(**transformer: Any) -> Any:
    vae = AutoencoderOobleck(
        encoder_hidden_size=2 * _CHANNELS, downsampling_ratios=[2, 2], decoder_channels=4,
        decoder_input_channels=_CHANNELS,
        audio_channels=2, channel_multiples=[1, 2], sampling_rate=16,
    )  # fmt: skip
    condition = AceStepConditionEncoder(
        **_ATTENTION, text_hidden_dim=16, timbre_hidden_dim=_CHANNELS, num_lyric_encoder_hidden_layers=1,
        num_timbre_encoder_hidden_layers=1,
    )  # fmt: skip
    condition.silence_latent = torch.randn(1, 15_000, _CHANNELS)
    tokens: dict[str, Any] = {
        **_ATTENTION, "audio_acoustic_hidden_dim": _CHANNELS, "pool_window_size": 2,
        "num_attention_pooler_hidden_layers": 1,
    }  # fmt: skip
    return AceStepPipeline(
        vae=vae.eval(), text_encoder=qwen3(Qwen3Model), tokenizer=qwen_tokenizer(),
        transformer=AceStepTransformer1DModel(
            **_ATTENTION, num_hidden_layers=2, in_channels=3 * _CHANNELS, audio_acoustic_hidden_dim=_CHANNELS,
            encoder_hidden_size=16, **transformer,
        ).eval(),
        condition_encoder=condition.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        audio_tokenizer=AceStepAudioTokenizer(**tokens, fsq_dim=16).eval(),
        audio_token_detokenizer=AceStepAudioTokenDetokenizer(**tokens).eval(),
    )  # fmt: skip


def _stable_audio(is_distilled: bool = True) -> Any:
    tokenizer = gemma_tokenizer()
    tokenizer.model_max_length = 16
    module = T5GemmaModuleConfig(
        vocab_size=len(tokenizer) + 8, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8,
    )  # fmt: skip
    transformer = StableAudio3DiTModel(
        io_channels=_CHANNELS, embed_dim=16, depth=1, num_heads=2, cond_token_dim=16, global_cond_dim=16,
        local_add_cond_dim=_CHANNELS + 1, timestep_features_dim=16, ff_mult=1.0, num_memory_tokens=2,
    )  # fmt: skip
    vae = AutoencoderSAME(
        audio_channels=2, patch_size=2, encoder_channels=8, encoder_c_mults=[2], encoder_strides=[2],
        encoder_transformer_depths=[1], latent_dim=_CHANNELS, dim_heads=8, ff_mult=1, sampling_rate=16,
    )  # fmt: skip
    config = T5GemmaConfig(encoder=module, decoder=module, is_encoder_decoder=False)
    return StableAudio3Pipeline(
        vae=_lively(vae), text_encoder=T5GemmaEncoderModel(config).eval(), tokenizer=tokenizer,
        duration_embedder=StableAudio3DurationEmbedder(output_dim=16, fourier_dim=8).eval(),
        transformer=_lively(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(stochastic_sampling=is_distilled),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "ace_step_v1_5": _ace_step,
    "ace_step_v1_5_xl": lambda: _ace_step(is_turbo=True),
    "stable_audio3_medium": _stable_audio,
    "stable_audio3_small": lambda: _stable_audio(is_distilled=False),
}
