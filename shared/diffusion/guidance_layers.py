"""Leaving out layers of a network: what it says without them is what guidance steers away from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.hooks._helpers import TransformerBlockRegistry
from torch import nn

from shared.core.errors import SettingsError

# The names under which networks keep their blocks, in the order in which they run.
_STACKS = (
    "transformer_blocks", "single_transformer_blocks", "blocks", "visual_transformer_blocks", "layers",
    "double_stream_blocks", "single_stream_blocks",
)  # fmt: skip
# What a block gives back, by the names of its arguments, where diffusers' own table does not know its class. Of
# others it is "hidden_states".
_RETURNED = {
    "LTX2VideoTransformerBlock": ("hidden_states", "audio_hidden_states"),
    "HunyuanVideo15TransformerBlock": ("hidden_states", "encoder_hidden_states"),
    "ChromaTransformerBlock": ("encoder_hidden_states", "hidden_states"),
}


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


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The blocks of a transformer, counted through all its stacks; empty for other networks."""
    stacks = (getattr(module, name, None) for name in _STACKS)
    return [block for stack in stacks if isinstance(stack, nn.ModuleList) for block in stack]


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
    def forward(*args: Any, **options: Any) -> Any:
        given = _arguments(block, args, options)
        found = tuple(given[name] for name in _returned(block, given))
        return found if len(found) > 1 else found[0]

    return forward


def _arguments(block: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    names = list(inspect.signature(type(block).forward).parameters)[1:]
    return {**dict(zip(names, args, strict=False)), **options}


def _returned(block: nn.Module, given: dict[str, Any]) -> tuple[str, ...]:
    """The arguments that come back from a block, in its order."""
    kind = type(block).__name__
    if kind == "HiDreamBlock":
        has_text = given.get("encoder_hidden_states") is not None
        return ("hidden_states", "encoder_hidden_states") if has_text else ("hidden_states",)
    try:
        metadata = TransformerBlockRegistry.get(type(block))
    except ValueError:
        return _RETURNED.get(kind, ("hidden_states",))
    hidden_states = metadata.hidden_states_argument_name
    if hidden_states not in given:  # diffusers 0.42 has another name for it than Z-Image's blocks
        return (next(iter(given)),)
    if metadata.return_encoder_hidden_states_index is None:
        return (hidden_states,)
    text = metadata.encoder_hidden_states_argument_name
    return (hidden_states, text) if metadata.return_hidden_states_index == 0 else (text, hidden_states)


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
