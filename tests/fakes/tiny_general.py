"""Tiny random-weight pipelines of diffusers that have no folder under models/; `save(name, folder)` writes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderOobleck,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXTransformer3DModel,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
    StableDiffusionInpaintPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, Gemma2Config, Gemma2Model, T5Config, T5EncoderModel

from tests.fakes.tiny_parts import picture_vae
from tests.fakes.tokenizers import clip_tokenizer, gemma_tokenizer, t5_tokenizer


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that pipeline."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _t5() -> Any:
    config = T5Config(
        vocab_size=100, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8, is_encoder_decoder=False,
    )  # fmt: skip
    return T5EncoderModel(config).eval()


def _kl() -> Any:
    return AutoencoderKL(
        sample_size=32, in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, block_out_channels=[8] * 4, layers_per_block=1, latent_channels=4,
        norm_num_groups=4, scaling_factor=0.18,
    ).eval()  # fmt: skip


def _sana() -> Any:
    transformer = SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
        num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=8,
        sample_size=32,
    )  # fmt: skip
    vae = AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_types=("ResBlock",) * 3,
        decoder_block_types=("ResBlock",) * 3, encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8), encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()), encoder_layers_per_block=(1, 1, 1), decoder_layers_per_block=(1, 1, 1),
        downsample_block_type="conv", upsample_block_type="interpolate", decoder_norm_types="rms_norm",
        decoder_act_fns="silu", scaling_factor=0.41407,
    )  # fmt: skip
    tokenizer = gemma_tokenizer()
    text_encoder = Gemma2Model(
        Gemma2Config(
            vocab_size=len(tokenizer) + 8,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=4,
            max_position_embeddings=512,
        )
    )
    return SanaPipeline(
        tokenizer=tokenizer, text_encoder=text_encoder.eval(), vae=vae.eval(), transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
    )  # fmt: skip


def _pixart() -> Any:
    transformer = PixArtTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=3, caption_channels=32,
        in_channels=4, cross_attention_dim=24, out_channels=8, norm_type="ada_norm_single",
    )  # fmt: skip
    return PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(), text_encoder=_t5(), vae=_kl(), transformer=transformer.eval(),
        scheduler=DDIMScheduler(),
    )  # fmt: skip


def _cogvideox() -> Any:
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=8, out_channels=4, time_embed_dim=2,
        text_embed_dim=32, num_layers=1, sample_width=4, sample_height=4, sample_frames=9, patch_size=2,
        temporal_compression_ratio=4, max_text_seq_length=16, use_rotary_positional_embeddings=True,
    )  # fmt: skip
    vae = AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4, block_out_channels=(8, 8, 8, 8), latent_channels=4,
        layers_per_block=1, norm_num_groups=2, temporal_compression_ratio=4,
    )  # fmt: skip
    return CogVideoXImageToVideoPipeline(
        tokenizer=t5_tokenizer(), text_encoder=_t5(), vae=vae.eval(), transformer=transformer.eval(),
        scheduler=CogVideoXDDIMScheduler(),
    )  # fmt: skip


def _inpaint() -> Any:
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1, sample_size=32, in_channels=4,
        out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=2, cross_attention_dim=32,
    )  # fmt: skip
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            bos_token_id=512,
            eos_token_id=513,
            hidden_size=32,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=3,
            vocab_size=514,
        )
    )
    return StableDiffusionInpaintPipeline(
        tokenizer=clip_tokenizer(), text_encoder=text_encoder.eval(), vae=_kl(), unet=unet.eval(),
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1), safety_checker=None,
        feature_extractor=None, image_encoder=None,
    )  # fmt: skip


def _stable_audio() -> Any:
    transformer = StableAudioDiTModel(
        sample_size=16, in_channels=4, num_layers=1, attention_head_dim=4, num_attention_heads=2,
        num_key_value_attention_heads=2, out_channels=4, cross_attention_dim=32, cross_attention_input_dim=32,
        global_states_input_dim=64, time_proj_dim=16,
    )  # fmt: skip
    vae = AutoencoderOobleck(
        encoder_hidden_size=6, downsampling_ratios=[1, 2], decoder_channels=3, decoder_input_channels=4,
        audio_channels=2, channel_multiples=[2, 4], sampling_rate=4,
    )  # fmt: skip
    tokenizer = t5_tokenizer()
    tokenizer.model_max_length = 64
    projection = StableAudioProjectionModel(text_encoder_dim=32, conditioning_dim=32, min_value=0, max_value=32)
    return StableAudioPipeline(
        tokenizer=tokenizer, text_encoder=_t5(), vae=vae.eval(), transformer=transformer.eval(),
        projection_model=projection.eval(),
        scheduler=DPMSolverMultistepScheduler(prediction_type="v_prediction"),
    )  # fmt: skip


def _chroma() -> Any:
    transformer = ChromaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(4, 4, 8), approximator_num_channels=8, approximator_hidden_dim=32,
        approximator_layers=1,
    )  # fmt: skip
    return ChromaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=picture_vae(), text_encoder=_t5(), tokenizer=t5_tokenizer(),
        transformer=transformer.eval(),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "ChromaPipeline": _chroma,
    "SanaPipeline": _sana,
    "PixArtSigmaPipeline": _pixart,
    "CogVideoXImageToVideoPipeline": _cogvideox,
    "StableDiffusionInpaintPipeline": _inpaint,
    "StableAudioPipeline": _stable_audio,
}
