"""Normalised attention guidance (NAG, arXiv 2505.21179): the negative prompt where classifier-free guidance is off.

Each attention to the text looks at both prompts; its answer is pushed away from that of the negative one, within
limits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from shared.core.contracts import Step, WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.abilities import attention_kind
from shared.diffusion.guidance_layers import blocks_of
from shared.diffusion.passes import Pass, around_passes, denoisers
from shared.diffusion.text_padding import padded

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
    """Within it, the attention of `pipe` to its text keeps away from the negative prompt of `window`.

    Where guidance is on, that does the work already: told, and nothing is changed. Raises SettingsError for a pipeline
    whose attention is of another kind.
    """
    if window.guidance_scale > 1:
        on_step(Step("", notice="NAG_scale has no effect while guidance is on. Set guidance_scale to 1 to use it."))
        yield
        return
    way = attention_kind(type(pipe).__name__)
    if way not in _WAYS or getattr(getattr(pipe, "unet", None), "encoder_hid_proj", None) is not None:
        raise SettingsError(f"NAG_scale: not available for this model with these inputs ({type(pipe).__name__}).")
    usual = {"NAG_scale": 1.0, "NAG_tau": 3.5, "NAG_alpha": 0.5}
    strength = NagStrength(*(float(window.settings.get(name, value)) for name, value in usual.items()))
    negative = _encoded(pipe, model, window.negative_prompt)
    with ExitStack() as stack:
        stack.enter_context(_WAYS[way](pipe, negative, strength))
        yield


def _encoded(pipe: Any, model: ModelDef, prompt: str) -> Any:
    """What the pipeline's own `encode_prompt` says of the negative prompt."""
    accepted = inspect.signature(pipe.encode_prompt).parameters
    options: dict[str, Any] = {"do_classifier_free_guidance": False, "device": pipe._execution_device}
    if "prompt_2" in accepted:
        options["prompt_2"] = None
    if model.get("text_length"):
        options["max_sequence_length"] = int(model.get("text_length"))
    known = {name: value for name, value in options.items() if name in accepted}
    return pipe.encode_prompt(prompt=prompt, **known)


@contextmanager
def _in_cross_attention(pipe: Any, negative: Any, strength: NagStrength) -> Iterator[None]:
    """Each cross attention looks at both texts."""

    def with_both(now: Pass) -> Pass:
        options = dict(now.options)
        prompted = options["encoder_hidden_states"]
        options["encoder_hidden_states"] = torch.cat([prompted, _for_each(negative[0], prompted)])
        mask = options.get("encoder_attention_mask")
        if mask is not None:
            options["encoder_attention_mask"] = torch.cat([mask, _for_each(negative[1], mask)])
        pictures = options.get("encoder_hidden_states_image")
        if pictures is not None:
            options["encoder_hidden_states_image"] = torch.cat([pictures, pictures])
        return replace(now, options=options)

    with ExitStack() as stack:
        for module in denoisers(pipe):
            for block in module.modules():
                attention = getattr(block, "attn2", None)
                if isinstance(attention, nn.Module):
                    stack.enter_context(_pushed_away(attention, strength))
        stack.enter_context(around_passes(pipe, lambda now: with_both(now).run()))
        yield


@contextmanager
def _pushed_away(attention: Any, strength: NagStrength) -> Iterator[None]:
    """The cross attention `attention` gets twice as many texts as pictures; before its output layer both are one."""
    before, forward = vars(attention).get("forward"), attention.forward

    def both(hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, *args: Any, **options: Any) -> Any:
        doubled = torch.cat([hidden_states, hidden_states])
        # LTX-Video lays the texts of a batch one after the other into as many rows as there are pictures.
        texts = encoder_hidden_states.reshape(doubled.shape[0], -1, encoder_hidden_states.shape[-1])
        return forward(doubled, texts, *args, **options)

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


