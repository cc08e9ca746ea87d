"""Ends a run soon after the user asked for it, and leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from shared.core.errors import Cancelled, OutOfMemory


@contextmanager
def cancellable(pipe: Any, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Within it, every pass through a network of `pipe` (a transformer pass, a tile or frame of the VAE, an encoder)
    first looks whether the run is cancelled, and raises Cancelled if so. On leaving, state that caches keep between
    steps is dropped, so that the next run equals a fresh one.
    """

    def check(*_: Any) -> None:
        if is_cancelled():
            raise Cancelled()

    handles = [module.register_forward_pre_hook(check) for module in _networks(pipe)]
    try:
        check()
        yield
        check()
    finally:
        for handle in handles:
            handle.remove()
        forget_run(pipe)


@contextmanager
def told_as_memory() -> Iterator[None]:
    """Turns a failed allocation into an OutOfMemory that says what helps."""
    try:
        yield
    except RuntimeError as exc:
        if not _is_out_of_memory(exc):
            raise
        raise OutOfMemory(
            "There is not enough memory for this. Lower the resolution or the length, or choose a leaner memory "
            "profile (override_profile 4, 4.5 or 5)."
        ) from exc


def forget_run(pipe: Any) -> None:
    """Drop what the networks remember of a run: step caches, the frames that a VAE keeps between chunks."""
    for module in networks_of(pipe).values():
        if getattr(module, "is_cache_enabled", False):
            module._reset_stateful_cache()  # type: ignore[operator]
        clear_cache: Any = getattr(module, "clear_cache", None)
        if callable(clear_cache):
            clear_cache()


def networks_of(pipe: Any) -> dict[str, nn.Module]:
    """The torch modules of a diffusers pipeline, by the name of the component."""
    return {name: part for name, part in pipe.components.items() if isinstance(part, nn.Module)}


def _is_out_of_memory(exc: RuntimeError) -> bool:
    return isinstance(exc, torch.OutOfMemoryError) or "can't allocate memory" in str(exc)


def _networks(pipe: Any) -> list[nn.Module]:
    """What is called: the components, and the halves of each VAE, whose own `forward` no pipeline calls."""
    found: list[nn.Module] = []
    for module in networks_of(pipe).values():
        halves = [getattr(module, half, None) for half in ("encoder", "decoder")]
        is_autoencoder = callable(getattr(module, "decode", None))
        found += [half for half in halves if isinstance(half, nn.Module)] if is_autoencoder else [module]
    return found
