"""Where a pipeline's weights live: WanGP's memory profiles.

Profile 1 keeps everything on the card, 3 and 3.5 as well when it fits; 2, 4, 4.5 and 5 stream the weights block by
block, unless they are few. -1 chooses from the free memory. On CUDA a chosen profile goes through mmgp when that
package is installed (GPL-3.0, imported here alone), otherwise through diffusers' group offloading; without CUDA every
profile means "in memory".
"""

from __future__ import annotations

import importlib.util
import sys
import weakref
from typing import Any, Literal

import torch

Placement = Literal["resident", "streamed"]

_RESIDENT_PROFILES = (1, 3, 3.5)
_ROOM_FOR_ACTIVATIONS = 0.75
_FEW_BYTES = 2 * 2**30


def place(pipe: Any, device: str, profile: float = -1) -> Placement:
    """Put the networks of `pipe` where `profile` wants them; tells whether they stay on `device`."""
    if not device.startswith("cuda"):
        pipe.to(device)
        return "resident"
    weights = _weight_bytes(pipe)
    fits = weights < _ROOM_FOR_ACTIVATIONS * torch.cuda.mem_get_info(device)[0]
    if profile == 1 or (fits and (profile in (-1, *_RESIDENT_PROFILES) or weights < _FEW_BYTES)):
        pipe.to(device)
    elif profile > 0 and importlib.util.find_spec("mmgp") is not None:
        _stream_with_mmgp(pipe, profile)
        return "streamed"
    else:
        _stream_with_diffusers(pipe, device, profile)
        return "streamed"
    return "resident"


def _weight_bytes(pipe: Any) -> int:
    modules = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    return sum(weight.nbytes for module in modules for weight in (*module.parameters(), *module.buffers()))


def _stream_with_diffusers(pipe: Any, device: str, profile: float) -> None:
    asynchronous = profile in (-1, 2, 4)
    pipe.enable_group_offload(
        onload_device=torch.device(device),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=asynchronous,
        record_stream=asynchronous,
        low_cpu_mem_usage=profile in (4.5, 5),
    )


def _stream_with_mmgp(pipe: Any, profile: float) -> None:
    plain = {"quantizeTransformer": False, "extraModelsToQuantize": None, "convertWeightsFloatTo": None}
    if profile != int(profile):
        plain |= {"pinnedMemory": False, "asyncTransfers": False}
    manager = _import_mmgp().profile(pipe, profile_no=int(profile), verboseLevel=0, **plain)
    weakref.finalize(pipe, manager.release)  # mmgp keeps its last model until told otherwise
    torch.set_default_device(None)  # mmgp makes "cuda" the default device of the whole process


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
