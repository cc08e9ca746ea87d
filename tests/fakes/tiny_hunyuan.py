"""Tiny random-weight pipelines of the real HunyuanVideo architectures; `save(name, folder)` writes a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15ImageToVideoPipeline,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
    HunyuanVideoFramepackPipeline,
    HunyuanVideoFramepackTransformer3DModel,
    HunyuanVideoImageToVideoPipeline,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
)
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    ByT5Tokenizer,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaModel,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
)

from tests.fakes.tokenizers import clip_tokenizer, qwen_tokenizer

_WIDTH = 16


def save(name: str, folder: Path) -> Path:
    """Write the tiny checkpoint of that architecture."""
    torch.set_num_threads(1)
    BUILDERS[name]().save_pretrained(folder)
    return folder


def _words_tokenizer() -> Any:
    """A tokenizer by short words and punctuation, with Llama's marks.

    Its tokens are about as many as Llama's: the pipelines leave out so many as they count in their templates.
    """
    marks = ["<pad>", "<unk>", "<image>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    words = ["a", "red", "blue", "ball", "the", "on", "in", "of", "user", "system"]
    vocabulary = {word: index for index, word in enumerate([*marks, *words, *".,:;"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    pieces = pre_tokenizers.Split(Regex(r"\w{1,6}|[^\w\s]"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pieces])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", additional_special_tokens=marks[2:]
    )


def _llama_config(vocab_size: int) -> dict[str, Any]:
    return {
        "hidden_size": _WIDTH, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 4,
        "vocab_size": vocab_size, "hidden_act": "gelu", "pad_token_id": 0,
    }  # fmt: skip


def _first_parts(transformer: Any, text_encoder: Any, tokenizer: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    vae = AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4, up_block_types=("HunyuanVideoUpBlock3D",) * 4,
    ).eval()  # fmt: skip
    clip = CLIPTextConfig(
        bos_token_id=512, eos_token_id=513, hidden_size=8, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=2, vocab_size=514, projection_dim=32,
    )  # fmt: skip
    return {
        "transformer": transformer, "vae": vae, "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder": text_encoder, "text_encoder_2": CLIPTextModel(clip).eval(), "tokenizer": tokenizer,
        "tokenizer_2": clip_tokenizer(),
    }  # fmt: skip


def _transformer(**changes: Any) -> Any:
    torch.manual_seed(0)
    config = {
        "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 10, "num_layers": 1,
        "num_single_layers": 1, "num_refiner_layers": 1, "patch_size": 2, "patch_size_t": 1, "guidance_embeds": True,
        "text_embed_dim": _WIDTH, "pooled_projection_dim": 8, "rope_axes_dim": (2, 4, 4),
    }  # fmt: skip
    return HunyuanVideoTransformer3DModel(**{**config, **changes}).eval()


def _text_to_video() -> Any:
    tokenizer = _words_tokenizer()
    torch.manual_seed(0)
    text_encoder = LlamaModel(LlamaConfig(**_llama_config(len(tokenizer)))).eval()
    return HunyuanVideoPipeline(**_first_parts(_transformer(), text_encoder, tokenizer))


def _image_to_video() -> Any:
    """The picture takes the place of the first latent frame; the text encoder sees it as 576 tokens."""
    tokenizer = _words_tokenizer()
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=4, num_hidden_layers=2, num_attention_heads=2, image_size=48, intermediate_size=16, patch_size=2,
        projection_dim=4,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=LlamaConfig(**_llama_config(len(tokenizer))), image_token_index=2,
        pad_token_id=0,
    )  # fmt: skip
    text_encoder = LlavaForConditionalGeneration(config).eval()
    transformer = _transformer(image_condition_type="token_replace")
    return HunyuanVideoImageToVideoPipeline(
        **_first_parts(transformer, text_encoder, tokenizer),
        image_processor=CLIPImageProcessor(crop_size=48, size=48),
    )


def _framepack() -> Any:
    """Each of its sections has as many latent frames as a real one: 9."""
    tokenizer = _words_tokenizer()
    torch.manual_seed(0)
    text_encoder = LlamaModel(LlamaConfig(**_llama_config(len(tokenizer)))).eval()
    transformer = HunyuanVideoFramepackTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=10, num_layers=1,
        num_single_layers=1, num_refiner_layers=1, patch_size=2, patch_size_t=1, guidance_embeds=True,
        text_embed_dim=_WIDTH, pooled_projection_dim=8, rope_axes_dim=(2, 4, 4), has_image_proj=True,
        image_proj_dim=12, has_clean_x_embedder=True,
    ).eval()  # fmt: skip
    return HunyuanVideoFramepackPipeline(**_first_parts(transformer, text_encoder, tokenizer), **_picture_reader())


def _picture_reader() -> dict[str, Any]:
    vision = SiglipVisionConfig(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=28, intermediate_size=16, patch_size=14
    )
    reader = SiglipVisionModel(vision).eval()
    return {
        "image_encoder": reader, "feature_extractor": SiglipImageProcessor(size={"height": 28, "width": 28}),
    }  # fmt: skip


def _parts_1_5(task: str) -> dict[str, Any]:
    torch.manual_seed(0)
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1,
        num_refiner_layers=1, mlp_ratio=2.0, patch_size=1, patch_size_t=1, text_embed_dim=_WIDTH, text_embed_2_dim=32,
        image_embed_dim=12, rope_axes_dim=(2, 2, 4), target_size=64, task_type=task,
    ).eval()  # fmt: skip
    vae = AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(16, 16, 16, 16, 16), layers_per_block=1,
        spatial_compression_ratio=16, temporal_compression_ratio=4,
    ).eval()  # fmt: skip
    tokenizer = qwen_tokenizer()
    text = Qwen2_5_VLTextConfig(
        vocab_size=len(tokenizer) + 8, hidden_size=_WIDTH, intermediate_size=16, num_hidden_layers=3,
        num_attention_heads=2, num_key_value_heads=2, rope_theta=1000000.0, bos_token_id=None, eos_token_id=None,
        rope_scaling={"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    )  # fmt: skip
    glyphs = T5Config(
        vocab_size=400, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8, is_encoder_decoder=False,
    )  # fmt: skip
    return {
        "transformer": transformer, "vae": vae, "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "text_encoder": Qwen2_5_VLTextModel(text).eval(), "tokenizer": tokenizer,
        "text_encoder_2": T5EncoderModel(glyphs).eval(), "tokenizer_2": ByT5Tokenizer(),
        "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }  # fmt: skip


def _text_to_video_1_5() -> Any:
    return HunyuanVideo15Pipeline(**_parts_1_5("t2v"))


def _image_to_video_1_5() -> Any:
    return HunyuanVideo15ImageToVideoPipeline(**_parts_1_5("i2v"), **_picture_reader())


BUILDERS: dict[str, Callable[[], Any]] = {
    "hunyuan": _text_to_video,
    "hunyuan_i2v": _image_to_video,
    "hunyuan_framepack": _framepack,
    "hunyuan_1_5_t2v": _text_to_video_1_5,
    "hunyuan_1_5_i2v": _image_to_video_1_5,
}
