"""Whether a run of a certain size has room beside the weights."""

from __future__ import annotations

from typing import Any

import torch

from shared.core.contracts import WindowRequest
from shared.core.memory_needs import Shape, activation_bytes
from shared.diffusion.offload import free_bytes
from shared.diffusion.passes import denoisers

_ROOM = 0.8


def has_room(pipe: Any, window: WindowRequest, samples: int) -> bool:
    """Whether the activations of so many samples of `window` at once fit into the memory that is free."""
    networks, vae = denoisers(pipe), getattr(pipe, "vae", None)
    if not networks:
        return True
    network: Any = networks[0]
    shape = Shape(window.width, window.height, window.num_frames, samples)
    config = {} if vae is None else dict(vae.config)
    needed = activation_bytes(type(network).__name__, dict(network.config), config, shape)
    itemsize = max(next(network.parameters()).dtype.itemsize, 2)
    return needed * itemsize / 2 <= _ROOM * free_bytes(torch.device(pipe._execution_device))
