"""How many bytes a computation holds at its peak, counted on tensors without data."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class _Peak(TorchDispatchMode):
    """Counts the storages that operations make, until they are dropped."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.held, self.peak = 0, 0
        self._weights = {_key(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self._count, made)
        return made

    def _count(self, tensor: torch.Tensor) -> None:
        key = _key(tensor)
        if key in self._alive or key in self._weights:
            return
        storage = tensor.untyped_storage()
        self._alive[key] = storage.nbytes()
        self.held += storage.nbytes()
        self.peak = max(self.peak, self.held)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.held -= self._alive.pop(key, 0)


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def peak_bytes(make: Callable[[], Any], run: Callable[[Any], Any], dtype: torch.dtype = torch.bfloat16) -> int:
    """Bytes that `run(make())` holds at its peak, weights not counted; new tensors of both are without data."""
    before = torch.get_default_dtype()
    with FakeTensorMode():
        torch.set_default_dtype(dtype)
        try:
            network = make().eval()
            with torch.no_grad(), _Peak(network) as peak:
                run(network)
        finally:
            torch.set_default_dtype(before)
    return peak.peak
