"""What each FLUX.2 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import (
    ONE_MEGAPIXEL,
    PICTURES,
    picture_problems,
    references,
    starting_pictures,
)

_COMMON: dict[str, Any] = {
    **PICTURES,
    **references(10),
    "resolutions": ONE_MEGAPIXEL,
    "no_negative_prompt": True,
}

_DEV = {**_COMMON, "lora_dir": "flux2", "embedded_guidance": True, "guidance_max_phases": 0}

_KLEIN: dict[str, Any] = {
    **_COMMON,
    **starting_pictures(),
    "pipeline_from_picture": "Flux2KleinInpaintPipeline",
    "pipeline_repaint": "Flux2KleinInpaintPipeline",
}
_DISTILLED = {"guidance_max_phases": 0}
_GUIDED = {"guidance_max_phases": 1}
_KLEIN_DRIVER = "models.flux2.pipeline:Flux2Klein"


def _klein(lora_dir: str, guidance: Mapping[str, Any]) -> Architecture:
    definition = {**_KLEIN, **guidance, "lora_dir": lora_dir}
    return Architecture(("Flux2KleinPipeline",), definition, _KLEIN_DRIVER, picture_problems)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "flux2_dev": Architecture(("Flux2Pipeline",), _DEV, "models.flux2.pipeline:Flux2", picture_problems),
        "flux2_klein_4b": _klein("flux2_klein_4b", _DISTILLED),
        "flux2_klein_9b": _klein("flux2_klein_9b", _DISTILLED),
        "flux2_klein_base_4b": _klein("flux2_klein_4b", _GUIDED),
        "flux2_klein_base_9b": _klein("flux2_klein_9b", _GUIDED),
    }
)
