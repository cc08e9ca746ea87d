"""What each FLUX.2 architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import FLUX2_VAE, MISTRAL_24B, QWEN3_4B, QWEN3_8B, network
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


def _sizes(billions: float, heads: int, text_encoder: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a model before its files are here."""
    transformer = network("Flux2Transformer2DModel", billions, heads, 128, patch_size=1)
    return {"known_parts": {"transformer": transformer, "text_encoder": text_encoder, "vae": FLUX2_VAE}}


_DEV = {
    **_COMMON,
    **_sizes(32.2, 48, MISTRAL_24B),
    "lora_dir": "flux2",
    "embedded_guidance": True,
    "guidance_max_phases": 0,
}

_KLEIN: dict[str, Any] = {
    **_COMMON,
    **starting_pictures(),
    "pipeline_from_picture": "Flux2KleinInpaintPipeline",
    "pipeline_repaint": "Flux2KleinInpaintPipeline",
}
_SIZES = {"flux2_klein_4b": _sizes(3.9, 24, QWEN3_4B), "flux2_klein_9b": _sizes(9.1, 32, QWEN3_8B)}
_DISTILLED = {"guidance_max_phases": 0}
_GUIDED = {"guidance_max_phases": 1}
# References are read once, at the first step; it starts from no picture and repaints none.
_KLEIN_KV = {**_COMMON, **_SIZES["flux2_klein_9b"], **_DISTILLED, "lora_dir": "flux2_klein_9b", "one_by_one": True}
_DRIVER = "models.flux2.pipeline:Flux2"
_KLEIN_DRIVER = "models.flux2.pipeline:Flux2Klein"


def _klein(lora_dir: str, guidance: Mapping[str, Any]) -> Architecture:
    definition = {**_KLEIN, **_SIZES[lora_dir], **guidance, "lora_dir": lora_dir}
    return Architecture(("Flux2KleinPipeline",), definition, _KLEIN_DRIVER, picture_problems)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "flux2_dev": Architecture(("Flux2Pipeline",), _DEV, _DRIVER, picture_problems),
        "flux2_klein_4b": _klein("flux2_klein_4b", _DISTILLED),
        "flux2_klein_9b": _klein("flux2_klein_9b", _DISTILLED),
        "flux2_klein_9b_kv": Architecture(("Flux2KleinKVPipeline",), _KLEIN_KV, _DRIVER, picture_problems),
        "flux2_klein_base_4b": _klein("flux2_klein_4b", _GUIDED),
        "flux2_klein_base_9b": _klein("flux2_klein_9b", _GUIDED),
    }
)
