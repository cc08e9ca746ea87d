"""Tiny random-weight pipelines of the real Wan architectures; `save(name, folder)` writes one as a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    ChronoEditPipeline,
    ChronoEditTransformer3DModel,
    LucyEditPipeline,
    SkyReelsV2DiffusionForcingPipeline,
    SkyReelsV2Transformer3DModel,
    UniPCMultistepScheduler,
    WanAnimatePipeline,
    WanAnimateTransformer3DModel,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

from tests.fakes.tokenizers import t5_tokenizer


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _text_encoder() -> Any:
    torch.manual_seed(0)
    config = UMT5Config(
        vocab_size=100, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8, is_encoder_decoder=False,
    )  # fmt: skip
    return UMT5EncoderModel(config).eval()


def _vae(**changes: Any) -> Any:
    torch.manual_seed(0)
    config = {
        "base_dim": 3, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    }  # fmt: skip
    return AutoencoderKLWan(**{**config, **changes}).eval()


def _transformer(seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    config = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16,
        "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32,
    }  # fmt: skip
    return WanTransformer3DModel(**{**config, **changes}).eval()


def _parts(**changes: Any) -> dict[str, Any]:
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    parts = {"tokenizer": t5_tokenizer(), "text_encoder": _text_encoder(), "vae": _vae(), "scheduler": scheduler}
    return {**parts, "transformer": _transformer(), "transformer_2": None, **changes}


def _image_encoder() -> dict[str, Any]:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=4, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        intermediate_size=16, patch_size=8,
    )  # fmt: skip
    return {
        "image_encoder": CLIPVisionModel(config).eval(),
        "image_processor": CLIPImageProcessor(crop_size=32, size=32),
    }


def _text_to_video() -> Any:
    return WanPipeline(**_parts())


def _two_experts() -> Any:
    return WanPipeline(**_parts(transformer_2=_transformer(seed=1)), boundary_ratio=0.875)


def _image_to_video() -> Any:
    transformer = _transformer(in_channels=36, image_dim=4)
    return WanImageToVideoPipeline(**_parts(transformer=transformer), **_image_encoder())


def _first_last_frame() -> Any:
    tokens = (32 // 8) ** 2 + 1
    transformer = _transformer(in_channels=36, image_dim=4, pos_embed_seq_len=2 * tokens)
    return WanImageToVideoPipeline(**_parts(transformer=transformer), **_image_encoder())


def _image_to_video_two_experts() -> Any:
    high, low = _transformer(in_channels=36), _transformer(seed=1, in_channels=36)
    return WanImageToVideoPipeline(**_parts(transformer=high, transformer_2=low), boundary_ratio=0.9)


def _first_frame_tokens() -> Any:
    vae = _vae(
        z_dim=48, in_channels=12, out_channels=12, is_residual=True, patch_size=2, latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48, scale_factor_spatial=16, scale_factor_temporal=4,
    )  # fmt: skip
    transformer = _transformer(in_channels=48, out_channels=48)
    return WanPipeline(**_parts(vae=vae, transformer=transformer), expand_timesteps=True)


def _any_tokens() -> Any:
    vae = _vae(
        base_dim=4, dim_mult=[1, 2, 2], temperal_downsample=[False, False], is_residual=True, in_channels=48,
        out_channels=48, patch_size=4, scale_factor_temporal=1, scale_factor_spatial=16,
    )  # fmt: skip
    return WanPipeline(**_parts(vae=vae), expand_timesteps=True)


def _vace(experts: int = 1) -> Any:
    torch.manual_seed(0)
    config = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16,
        "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 3, "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32, "vace_layers": [0, 2], "vace_in_channels": 96,
    }  # fmt: skip
    transformers = [WanVACETransformer3DModel(**config).eval() for _ in range(experts)]
    parts = _parts(transformer=transformers[0], transformer_2=transformers[1] if experts > 1 else None)
    return WanVACEPipeline(**parts, boundary_ratio=0.875 if experts > 1 else None)


def _animate() -> Any:
    torch.manual_seed(0)
    config = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 36,
        "latent_channels": 16, "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2,
        "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32, "image_dim": 4,
        "motion_encoder_channel_sizes": {"4": 16, "8": 16, "16": 16}, "motion_encoder_size": 16,
        "motion_style_dim": 8, "motion_dim": 4, "motion_encoder_dim": 16, "face_encoder_hidden_dim": 16,
        "face_encoder_num_heads": 2, "inject_face_latents_blocks": 2,
    }  # fmt: skip
    parts = _parts(transformer=WanAnimateTransformer3DModel(**config).eval())
    del parts["transformer_2"]
    return WanAnimatePipeline(**parts, **_image_encoder())


def _forcing() -> Any:
    torch.manual_seed(0)
    config = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16,
        "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32, "inject_sample_info": True,
    }  # fmt: skip
    parts = _parts(transformer=SkyReelsV2Transformer3DModel(**config).eval())
    del parts["transformer_2"]
    return SkyReelsV2DiffusionForcingPipeline(**parts)


def _lucy() -> Any:
    clips = _first_frame_tokens()
    parts = {**clips.components, "transformer": _transformer(in_channels=96, out_channels=48)}
    return LucyEditPipeline(**parts, expand_timesteps=True)


def _chrono() -> Any:
    torch.manual_seed(0)
    config = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 36,
        "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32, "image_dim": 4,
    }  # fmt: skip
    parts = _parts(transformer=ChronoEditTransformer3DModel(**config).eval())
    del parts["transformer_2"]
    return ChronoEditPipeline(**parts, **_image_encoder())


BUILDERS: dict[str, Callable[[], Any]] = {
    "starter": _any_tokens,
    "t2v": _text_to_video,
    "t2v_2_2": _two_experts,
    "i2v": _image_to_video,
    "flf2v_720p": _first_last_frame,
    "i2v_2_2": _image_to_video_two_experts,
    "ti2v_2_2": _first_frame_tokens,
    "fun_inp_1.3B": _image_to_video,
    "vace_1.3B": _vace,
    "vace_14B_2_2": lambda: _vace(2),
    "animate": _animate,
    "sky_df_1.3B": _forcing,
    "lucy_edit": _lucy,
    "chrono_edit": _chrono,
}
