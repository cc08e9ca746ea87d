"""Normalised attention guidance (NAG, arXiv 2505.21179): the negative prompt where classifier-free guidance is off.

Each cross attention looks at both prompts; its answer is pushed away from that of the negative one, within limits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from shared.core.contracts import Step, WindowRequest
from shared.diffusion.passes import Pass, around_passes, denoisers

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


@dataclass(frozen=True)
class NagStrength:
    """`scale` pushes away, `tau` limits how much longer the answer may become, `alpha` mixes it in."""

    scale: float
    tau: float
    alpha: float


@contextmanager
def negative_attention(
    pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]
) -> Iterator[None]:
    """Within it, the cross attention of `pipe` keeps away from the negative prompt of `window`.

    Where guidance is on, that does the work already: told, and nothing is changed.
    """
    if window.guidance_scale > 1:
        on_step(Step("", notice="NAG_scale has no effect while guidance is on. Set guidance_scale to 1 to use it."))
        yield
        return
    usual = {"NAG_scale": 1.0, "NAG_tau": 3.5, "NAG_alpha": 0.5}
    strength = NagStrength(*(float(window.settings.get(name, value)) for name, value in usual.items()))
    negative = _embeddings(pipe, model, window.negative_prompt)
    with ExitStack() as stack:
        for module in denoisers(pipe):
            for block in module.modules():
                attention = getattr(block, "attn2", None)
                if isinstance(attention, nn.Module):
                    stack.enter_context(_pushed_away(attention, strength))
        stack.enter_context(around_passes(pipe, lambda now: _with_both_prompts(now, negative).run()))
        yield


def _embeddings(pipe: Any, model: ModelDef, prompt: str) -> torch.Tensor:
    """Embeddings (1, L, D) of the negative prompt."""
    accepted = inspect.signature(pipe.encode_prompt).parameters
    options: dict[str, Any] = {"do_classifier_free_guidance": False, "device": pipe._execution_device}
    if model.get("text_length"):
        options["max_sequence_length"] = int(model.get("text_length"))
    known = {name: value for name, value in options.items() if name in accepted}
    return pipe.encode_prompt(prompt=prompt, **known)[0]


def _with_both_prompts(now: Pass, negative: torch.Tensor) -> Pass:
    """The pass with the negative prompt's embeddings behind the prompt's, along the batch."""
    options = dict(now.options)
    prompted = options["encoder_hidden_states"]
    opposite = negative.to(prompted).expand(prompted.shape[0], -1, -1)
    options["encoder_hidden_states"] = torch.cat([prompted, opposite])
    pictures = options.get("encoder_hidden_states_image")
    if pictures is not None:
        options["encoder_hidden_states_image"] = torch.cat([pictures, pictures])
    return replace(now, options=options)


@contextmanager
def _pushed_away(attention: Any, strength: NagStrength) -> Iterator[None]:
    """The cross attention `attention` gets twice as many texts as pictures; before its output layer both are one."""
    before, forward = vars(attention).get("forward"), attention.forward

    def both(hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, *args: Any, **options: Any) -> Any:
        return forward(torch.cat([hidden_states, hidden_states]), encoder_hidden_states, *args, **options)

    def join(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        positive, negative = inputs[0].chunk(2)
        return (away_from(positive, negative, strength), *inputs[1:])

    attention.forward = both
    handle = attention.to_out[0].register_forward_pre_hook(join)
    try:
        yield
    finally:
        handle.remove()
        if before is None:
            del attention.forward
        else:
            attention.forward = before


def away_from(positive: torch.Tensor, negative: torch.Tensor, strength: NagStrength) -> torch.Tensor:
    """The answer to the prompt (B, tokens, D), pushed away from the answer to the negative prompt."""
    pushed = positive * strength.scale - negative * (strength.scale - 1)
    length = positive.norm(p=1, dim=-1, keepdim=True)
    ratio = pushed.norm(p=1, dim=-1, keepdim=True) / length.clamp_min(1e-7)
    pushed = torch.where(ratio > strength.tau, pushed * (strength.tau / ratio), pushed)
    return pushed * strength.alpha + positive * (1 - strength.alpha)
