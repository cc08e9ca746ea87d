"""The performance presets: how many steps, by which solver, with which LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shared.core.lora_multipliers import with_loras

_NO_GUIDANCE: Mapping[str, Any] = MappingProxyType(
    {
        "guidance_scale": 1.0, "adaptive_cfg": 0.0, "sharpness": 0.0, "refiner_model": "", "refiner_switch": 1.0,
        "adm_scaler_positive": 1.0, "adm_scaler_negative": 1.0, "adm_scaler_end": 0.0,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Performance:
    """Steps of a picture, steps of an enlarged one, the LoRA (an address and a strength) and further settings."""

    steps: int
    upscale_steps: int
    lora: str = ""
    strength: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


_HUB = "https://huggingface.co"

PRESETS: Mapping[str, Performance] = MappingProxyType(
    {
        "Quality": Performance(60, 36),
        "Speed": Performance(30, 18),
        "Extreme Speed": Performance(
            8, 8,
            f"{_HUB}/latent-consistency/lcm-lora-sdxl/resolve/main/pytorch_lora_weights.safetensors|lcm-lora-sdxl",
            1.0, {**_NO_GUIDANCE, "sample_solver": "lcm", "noise_schedule": "lcm"},
        ),
        "Lightning": Performance(
            4, 4, f"{_HUB}/ByteDance/SDXL-Lightning/resolve/main/sdxl_lightning_4step_lora.safetensors", 1.0,
            {**_NO_GUIDANCE, "sample_solver": "euler", "noise_schedule": "sgm_uniform"},
        ),
        "Hyper-SD": Performance(
            4, 4, f"{_HUB}/ByteDance/Hyper-SD/resolve/main/Hyper-SDXL-4steps-lora.safetensors", 0.8,
            {**_NO_GUIDANCE, "sample_solver": "dpmpp_sde_gpu", "noise_schedule": "karras"},
        ),
    }
)  # fmt: skip


def performance_settings(name: str, *, upscaling: bool = False) -> dict[str, Any]:
    """The settings that a preset stands for, its LoRA left out; "" stands for none."""
    if not name:
        return {}
    preset = PRESETS[name]
    return {"num_inference_steps": preset.upscale_steps if upscaling else preset.steps, **preset.settings}


def apply_performance(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with what their `performance` asks for, its LoRA added to theirs."""
    name = str(settings.get("performance") or "")
    if name not in PRESETS:
        return dict(settings)
    upscaling = str(settings.get("vary_upscale") or "").startswith("upscale")
    changed = {**settings, **performance_settings(name, upscaling=upscaling)}
    preset = PRESETS[name]
    return with_loras(changed, [(preset.lora, preset.strength)]) if preset.lora else changed
