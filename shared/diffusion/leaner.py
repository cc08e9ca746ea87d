"""A loaded model made to hold less memory at once, without reading its weights again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.hooks import HookRegistry
from torch import nn

from shared.core.contracts import LoadOptions
from shared.diffusion.guard import networks_of
from shared.diffusion.joint_passes import allow_joint_passes
from shared.diffusion.offload import is_streamed_by_mmgp, set_tiling_policy, stream, weight_bytes

_STREAMING_HOOKS = ("group_offloading", "lazy_prefetch_group_offloading", "layer_execution_tracker")


def make_leaner(pipe: Any, options: LoadOptions) -> bool:
    """Stream the weights of `pipe` with as little on the card as can be, and decode in small tiles from now on.

    `options` are those of the second attempt (`leaner`). False where that takes loading the model anew: weights that
    mmgp streams.
    """
    if is_streamed_by_mmgp(pipe):
        return False
    networks = networks_of(pipe)
    set_tiling_policy(networks.values(), options)
    allow_joint_passes(pipe, False)
    if options.device.startswith("cuda"):
        stream_anew(networks, options)
        torch.cuda.empty_cache()
    return True


def stream_anew(networks: Mapping[str, nn.Module], options: LoadOptions) -> None:
    """Stream networks as the options want it, wherever their weights were before."""
    for network in networks.values():
        for name in _STREAMING_HOOKS:
            HookRegistry.check_if_exists_or_initialize(network).remove_hook(name, recurse=True)
        network.to("cpu")
    stream(dict(networks), {name: weight_bytes(network) for name, network in networks.items()}, options)
