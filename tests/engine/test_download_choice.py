"""Of a repository only what a model needs: one format, one dtype, no doubles."""

from __future__ import annotations

import pytest

from shared.engine.download_choice import choose, choose_part

SDXL = {
    "_class_name": "StableDiffusionXLPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "image_encoder": [None, None],
}
SDXL_FILES = [
    "model_index.json", "README.md", "sd_xl_base_1.0.safetensors", "sd_xl_base_1.0_0.9vae.safetensors",
    "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_flax_model.msgpack", "unet/model.onnx", "unet/model.onnx_data",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.bin",
    "vae_1_0/config.json", "vae_1_0/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json", "text_encoder/model.safetensors", "text_encoder/model.fp16.safetensors",
    "text_encoder/pytorch_model.bin", "text_encoder/flax_model.msgpack", "text_encoder/openvino/model.bin",
    "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer_config.json",
    "scheduler/scheduler_config.json",
]  # fmt: skip


def test_a_crowded_repository_gives_one_set_of_files() -> None:
    assert choose(SDXL_FILES, SDXL) == [
        "model_index.json",
        "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json", "text_encoder/model.safetensors",
        "tokenizer/merges.txt", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json",
        "scheduler/scheduler_config.json",
    ]  # fmt: skip


def test_the_wanted_dtype_is_taken_where_there_is_one() -> None:
    chosen = choose(SDXL_FILES, SDXL, variant="fp16")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in chosen
    assert "unet/diffusion_pytorch_model.safetensors" not in chosen
    assert "vae/diffusion_pytorch_model.safetensors" in chosen


def test_of_a_replaced_part_only_the_settings_are_taken() -> None:
    chosen = choose(SDXL_FILES, SDXL, without=("unet",))
    assert [name for name in chosen if name.startswith("unet/")] == ["unet/config.json"]
    elsewhere = choose(SDXL_FILES, SDXL, without=("part:vae",))
    assert [name for name in elsewhere if name.startswith("vae/")] == []
    assert not [name for name in choose(SDXL_FILES, SDXL, without=("*",)) if name.endswith((".safetensors", ".bin"))]


@pytest.mark.parametrize(
    ("library", "names", "expected"),
    [
        ("diffusers", ["t/x-00001-of-00002.safetensors", "t/x-00002-of-00002.safetensors"], 2),
        (
            "diffusers",
            [
                "t/diffusion_pytorch_model.safetensors.index.json",
                "t/diffusion_pytorch_model-00001-of-00001.safetensors",
                "t/diffusion_pytorch_model.safetensors",
            ],
            2,
        ),
        (
            "transformers",
            ["t/model.safetensors.index.json", "t/model-00001-of-00001.safetensors", "t/model.safetensors"],
            1,
        ),
        (
            "diffusers",
            [
                "t/diffusion_pytorch_model.safetensors.index.fp16.json",
                "t/diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                "t/diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
            ],
            3,
        ),
        ("transformers", ["t/pytorch_model.bin", "t/training_args.bin", "t/optimizer.pt"], 1),
        ("transformers", ["t/model.fp16.safetensors", "t/model.bf16.safetensors"], 1),
        ("", ["t/adapter-Q4_K_M.gguf"], 1),
    ],
)
def test_shards_and_odd_names(library: str, names: list[str], expected: int) -> None:
    assert len(choose_part(names, library)) == expected


def test_the_better_dtype_stands_in_for_a_missing_plain_one() -> None:
    names = ["t/model.fp16.safetensors", "t/model.bf16.safetensors"]
    assert choose_part(names, "transformers") == ["t/model.bf16.safetensors"]
