"""Leaving out layers of a network: what it says without them is what guidance steers away from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.hooks._helpers import TransformerBlockRegistry
from torch import nn

from shared.core.errors import SettingsError

# The names under which networks keep their blocks, the first that a network has.
_STACKS = ("transformer_blocks", "blocks", "visual_transformer_blocks", "layers")


@contextmanager
def layers_left_out(module: nn.Module, layers: Sequence[int], half: int | None = None) -> Iterator[None]:
    """Within it, those blocks of `module` hand on what they get; with `half` 0 or 1, for that half of the batch."""
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_left_out(blocks_of(module)[layer], half))
        yield


def check_layers(modules: Sequence[nn.Module], layers: Sequence[int]) -> None:
    """Raise SettingsError for layers that the networks do not have."""
    for module in modules if layers else ():
        count = len(blocks_of(module))
        wrong = [layer for layer in layers if not 0 <= layer < count]
        if wrong:
            raise SettingsError(
                f"perturbation_layers: {wrong} is not there. This model has the layers 0 to {count - 1}."
            )


def blocks_of(module: nn.Module) -> nn.ModuleList:
    """The stack of blocks of a transformer; empty for other networks."""
    found = (getattr(module, name, None) for name in _STACKS)
    return next((blocks for blocks in found if isinstance(blocks, nn.ModuleList)), nn.ModuleList())


@contextmanager
def _left_out(block: nn.Module, half: int | None) -> Iterator[None]:
    before, forward = vars(block).get("forward"), block.forward
    block.forward = _passed_on(block) if half is None else _half_passed_on(block, forward, half)
    try:
        yield
    finally:
        if before is None:
            del block.forward
        else:
            block.forward = before


def _passed_on(block: nn.Module) -> Callable[..., Any]:
    metadata = TransformerBlockRegistry.get(type(block))

    def forward(*args: Any, **options: Any) -> Any:
        name = metadata.hidden_states_argument_name
        hidden_states = metadata._get_parameter_from_args_kwargs(name, args, options)
        if metadata.return_encoder_hidden_states_index is None:
            return hidden_states
        text_name = metadata.encoder_hidden_states_argument_name
        text = metadata._get_parameter_from_args_kwargs(text_name, args, options)
        return (hidden_states, text) if metadata.return_hidden_states_index == 0 else (text, hidden_states)

    return forward


def _half_passed_on(block: nn.Module, forward: Callable[..., Any], half: int) -> Callable[..., Any]:
    pass_on = _passed_on(block)

    def mixed(new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        halves = list(new.chunk(2))
        halves[half] = old.chunk(2)[half]
        return torch.cat(halves)

    def half_forward(*args: Any, **options: Any) -> Any:
        old, new = pass_on(*args, **options), forward(*args, **options)
        if isinstance(new, tuple):
            return tuple(mixed(*pair) for pair in zip(new, old, strict=True))
        return mixed(new, old)

    return half_forward
