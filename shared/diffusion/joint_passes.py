"""One pass for both sides of guidance: the network is asked with the prompt and without it in one batch.

Some pipelines do so by themselves; this does it for those that ask twice. The first step is run as it is, to learn what
the pass without the prompt is given; from then on the pass with the prompt brings it along. What comes out is the same
but for the rounding of larger matrices.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from shared.core.contracts import Step, WindowRequest
from shared.diffusion.abilities import branching_of
from shared.diffusion.guidance_plan import pipeline_guidance
from shared.diffusion.passes import Pass, around_passes, denoisers
from shared.diffusion.room import has_room
from shared.diffusion.text_padding import padded

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_ALLOWED = "_joint_passes"
# The arguments that have a row for each sample, by network; lists with an entry for each are joined too.
_COMMON = ("hidden_states", "timestep", "encoder_hidden_states")
_WAN = (*_COMMON, "encoder_hidden_states_image")
_QWEN = (*_COMMON, "guidance", "encoder_hidden_states_mask", "additional_t_cond", "img_shapes")
_ROWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "WanTransformer3DModel": _WAN,
        "WanVACETransformer3DModel": (*_WAN, "control_hidden_states"),
        "WanAnimateTransformer3DModel": (*_WAN, "pose_hidden_states", "face_pixel_values"),
        "ChronoEditTransformer3DModel": _WAN,
        "SkyReelsV2Transformer3DModel": _WAN,
        "FluxTransformer2DModel": (*_COMMON, "guidance", "pooled_projections"),
        "QwenImageTransformer2DModel": _QWEN,
        "HunyuanVideoTransformer3DModel": (*_COMMON, "guidance", "pooled_projections", "encoder_attention_mask"),
        "HunyuanVideo15Transformer3DModel": (
            *_COMMON, "image_embeds", "encoder_attention_mask", "encoder_hidden_states_2", "encoder_attention_mask_2",
        ),
    }
)  # fmt: skip
# Caches within the network keep one answer for each pass.
_CACHES_BY_PASS = ("first_block", "mag")


def allow_joint_passes(pipe: Any, is_allowed: bool) -> None:
    """Let the denoisers of `pipe` be asked for both sides at once, or not."""
    for network in denoisers(pipe):
        vars(network)[_ALLOWED] = is_allowed


@contextmanager
def joined(pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Within it, both passes of a step are one, where that is allowed, possible and fits; what keeps it is told."""
    networks = denoisers(pipe)
    branching = branching_of(type(pipe).__name__)
    is_wished = any(vars(network).get(_ALLOWED) for network in networks)
    asks_twice = branching is not None and not branching.is_joint and not branching.remembers
    if not (is_wished and asks_twice and pipeline_guidance(window) > 1 and _are_known(networks)):
        yield
        return
    if obstacle := _obstacle(pipe, window):
        on_step(Step("", notice=f"boost: the passes with and without the prompt stay apart, {obstacle}."))
        yield
        return
    with around_passes(pipe, _Joiner()):
        yield


def _are_known(networks: list[nn.Module]) -> bool:
    return all(type(network).__name__ in _ROWS for network in networks)


def _obstacle(pipe: Any, window: WindowRequest) -> str:
    """What keeps the passes apart."""
    settings = window.settings
    if settings.get("skip_steps_cache_type") in _CACHES_BY_PASS:
        return f"as {settings['skip_steps_cache_type']} keeps an answer for each"
    if settings.get("perturbation_switch"):
        return "as one of them leaves out layers"
    if not has_room(pipe, window, 2 * window.batch_size):
        return "as both at once would not fit into the memory that is free"
    return ""


class _Joiner:
    """Answers the passes of one run."""

    def __init__(self) -> None:
        self._prompted: dict[str, Any] = {}
        self._unprompted: dict[int, dict[str, Any]] = {}
        self._waiting: tuple[dict[str, Any], Any] | None = None

    def __call__(self, now: Pass) -> Any:
        if now.starts_run:
            self._unprompted, self._waiting = {}, None
        options = _named(now)
        if now.branch == 0:
            return self._both(now, options)
        waiting, self._waiting = self._waiting, None
        if now.branch == 1 and waiting is not None and not _different(options, waiting[0]):
            return waiting[1]
        if now.branch == 1:
            self._unprompted[id(now.module)] = _different(options, self._prompted)
        return now.run()

    def _both(self, now: Pass, options: dict[str, Any]) -> Any:
        if self._waiting is not None:  # nobody asked for it: the other side counts for nothing at present
            self._waiting = None
            self._unprompted.clear()
        self._prompted = options
        changes = self._unprompted.get(id(now.module))
        other = None if changes is None else {**options, **changes}
        both = None if other is None else _joint(type(now.module).__name__, options, other)
        if both is None:
            return now.run()
        prompted, unprompted = _halves(now.forward(**both))
        self._waiting = (other or {}, unprompted)
        return prompted


def _named(now: Pass) -> dict[str, Any]:
    """The arguments of a pass by name."""
    names = list(inspect.signature(type(now.module).forward).parameters)[1:]
    return {**dict(zip(names, now.args, strict=False)), **now.options}


def _different(options: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are not the same in `others`."""
    return {name: value for name, value in options.items() if not _is_same(value, others.get(name))}


def _is_same(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return left.shape == right.shape and bool(torch.equal(left, right))
    if isinstance(left, torch.Tensor) or isinstance(right, torch.Tensor):
        return False
    return bool(left == right)


def _joint(network: str, options: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of both passes in one; None where they cannot be."""
    rows = _ROWS[network]
    if rows is _QWEN:
        options, other = padded(options, other)
    both: dict[str, Any] = {}
    for name, value in options.items():
        second = other.get(name)
        if name in rows and isinstance(value, torch.Tensor):
            if not isinstance(second, torch.Tensor) or second.shape != value.shape:
                return None
            both[name] = torch.cat([value, second]) if value.ndim else value
        elif name in rows and isinstance(value, list):
            both[name] = [*value, *(second or value)]
        elif _is_same(value, second):
            both[name] = value
        else:
            return None
    return both


def _halves(answer: Any) -> tuple[Any, Any]:
    leaves, layout = tree_flatten(answer)
    pairs = [leaf.chunk(2) if isinstance(leaf, torch.Tensor) else (leaf, leaf) for leaf in leaves]
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    return tree_unflatten(first, layout), tree_unflatten(second, layout)
