"""Picture prompts of SDXL: several ControlNet pictures and IP-Adapter pictures at once, each with its own strength and
end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.guide_kinds import GuideUse, guide_uses
from shared.diffusion.control import pyramid_edges, structure
from shared.diffusion.passes import Pass, around_passes

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

Uses = list[tuple[GuideUse, np.ndarray]]


def guides_of(window: WindowRequest) -> Uses:
    """The picture prompts with their use, in order."""
    return list(zip(guide_uses(window.settings, len(window.guides)), window.guides, strict=True))


def follows_pictures(window: WindowRequest) -> bool:
    """Whether a ControlNet has something to follow."""
    return window.control is not None or any(use.is_control for use, _ in guides_of(window))


def control_arguments(
    window: WindowRequest, modes: Mapping[str, int], own: Sequence[tuple[Any, int | None, float]]
) -> dict[str, Any]:
    """What the union ControlNet is given: `own` pictures (picture, mode, strength), which guide to the end, and the
    picture prompts that are followed."""
    pictures = [picture for picture, _, _ in own]
    numbers, weights, ends = [mode for _, mode, _ in own], [weight for _, _, weight in own], [1.0] * len(own)
    for use, pixels in guides_of(window):
        if use.is_control:
            pictures.append(_drawn(use, pixels, window))
            numbers.append(modes[use.kind])
            weights.append(use.weight)
            ends.append(use.stop)
    return {
        "control_image": pictures, "control_mode": numbers, "controlnet_conditioning_scale": weights,
        "control_guidance_end": ends,
    }  # fmt: skip


def adapter_arguments(window: WindowRequest, kinds: Sequence[str]) -> dict[str, Any]:
    """What the adapters of `kinds` are given: the pictures of each, and a mask a picture, so that each has its own
    strength."""
    pictures, masks = [], []
    for kind in kinds:
        own = [Image.fromarray(pixels) for use, pixels in guides_of(window) if use.kind == kind]
        pictures.append(own)
        masks.append(torch.ones(1, len(own), window.height, window.width))
    return {"ip_adapter_image": pictures, "cross_attention_kwargs": {"ip_adapter_masks": masks}}


@contextmanager
def guided(pipe: Any, model: ModelDef, window: WindowRequest) -> Iterator[None]:
    """Within it, the adapters' pictures count until their end, and the control is as soft as the settings ask."""
    softness, controlnet = float(window.settings.get("control_softness") or 0), getattr(pipe, "controlnet", None)
    with ExitStack() as stack:
        kinds = model.get("guide_adapters") or ()
        if kinds:
            stack.enter_context(around_passes(pipe, _Strengths(pipe, kinds, guides_of(window))))
        if softness and controlnet is not None and follows_pictures(window):
            stack.enter_context(_softened(controlnet, softness))
        yield


class _Strengths:
    """Sets the strengths of the adapters' pictures at each step: 0 once a picture's part of the steps is over."""

    def __init__(self, pipe: Any, kinds: Sequence[str], guides: Uses) -> None:
        self._pipe = pipe
        self._uses = [[use for use, _ in guides if use.kind == kind] for kind in kinds]
        self._now: list[list[float]] | None = None

    def __call__(self, now: Pass) -> Any:
        done = now.step / max(now.steps, 1)
        wanted = [[use.weight if done < use.stop else 0.0 for use in uses] for uses in self._uses]
        if wanted != self._now:
            self._pipe.set_ip_adapter_scale(wanted)
            self._now = wanted
        return now.run()


@contextmanager
def _softened(controlnet: Any, softness: float) -> Iterator[None]:
    """Within it, what the ControlNet adds counts the less, the finer it is: the outermost layers lose `softness`."""
    forward = controlnet.forward

    def softened(*args: Any, **options: Any) -> Any:
        down, middle = forward(*args, **options)[:2]
        last = max(len(down) - 1, 1)
        return [part * (1 - softness * (1 - place / last)) for place, part in enumerate(down)], middle

    controlnet.forward = softened
    try:
        yield
    finally:
        del controlnet.forward


def _drawn(use: GuideUse, pixels: np.ndarray, window: WindowRequest) -> Image.Image:
    """The picture at the size of the result, as the lines that are followed."""
    picture = Image.fromarray(pixels).resize((window.width, window.height), Image.Resampling.LANCZOS)
    if not window.settings.get("guide_preprocess", 1):
        return picture
    own = np.asarray(picture)
    if use.kind == "CPDS":
        return Image.fromarray(structure(own))
    low, high = (int(window.settings.get(f"canny_{name}_threshold") or usual) for name, usual in _THRESHOLDS)
    return Image.fromarray(pyramid_edges(own, low, high))


_THRESHOLDS = (("low", 64), ("high", 128))
