"""What is put around each run of a diffusers pipeline, in order, and taken off again whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from shared.core.contracts import Step, WindowRequest
from shared.diffusion.guidance import steered
from shared.diffusion.joint_passes import joined
from shared.diffusion.lora import apply_loras
from shared.diffusion.notices import told
from shared.diffusion.step_cache import step_cached
from shared.diffusion.tiling import tiled
from shared.diffusion.unet_tuning import tuned

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


@contextmanager
def prepared(pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Within it, `pipe` has everything that the settings of `window` ask for: LoRA, step caches, guidance."""
    with ExitStack() as stack:
        for hook in HOOKS:
            stack.enter_context(hook(pipe, model, window, on_step))
        yield


Hook = Callable[[Any, "ModelDef", WindowRequest, Callable[[Step], None]], Any]

# In this order: a LoRA changes the networks, their passes are made together, a cache skips passes, guidance mixes them.
HOOKS: tuple[Hook, ...] = (tiled, told, apply_loras, joined, step_cached, tuned, steered)
