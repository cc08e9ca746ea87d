"""The attention kernel of one model: the best that runs here, or the one asked for, without touching that of others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry, dispatch_attention_fn

from shared.core.errors import SettingsError
from shared.diffusion.notices import tell_later
from shared.diffusion.passes import denoisers

# WanGP's names (and two more) for diffusers' backends. diffusers asks for SageAttention 2.1.1 or later.
BACKENDS: Mapping[str, str] = MappingProxyType(
    {
        "sdpa": "native",
        "cudnn": "_native_cudnn",
        "flash": "flash",
        "flash3": "_flash_3",
        "xformers": "xformers",
        "sage": "sage",
        "sage2": "sage",
    }
)
# The fastest first. SageAttention 2 computes in 8 bits, the others are exact.
_BEST_ON_CUDA = ("sage2", "flash3", "cudnn", "sdpa")
# These give their attention a mask, which flash and sage do not take.
_MASKED = frozenset({
    "LTXVideoTransformer3DModel", "LTX2VideoTransformer3DModel", "HunyuanVideoTransformer3DModel",
    "HunyuanVideo15Transformer3DModel", "Krea2Transformer2DModel", "QwenImage21Transformer2DModel",
    "Ideogram4Transformer2DModel", "ChromaTransformer2DModel",
})  # fmt: skip
_CLOSE = 0.1


def choose_attention(pipe: Any, name: str, device: str) -> str:
    """Choose the kernel of the denoisers of `pipe`; its WanGP name. What was chosen is told at the next run.

    "" and "auto" choose the fastest that runs on `device`. Raises SettingsError for a name that is not known or a
    kernel that cannot run here or cannot run this model.
    """
    used = ""
    for network in denoisers(pipe):
        used = set_attention(network, name, device)
    if used and (name not in ("", "auto") or used != "sdpa"):
        tell_later(pipe, f"Attention: {used}.")
    return used


def set_attention(network: Any, name: str, device: str = "cpu") -> str:
    """The same for one network."""
    if not hasattr(network, "set_attention_backend"):
        return ""
    if name in ("", "auto"):
        names = _BEST_ON_CUDA if device.startswith("cuda") else ("sdpa",)
        name = next(name for name in names if name == "sdpa" or not trouble(network, name, device))
        if name == "sdpa":
            return name
    elif name not in BACKENDS:
        raise SettingsError(f'override_attention: "{name}" is not known. Use auto, {", ".join(BACKENDS)}.')
    elif problem := trouble(network, name, device):
        raise SettingsError(f'override_attention: "{name}" cannot run here: {problem}')
    _set_for_this_one(network, BACKENDS[name])
    return name


def trouble(network: Any, name: str, device: str) -> str:
    """What keeps a kernel from running this network here; empty when it has just run on a small example."""
    if name == "sdpa":
        return ""
    if name != "cudnn" and name != "xformers" and type(network).__name__ in _MASKED:
        return "this model gives its attention a mask, which that kernel does not take. Use sdpa or cudnn."
    if not device.startswith("cuda"):
        return "it needs an NVIDIA graphics card."
    try:
        return _tried(BACKENDS[name], device, _head_width(network), type(network).__name__ in _MASKED)
    except (RuntimeError, ValueError, ImportError, TypeError, AssertionError, AttributeError) as exc:
        return str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__


def _tried(backend: str, device: str, width: int, is_masked: bool) -> str:
    """Run a small example, and compare it with torch's own attention."""
    generator = torch.Generator(device).manual_seed(0)
    query, key, value = (
        torch.randn(1, length, 2, width, generator=generator, device=device, dtype=torch.bfloat16)
        for length in (256, 128, 128)
    )
    mask = torch.ones(1, 1, 256, 128, device=device, dtype=torch.bool) if is_masked else None
    answers = [
        dispatch_attention_fn(query, key, value, attn_mask=mask, backend=AttentionBackendName(kind)).float()
        for kind in (backend, "native")
    ]
    difference = float((answers[0] - answers[1]).abs().max())
    return "" if difference < _CLOSE else f"its results are wrong by {difference:.2f}."


def _head_width(network: Any) -> int:
    width = getattr(network.config, "attention_head_dim", 64)
    return width if isinstance(width, int) else 64


def _set_for_this_one(network: Any, backend: str) -> None:
    """diffusers makes the choice the default of the whole process as well (0.42); that default is put back."""
    default = _AttentionBackendRegistry._active_backend
    try:
        network.set_attention_backend(backend)
    except (RuntimeError, ValueError, ImportError) as exc:
        raise SettingsError(f"override_attention: {exc}") from exc
    finally:
        _AttentionBackendRegistry._active_backend = default
