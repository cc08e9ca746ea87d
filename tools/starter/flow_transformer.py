"""`WanTransformer3DModel` of the starter model, and its forward pass as training runs it.

The training pass computes what the model's own `forward` computes, faster on a CPU: rotary tables in float32, text
padding folded into one token (see `text.encode_prompts`), blocks compiled one by one.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

PRESETS = {
    "cpu": {"num_layers": 6, "num_attention_heads": 4, "attention_head_dim": 64, "ffn_dim": 1024},
    "gpu": {"num_layers": 10, "num_attention_heads": 4, "attention_head_dim": 64, "ffn_dim": 1024},
    "tiny": {"num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16, "ffn_dim": 64},
}

# Some 490 of the 512 text tokens are padding and take 97 % of a flat attention; with queries and keys of unit scale the
# words were still nearly unheard after 400 steps (padding held 55 to 90 %).
TEXT_SHARPNESS = 1.6


def build_transformer(preset: str, text_dim: int = 128) -> WanTransformer3DModel:
    """A fresh model whose output starts at zero and whose attention to the text starts sharp."""
    model = WanTransformer3DModel(
        **PRESETS[preset], patch_size=(1, 2, 2), in_channels=16, out_channels=16, text_dim=text_dim, freq_dim=256
    )
    nn.init.zeros_(model.proj_out.weight)
    nn.init.zeros_(model.proj_out.bias)
    for block in model.blocks:
        for norm in (block.attn2.norm_q, block.attn2.norm_k):
            nn.init.constant_(norm.weight, TEXT_SHARPNESS)
    return model


def rotary_tables(
    model: WanTransformer3DModel, grid: tuple[int, int, int], frames: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines, float32 (1, 1, tokens, head_dim), each angle twice in a row, for a grid of tokens.

    `frames` are the places in time of the grid's frames; None: 0, 1, 2, ...
    """
    if frames is not None:
        whole = rotary_tables(model, (int(frames[-1]) + 1, *grid[1:]))
        return tuple(x.unflatten(2, (-1, grid[1] * grid[2]))[:, :, frames].flatten(2, 3) for x in whole)
    p_t, p_h, p_w = model.config.patch_size
    latents = torch.empty(1, 1, grid[0] * p_t, grid[1] * p_h, grid[2] * p_w, device="meta")
    cos, sin = model.rope(latents)
    return cos.float().transpose(1, 2), sin.float().transpose(1, 2)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    pairs = x.unflatten(-1, (-1, 2))
    turned = torch.stack([-pairs[..., 1], pairs[..., 0]], dim=-1).flatten(-2)
    return (x * cos + turned * sin).to(x.dtype)


def _heads(x: Tensor, count: int) -> Tensor:
    return x.unflatten(2, (count, -1)).transpose(1, 2)


def _attend(attn: nn.Module, x: Tensor, context: Tensor, bias: Tensor | None, rotary: tuple | None) -> Tensor:
    query, key = attn.norm_q(attn.to_q(x)), attn.norm_k(attn.to_k(context))
    value = _heads(attn.to_v(context), attn.heads)
    query, key = _heads(query, attn.heads), _heads(key, attn.heads)
    if rotary is not None:
        query, key = _rotate(query, *rotary), _rotate(key, *rotary)
    # Written out: over so few tokens this is three times as fast, there and back, as the fused kernel of a CPU.
    logits = (query * query.shape[-1] ** -0.5).to(value.dtype) @ key.to(value.dtype).mT
    if bias is not None:
        logits = logits + bias
    out = logits.float().softmax(dim=-1).to(value.dtype) @ value
    return attn.to_out[0](out.transpose(1, 2).flatten(2))


def block_forward(
    block: nn.Module, x: Tensor, text: Tensor, bias: Tensor, modulation: Tensor, cos: Tensor, sin: Tensor
) -> Tensor:
    """One block on float32 tokens (batch, tokens, dim); `modulation` is (batch, tokens, 6, dim)."""
    table = block.scale_shift_table + modulation.float()
    shift, scale, gate, c_shift, c_scale, c_gate = table.unbind(dim=2)
    h = block.norm1(x) * (1 + scale) + shift
    x = x + _attend(block.attn1, h, h, None, (cos, sin)) * gate
    x = x + _attend(block.attn2, block.norm2(x), text, bias, None)
    h = block.norm3(x) * (1 + c_scale) + c_shift
    return x + block.ffn(h) * c_gate


def training_forward(
    model: WanTransformer3DModel,
    latents: Tensor,
    timestep: Tensor,
    text: Tensor,
    bias: Tensor,
    frames: Tensor | None = None,
    run_block: Callable[..., Tensor] = block_forward,
) -> Tensor:
    """Velocity for latents (b, 16, f, h, w); `timestep` 0..1000 is (b,) or (b, tokens). Same as `model.forward`.

    With `frames` the latents are only some frames of a clip, and these are their places in time.
    """
    p_t, p_h, p_w = model.config.patch_size
    grid = (latents.shape[2] // p_t, latents.shape[3] // p_h, latents.shape[4] // p_w)
    cos, sin = rotary_tables(model, grid, frames)
    x = model.patch_embedding(latents).flatten(2).transpose(1, 2).contiguous().float()
    embedder = model.condition_embedder
    if timestep.ndim == 1:
        timestep = timestep[:, None]
    time_features = embedder.timesteps_proj(timestep.flatten()).unflatten(0, timestep.shape)
    temb = embedder.time_embedder(time_features)
    modulation = embedder.time_proj(F.silu(temb)).unflatten(2, (6, -1))
    # One shape for both kinds of timestep, so that a compiled block serves both.
    modulation = modulation.expand(-1, x.shape[1], -1, -1).contiguous()
    text = embedder.text_embedder(text)
    for block in model.blocks:
        x = run_block(block, x, text, bias, modulation, cos, sin)
    shift, scale = (model.scale_shift_table[:, None] + temb.float()[:, :, None]).unbind(dim=2)
    out = model.proj_out(model.norm_out(x) * (1 + scale) + shift)
    out = out.unflatten(1, grid).unflatten(-1, (p_t, p_h, p_w, -1))
    return out.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3).float()
