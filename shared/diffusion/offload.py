"""Where a pipeline's weights live: WanGP's memory profiles.

Profile 1 keeps everything on the card, 3 and 3.5 as well when it fits; 2, 4, 4.5 and 5 stream the weights block by
block, unless they are few. -1 chooses from the free memory. On CUDA a chosen profile goes through mmgp when that
package is installed (GPL-3.0, imported here alone) and the weights are plain; otherwise through diffusers' group
offloading. Without CUDA every profile means "in memory".
"""

from __future__ import annotations

import importlib.util
import sys
import weakref
from typing import Any

import torch
from diffusers.hooks import apply_group_offloading

from shared.core.contracts import LoadOptions
from shared.core.weight_plan import Placement, Room, budgets_mb, is_denoiser, place_weights
from shared.diffusion.machine import main_memory

# Profiles whose weights are copied ahead of their use; 4.5 and 5 save the memory that takes.
_AHEAD = (-1, 1, 2, 3, 3.5, 4)
# Profiles that keep all weights in pinned main memory.
_PINNED = (-1, 1, 2)
_PINNED_SHARE = 0.5
_BY_MMGP = "_is_streamed_by_mmgp"


def room_on(device: str) -> Room:
    """The memory that is free for a model on this device."""
    ram = main_memory().free
    if not device.startswith("cuda"):
        return Room(None, ram)
    return Room(torch.cuda.mem_get_info(device)[0], ram)


def free_bytes(device: torch.device) -> int:
    """Bytes that a run can still have there, what torch keeps unused included."""
    if device.type != "cuda":
        return main_memory().free
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def place(pipe: Any, options: LoadOptions) -> Placement:
    """Put the networks of `pipe` where the options want them; tells whether they stay on the device."""
    networks = {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    set_tiling_policy(networks.values(), options)
    if not options.device.startswith("cuda"):
        pipe.to(options.device)
        return "resident"
    sizes = {name: weight_bytes(network) for name, network in networks.items()}
    plan = place_weights(sizes, options, room_on(options.device))
    if plan.placement == "resident":
        pipe.to(options.device)
    elif options.profile > 0 and not options.leaner and has_mmgp() and not any(map(is_packed, networks.values())):
        card_bytes = torch.cuda.mem_get_info(options.device)[1]
        _stream_with_mmgp(pipe, mmgp_arguments(options, card_bytes), int(options.profile))
    else:
        stream(networks, sizes, options)
    return plan.placement


def is_streamed_by_mmgp(pipe: Any) -> bool:
    """Whether mmgp moves the weights of `pipe`."""
    return bool(vars(pipe).get(_BY_MMGP))


def weight_bytes(network: torch.nn.Module) -> int:
    """Bytes of a network's weights as they are kept, quantised ones included."""
    return sum(_bytes(weight) for weight in (*network.parameters(), *network.buffers()))


def is_packed(network: torch.nn.Module) -> bool:
    """Whether a network has weights that are not plain tensors of 16 bits or more; mmgp cannot move those."""
    weights = list(network.parameters())
    return any(type(weight.data) is not torch.Tensor or weight.dtype.itemsize < 2 for weight in weights)


def has_mmgp() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("mmgp") is not None


def set_tiling_policy(networks: Any, options: LoadOptions) -> None:
    """Note on each autoencoder how its pictures may be cut into tiles (see shared.diffusion.tiling)."""
    for network in networks:
        if callable(getattr(network, "decode", None)):
            network.tiling_policy = 3 if options.leaner else options.vae_tiling


def _bytes(weight: Any) -> int:
    if hasattr(weight, "__tensor_flatten__"):
        return sum(getattr(weight, name).nbytes for name in weight.__tensor_flatten__()[0])
    return int(weight.nbytes)


def stream(networks: dict[str, Any], sizes: dict[str, int], options: LoadOptions) -> None:
    """Stream weights with diffusers' group offloading.

    Denoisers come block by block, `preload_mb` of blocks at once; autoencoders, whose halves are called by
    themselves, in halves; networks of other libraries layer by layer, as their blocks lie deeper. Those that diffusers
    cannot stream lie on the device.
    """
    ahead = options.profile in _AHEAD and not options.leaner and options.device.startswith("cuda")
    pinnable = (options.reserved_share or _PINNED_SHARE) * main_memory().total
    all_pinned = options.profile in _PINNED and sum(sizes.values()) <= pinnable
    for name, network in networks.items():
        common: dict[str, Any] = {
            "onload_device": torch.device(options.device),
            "use_stream": ahead,
            "record_stream": ahead,
            "low_cpu_mem_usage": ahead and not all_pinned,
        }
        if not getattr(network, "_supports_group_offloading", True):
            network.to(options.device)
            continue
        has_blocks = hasattr(network, "enable_group_offload")
        if not has_blocks or (options.leaner and is_denoiser(name)):
            apply_group_offloading(network, offload_type="leaf_level", **common)
        else:
            blocks = _blocks_at_once(network, options.preload_mb) if is_denoiser(name) else 1
            network.enable_group_offload(offload_type="block_level", num_blocks_per_group=blocks, **common)


def _blocks_at_once(network: torch.nn.Module, preload_mb: float) -> int:
    lists = [child for child in network.children() if isinstance(child, torch.nn.ModuleList) and len(child)]
    largest = max((weight_bytes(blocks) / len(blocks) for blocks in lists), default=0.0)
    return max(1, int(preload_mb * 2**20 / largest)) if largest else 1


def mmgp_arguments(options: LoadOptions, card_bytes: int) -> dict[str, Any]:
    """What mmgp's `profile` is told beside the number: WanGP's budgets on such a card, and to change no weight."""
    told: dict[str, Any] = {"quantizeTransformer": False, "extraModelsToQuantize": None, "convertWeightsFloatTo": None}
    told |= {"perc_reserved_mem_max": options.reserved_share, "vram_safety_coefficient": options.vram_share}
    if int(options.profile) in (2, 4, 5):
        told["budgets"] = budgets_mb(options.profile, options.preload_mb)
    elif int(options.profile) == 3:
        told["budgets"] = {"*": 0.7 * card_bytes / 2**20}
    if options.profile == 3.5:
        told["pinnedMemory"] = False
    if options.profile == 4.5:
        told["asyncTransfers"] = False
    return told


def _stream_with_mmgp(pipe: Any, arguments: dict[str, Any], profile: int) -> None:
    default = torch.get_default_device()
    manager = _import_mmgp().profile(pipe, profile_no=profile, verboseLevel=0, **arguments)
    vars(pipe)[_BY_MMGP] = True
    weakref.finalize(pipe, manager.release)  # mmgp keeps its last model until told otherwise
    torch.set_default_device(None if default.type == "cpu" else default)  # mmgp makes it "cuda" for the whole process


def _import_mmgp() -> Any:
    """mmgp's offload module, without the reader of weights that it puts in the place of everyone's.

    That one (3.8.2) lacks arguments that transformers 5 gives, so no other model could be loaded afterwards.
    """
    from mmgp import offload, safetensors2

    for name in ("safetensors", "accelerate.utils.modeling", "transformers.modeling_utils"):
        module = sys.modules.get(name)
        if getattr(module, "safe_open", None) is safetensors2.safe_open:
            module.safe_open = safetensors2._old_safe_open  # type: ignore[union-attr]
    return offload
