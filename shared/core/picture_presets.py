"""Fooocus' presets as settings of this program: a model with the styles and numbers that suit it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

USUAL_STYLES = ("Fooocus V2", "Fooocus Enhance", "Fooocus Sharp")

# Fooocus' own numbers; a neutral setting of this program asks for none of these.
INITIAL: Mapping[str, Any] = MappingProxyType(
    {
        "model_type": "juggernaut_xl", "styles": list(USUAL_STYLES), "guidance_scale": 4.0, "sharpness": 2.0,
        "sample_solver": "dpmpp_2m_sde_gpu", "noise_schedule": "karras", "performance": "Speed",
        "resolution": "1152x896", "adm_scaler_positive": 1.5, "adm_scaler_negative": 0.8, "adm_scaler_end": 0.3,
        "adaptive_cfg": 7.0, "clip_skip": 2,
    }
)  # fmt: skip


def _like_initial(**changes: Any) -> Mapping[str, Any]:
    return MappingProxyType({**INITIAL, **changes})


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "initial": INITIAL,
        "default": INITIAL,
        "anime": _like_initial(
            model_type="animagine_xl", styles=["Fooocus V2", "Fooocus Semi Realistic", "Fooocus Masterpiece"],
            guidance_scale=6.0, resolution="896x1152",
        ),
        "realistic": _like_initial(
            model_type="realvis_xl", styles=["Fooocus V2", "Fooocus Photograph", "Fooocus Negative"],
            guidance_scale=3.0, resolution="896x1152",
        ),
        "lcm": _like_initial(performance="Extreme Speed"),
        "lightning": _like_initial(performance="Lightning"),
        "playground_v2.5": _like_initial(
            model_type="playground_v2_5", styles=["Fooocus V2"], guidance_scale=2.0,
            noise_schedule="edm_playground_v2.5", sample_solver="dpmpp_2m",
        ),
        "pony_v6": _like_initial(
            model_type="animagine_xl", styles=["Fooocus Pony"], guidance_scale=7.0, noise_schedule="karras",
            resolution="896x1152",
        ),
        "sai": _like_initial(
            model_type="sdxl", styles=["Fooocus V2", "Fooocus Cinematic"], guidance_scale=7.0,
            refiner_model="sdxl_refiner", refiner_switch=0.75,
        ),
    }
)  # fmt: skip
