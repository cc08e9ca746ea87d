"""The architectures of the family: which diffusers pipelines run them, what they can do, who drives them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.wan import definitions as can
from models.wan.settings import wan_problems
from shared.diffusion.family import Architecture

_CLIPS = ("WanPipeline", "WanImageToVideoPipeline")


def _architecture(definition: Mapping[str, Any], driver: str, *pipelines: str) -> Architecture:
    return Architecture(pipelines or _CLIPS, definition, f"models.wan.{driver}", wan_problems)


def _clips(definition: Mapping[str, Any]) -> Architecture:
    return _architecture(definition, "pipeline:WanVideo")


def _vace(definition: Mapping[str, Any]) -> Architecture:
    return _architecture(definition, "pipeline_vace:WanVace", "WanVACEPipeline")


def _forcing(definition: Mapping[str, Any]) -> Architecture:
    return _architecture(definition, "pipeline_forcing:SkyReelsForcing", "SkyReelsV2DiffusionForcingPipeline")


TABLE: Mapping[str, Architecture] = MappingProxyType(
    {
        "starter": _clips(can.ANY_TOKENS),
        "t2v": _clips({**can.TEXT_TO_VIDEO, **can.LARGE}),
        "t2v_1.3B": _clips({**can.TEXT_TO_VIDEO, **can.SMALL, "lora_dir": "wan_1.3B"}),
        "i2v": _clips({**can.IMAGE_TO_VIDEO, **can.LARGE_WITH_PICTURE}),
        "flf2v_720p": _clips({**can.FIRST_AND_LAST_FRAME, **can.LARGE_WITH_PICTURE}),
        "fun_inp_1.3B": _clips({**can.START_AND_END, **can.SMALL_WITH_PICTURE}),
        "t2v_2_2": _clips({**can.TEXT_TO_VIDEO, **can.TWO_LARGE, "two_experts": True}),
        "i2v_2_2": _clips(
            {**can.IMAGE_TO_VIDEO, **can.TWO_LARGE, "image_prompt_types_allowed": "SEVL", "two_experts": True}
        ),
        "ti2v_2_2": _clips({**can.FIRST_FRAME_TOKENS, **can.MIDDLE}),
        "vace_1.3B": _vace({**can.VACE, **can.SMALL_VACE, "lora_dir": "wan_1.3B"}),
        "vace_14B": _vace({**can.VACE, **can.LARGE_VACE}),
        "vace_14B_2_2": _vace({**can.VACE, **can.TWO_LARGE_VACE, "two_experts": True}),
        "animate": _architecture(
            {**can.ANIMATE, **can.LARGE_ANIMATE}, "pipeline_animate:WanAnimate", "WanAnimatePipeline"
        ),
        "sky_df_1.3B": _forcing({**can.FORCING, **can.SMALL, "lora_dir": "wan_1.3B"}),
        "sky_df_14B": _forcing({**can.FORCING, **can.LARGE}),
        "lucy_edit": _architecture({**can.LUCY, **can.MIDDLE}, "pipeline_edit:LucyEdit", "LucyEditPipeline"),
        "chrono_edit": _architecture(
            {**can.CHRONO, **can.LARGE_WITH_PICTURE}, "pipeline_edit:ChronoEdit", "ChronoEditPipeline"
        ),
    }
)
