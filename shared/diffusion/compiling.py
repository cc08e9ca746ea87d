"""Compiling the blocks of a network, where it repeats one (diffusers' regional compilation)."""

from __future__ import annotations

from typing import Any

import torch

from shared.diffusion.notices import tell_later
from shared.diffusion.passes import denoisers

_FIRST_RUN = (
    "compile: the first run of each size compiles the network and takes up to a minute longer; later ones are faster."
)


def compile_blocks(pipe: Any, wish: str, device: str, **options: Any) -> bool:
    """Compile the blocks of the denoisers when `wish` is "transformer"; whether it was done.

    What is done, or why not, is told at the next run. `options` go to torch.compile.
    """
    if wish != "transformer":
        return False
    networks = [network for network in denoisers(pipe) if getattr(network, "_repeated_blocks", None)]
    if not networks:
        tell_later(pipe, "compile: this model repeats no block; it runs uncompiled.")
        return False
    if problem := _trouble(device, options):
        tell_later(pipe, f"compile: it cannot run here, the model runs uncompiled. {problem}")
        return False
    network: Any
    for network in networks:
        network.compile_repeated_blocks(**options)
    tell_later(pipe, _FIRST_RUN)
    return True


def _trouble(device: str, options: dict[str, Any]) -> str:
    """What keeps torch from compiling here (a missing compiler); found by compiling a sum."""
    try:
        torch.compile(_sum, **options)(torch.ones(2, device=device))
    except Exception as exc:  # torch and the compilers behind it raise many kinds
        return str(exc).strip().splitlines()[0]
    return ""


def _sum(values: torch.Tensor) -> torch.Tensor:
    return values + values
