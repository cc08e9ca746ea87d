"""mmgp's real hooks on a machine without CUDA: what it asks of "cuda" is answered by the CPU."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch


class _Stream(contextlib.nullcontext[None]):
    """A CUDA stream, in name."""


def run_on_cpu(patch: pytest.MonkeyPatch, card_bytes: int = 24 * 2**30) -> None:
    """Let mmgp see a card of that size until `patch` is undone."""
    from mmgp import offload

    def stream(*_: Any, **__: Any) -> _Stream:
        return _Stream()

    patch.setattr(torch.cuda, "get_device_properties", lambda *_: SimpleNamespace(total_memory=card_bytes))
    for name in ("Stream", "default_stream", "current_stream", "stream"):
        patch.setattr(torch.cuda, name, stream)
    for name in ("synchronize", "empty_cache"):
        patch.setattr(torch.cuda, name, lambda *_: None)
    for name in ("memory_reserved", "memory_allocated"):
        patch.setattr(torch.cuda, name, lambda *_: 0)
    move, set_default, init = torch.Tensor.to, torch.set_default_device, offload.HfHook.__init__

    def to(self: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        args = tuple(_here(value) if isinstance(value, (str, torch.device)) else value for value in args)
        return move(self, *args, **{key: _here(value) if key == "device" else value for key, value in options.items()})

    def hook(self: Any) -> None:
        init(self)
        self.execution_device = "cpu"

    patch.setattr(torch.Tensor, "to", to)
    patch.setattr(torch.Tensor, "cuda", lambda self, *_, **__: self)
    patch.setattr(torch.Tensor, "pin_memory", lambda self, *_, **__: self)
    patch.setattr(torch, "set_default_device", lambda device: set_default(_here(device)))
    patch.setattr(offload.HfHook, "__init__", hook)


def _here(device: Any) -> Any:
    return "cpu" if str(device).startswith("cuda") else device