@contextmanager
def _in_joint_attention(pipe: Any, negative: Any, strength: NagStrength, doubled: Callable[..., Any]) -> Iterator[None]:
    """The network sees each picture twice, once with each text; what its attention says to the pictures is made one.

    `doubled(pass, negative)` gives the pass with both texts and the place of the picture's tokens among all.
    """
    place = slice(None)

    def join(values: torch.Tensor, tokens: slice, width: int) -> torch.Tensor:
        joined = values.clone()
        positive, opposite = values[:, tokens, :width].chunk(2)
        mixed = away_from(positive, opposite, strength)
        joined[:, tokens, :width] = torch.cat([mixed, mixed])
        return joined

    def around(now: Pass) -> Any:
        nonlocal place
        both, place = doubled(now, negative)
        answer = both.run()
        first = answer[0]
        half = first[: len(first) // 2]
        return (half, *answer[1:])

    with ExitStack() as stack:
        for layer, whole, width in _output_layers(denoisers(pipe)):

            def hook(_: nn.Module, inputs: tuple[Any, ...], whole: bool = whole, width: int = width) -> tuple[Any, ...]:
                return (join(inputs[0], slice(None) if whole else place, width), *inputs[1:])

            stack.callback(layer.register_forward_pre_hook(hook).remove)
        stack.enter_context(around_passes(pipe, around))
        yield


def _output_layers(networks: list[nn.Module]) -> Iterator[tuple[nn.Module, bool, int]]:
    """The layers that attention ends in: whether they get the picture's tokens alone, and how many values of a token
    are attention's."""
    for block in (block for network in networks for block in blocks_of(network)):
        attention: Any = getattr(block, "attn", None) or getattr(block, "attention", None)
        output = getattr(attention, "to_out", None)
        if output is not None:
            yield output[0], getattr(attention, "to_add_out", None) is not None, output[0].in_features
        else:  # FLUX's single blocks: attention and MLP share their output layer
            yield block.proj_out, False, attention.inner_dim  # type: ignore[misc]


def _twice(options: dict[str, Any], *names: str) -> dict[str, Any]:
    found = {name: options[name] for name in names if isinstance(options.get(name), torch.Tensor)}
    return {**options, **{name: torch.cat([value, value]) for name, value in found.items()}}


def _flux(now: Pass, negative: Any) -> tuple[Pass, slice]:
    options = _twice(now.options, "hidden_states", "timestep", "guidance", "pooled_projections")
    prompted = options["encoder_hidden_states"]
    options["encoder_hidden_states"] = torch.cat([prompted, _for_each(negative[0], prompted)])
    return replace(now, options=options), slice(prompted.shape[1], None)


def _qwen(now: Pass, negative: Any) -> tuple[Pass, slice]:
    options = _twice(now.options, "hidden_states", "timestep", "guidance", "additional_t_cond")
    prompted, mask = options["encoder_hidden_states"], options.get("encoder_hidden_states_mask")
    texts = {"encoder_hidden_states": prompted, "encoder_hidden_states_mask": mask}
    opposite = {"encoder_hidden_states": _for_each(negative[0], prompted), "encoder_hidden_states_mask": negative[1]}
    pairs = padded(texts, opposite)
    for name in texts:
        values = [pair[name] for pair in pairs]
        options[name] = None if values[0] is None else torch.cat(values)
    options["img_shapes"] = [*options["img_shapes"], *options["img_shapes"]]
    return replace(now, options=options), slice(None)


_Z_IMAGE_TOKENS = 32  # it fills a picture's tokens up to a multiple of them


def _z_image(now: Pass, negative: Any) -> tuple[Pass, slice]:
    names = ("x", "t", "cap_feats")
    options = {**dict(zip(names, now.args, strict=False)), **now.options}
    pictures, texts = list(options["x"]), list(options["cap_feats"])
    opposite = [negative[0][0].to(text) for text in texts]
    options |= {"x": pictures * 2, "t": torch.cat([options["t"]] * 2), "cap_feats": texts + opposite}
    area = pictures[0][0].numel() // int(options.get("patch_size", 2)) ** 2
    tokens = -(-area // _Z_IMAGE_TOKENS) * _Z_IMAGE_TOKENS
    return replace(now, args=(), options=options), slice(None, tokens)


def _for_each(negative: torch.Tensor, prompted: torch.Tensor) -> torch.Tensor:
    """The negative text (1, ...) for each of a batch."""
    return negative.to(prompted).expand(prompted.shape[0], *negative.shape[1:])


_WAYS: Mapping[str, Callable[[Any, Any, NagStrength], AbstractContextManager[None]]] = MappingProxyType(
    {
        "cross": _in_cross_attention,
        "flux": partial(_in_joint_attention, doubled=_flux),
        "qwen": partial(_in_joint_attention, doubled=_qwen),
        "z_image": partial(_in_joint_attention, doubled=_z_image),
    }
)


def away_from(positive: torch.Tensor, negative: torch.Tensor, strength: NagStrength) -> torch.Tensor:
    """The answer to the prompt (B, tokens, D), pushed away from the answer to the negative prompt."""
    pushed = positive * strength.scale - negative * (strength.scale - 1)
    length = positive.norm(p=1, dim=-1, keepdim=True)
    ratio = pushed.norm(p=1, dim=-1, keepdim=True) / length.clamp_min(1e-7)
    pushed = torch.where(ratio > strength.tau, pushed * (strength.tau / ratio), pushed)
    return pushed * strength.alpha + positive * (1 - strength.alpha)
