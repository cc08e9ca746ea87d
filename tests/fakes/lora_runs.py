"""Runs of a tiny Wan pipeline with LoRAs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from shared.core.contracts import WindowRequest
from shared.core.model_def import ModelDef
from shared.diffusion.lora import apply_loras
from tests.fakes.model_defs import wan_model

STEPS = 4
MODEL = wan_model("t2v", guidance_max_phases=2)


def request(*files: Path, multipliers: str = "", **settings: Any) -> WindowRequest:
    chosen = {"activated_loras": [str(file) for file in files], "loras_multipliers": multipliers}
    return WindowRequest("a red ball", 32, 32, 5, STEPS, 1.0, seed=7, settings={**chosen, **settings})


def latents(pipe: Any, window: WindowRequest | None = None, model: ModelDef = MODEL) -> np.ndarray:
    """What the pipeline makes of a window, or by itself without one."""

    def make() -> np.ndarray:
        return pipe(
            prompt="a red ball", width=32, height=32, num_frames=5, num_inference_steps=STEPS, guidance_scale=1.0,
            generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
        ).frames.numpy()  # fmt: skip

    if window is None:
        return make()
    with torch.inference_mode(), apply_loras(pipe, model, window):
        return make()


def close(left: np.ndarray, right: np.ndarray) -> bool:
    return bool(np.abs(left - right).max() < 1e-5)
