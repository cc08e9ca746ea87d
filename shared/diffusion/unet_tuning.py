"""Fine tuning of U-Nets around a run: FreeU, and the sizes that SDXL is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch

from shared.core.contracts import Step, WindowRequest
from shared.diffusion.passes import Pass, around_passes

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_FREEU = ("s1", "s2", "b1", "b2")


@contextmanager
def tuned(pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Within it, the network has FreeU and is told the sizes that the settings of `window` ask for."""
    settings, unet = window.settings, getattr(pipe, "unet", None)
    with ExitStack() as stack:
        if unet is not None and settings.get("freeu") and model.get("freeu"):
            unet.enable_freeu(**{name: float(settings[f"freeu_{name}"]) for name in _FREEU})
            stack.callback(unet.disable_freeu)
        scales = float(settings.get("adm_scaler_negative", 1.0)), float(settings.get("adm_scaler_positive", 1.0))
        end = float(settings.get("adm_scaler_end", 0.3))
        if unet is not None and model.get("adm_guidance") and scales != (1.0, 1.0) and end > 0:
            stack.enter_context(around_passes(pipe, _ToldSizes(pipe, scales, end)))
        if window.mask is not None and settings.get("keep_initial_latent") and model.get("initial_latent"):
            stack.enter_context(_from_the_picture(pipe))
        yield


@contextmanager
def _from_the_picture(pipe: Any) -> Iterator[None]:
    """Within it, repainting at full strength starts from the picture with all noise added, not from noise alone."""
    prepare = pipe.prepare_latents

    def prepared(*args: Any, **options: Any) -> Any:
        if "is_strength_max" in options:
            options["is_strength_max"] = False
        return prepare(*args, **options)

    pipe.prepare_latents = prepared
    try:
        yield
    finally:
        del pipe.prepare_latents


class _ToldSizes:
    """Scales the picture's own size in what SDXL is told, one factor for each side of the guidance, in the first part
    of the noise levels."""

    def __init__(self, pipe: Any, scales: tuple[float, float], end: float) -> None:
        self._pipe, self._scales, self._end = pipe, scales, end

    def __call__(self, now: Pass) -> Any:
        conditions = now.options.get("added_cond_kwargs") or {}
        sizes = conditions.get("time_ids")
        if sizes is None or now.time <= 1 - self._end:
            return now.run()
        now.options["added_cond_kwargs"] = {**conditions, "time_ids": self._scaled(sizes)}
        return now.run()

    def _scaled(self, sizes: torch.Tensor) -> torch.Tensor:
        """(B, 6) with height and width scaled; where both sides are asked at once, the unprompted half comes first."""
        negative, positive = self._scales
        half = len(sizes) // 2 if self._pipe.do_classifier_free_guidance else 0
        scaled = sizes.clone()
        factors = torch.full((len(sizes), 1), positive, device=sizes.device, dtype=torch.float32)
        factors[:half] = negative
        scaled[:, :2] = (sizes[:, :2].float() * factors).floor().to(sizes.dtype)
        return scaled
