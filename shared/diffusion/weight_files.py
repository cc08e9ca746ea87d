"""Single files of weights, in whatever form they are handed around, as plain tensors by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.model_loading_utils import load_gguf_checkpoint
from safetensors import SafetensorError
from safetensors.torch import load_file

from shared.core.errors import DownloadError

State = dict[str, Any]

# What other programs put before the names of a diffusion model, longest first.
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "model.model.")
# Weights that a file keeps as 8-bit numbers: the suffixes of the numbers and of their scale, beside "<name>.weight".
_SCALED = (("weight", "scale_weight"), ("weight", "weight_scale"), ("weight._data", "weight._scale"))
_NOT_WEIGHTS = re.compile(
    r"(^|\.)(scaled_fp8|comfy_quant|scale_input|input_scale|output_scale|weight_qtype|_quantization_metadata)$"
)
_UNSUPPORTED = re.compile(
    r"\.(weight_scale_2|qweight|wscales|smooth_factor|weight_packed|absmax|quant_map)$|\.weight\."
)


def read_weights(path: Path, dtype: torch.dtype, *, keeps_prefix: bool = False) -> State:
    """The tensors of a safetensors or GGUF file by name, unless told without the prefix of another program.

    Scaled 8-bit weights (ComfyUI's fp8, quanto's int8) become floats of `dtype`; GGUF weights stay as they are.
    Raises DownloadError for a file that is damaged or of a form that cannot be read.
    """
    try:
        state = dict(load_gguf_checkpoint(str(path))) if path.suffix == ".gguf" else load_file(path)
    except (OSError, ValueError, KeyError, SafetensorError) as exc:
        raise DownloadError(f"{path} is damaged or holds no weights. {exc}") from exc
    return with_plain_weights(state if keeps_prefix else without_prefix(state), dtype, path)


def without_prefix(state: State) -> State:
    """The same with a prefix of another program taken off where most names have it."""
    for prefix in _PREFIXES:
        own = [name for name in state if name.startswith(prefix)]
        if len(own) * 2 > len(state):
            return {name.removeprefix(prefix): state[name] for name in own}
    return state


def with_plain_weights(state: State, dtype: torch.dtype, path: Path) -> State:
    """The same with each 8-bit weight multiplied by its scale, and without what belongs to that form alone."""
    for weight, scale in _SCALED:
        for name in [name for name in state if name.endswith(f".{scale}")]:
            stem = name.removesuffix(scale)
            if f"{stem}{weight}" in state:
                plain = _scaled(state.pop(f"{stem}{weight}"), state.pop(name), dtype)
                state[f"{stem}weight"] = plain
    state = {name: value for name, value in state.items() if not _NOT_WEIGHTS.search(name)}
    foreign = next((name for name in state if _UNSUPPORTED.search(name)), None)
    if foreign is not None:
        raise DownloadError(
            f"{path} holds weights in a quantised form that cannot be read here ({foreign}). "
            "Use its bf16, fp16, fp8, int8 (quanto) or GGUF variant."
        )
    return state


def _scaled(weight: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    scale = scale.clone().to(torch.float32)
    if scale.ndim == 1 and scale.numel() == weight.shape[0]:
        scale = scale.reshape(-1, *[1] * (weight.ndim - 1))
    return (weight.clone().to(torch.float32) * scale).to(dtype)


def as_umt5(state: Mapping[str, Any]) -> State:
    """The names of transformers for a UMT5 encoder in the layout of its first publisher (`blocks.0.attn.q.weight`)."""
    if "token_embedding.weight" not in state:
        return dict(state)
    named: State = {}
    for name, value in state.items():
        for pattern, replacement in _UMT5_NAMES:
            changed, count = re.subn(pattern, replacement, name)
            if count:
                named[changed] = value
                break
    named["encoder.embed_tokens.weight"] = named["shared.weight"]
    return named


_LAYER = r"encoder.block.\1.layer"
_UMT5_NAMES = (
    (r"^token_embedding\.weight$", "shared.weight"),
    (r"^norm\.weight$", "encoder.final_layer_norm.weight"),
    (r"^blocks\.(\d+)\.attn\.([qkvo])\.weight$", rf"{_LAYER}.0.SelfAttention.\2.weight"),
    (
        r"^blocks\.(\d+)\.pos_embedding\.embedding\.weight$",
        rf"{_LAYER}.0.SelfAttention.relative_attention_bias.weight",
    ),
    (r"^blocks\.(\d+)\.norm1\.weight$", rf"{_LAYER}.0.layer_norm.weight"),
    (r"^blocks\.(\d+)\.norm2\.weight$", rf"{_LAYER}.1.layer_norm.weight"),
    (r"^blocks\.(\d+)\.ffn\.gate\.0\.weight$", rf"{_LAYER}.1.DenseReluDense.wi_0.weight"),
    (r"^blocks\.(\d+)\.ffn\.fc1\.weight$", rf"{_LAYER}.1.DenseReluDense.wi_1.weight"),
    (r"^blocks\.(\d+)\.ffn\.fc2\.weight$", rf"{_LAYER}.1.DenseReluDense.wo.weight"),
)
