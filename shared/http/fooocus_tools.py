"""The endpoints that both Fooocus APIs have alike: a mask from a picture, the names on disk, the styles."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from shared.core.styles import style_names
from shared.http.context import ServiceContext
from shared.http.fooocus import ClothCategory, MaskModel, SamModel
from shared.http.inputs import FieldError
from shared.http.replies import unknown_in, warn
from shared.http.tools import lora_files, make_mask, model_files

Share = Annotated[float, Field(ge=0, le=1)]
Responses = Mapping[int | str, dict[str, Any]]
NO_PICTURE = "A picture is needed: base64, a data URI or an http(s) address."


class GenerateMask(BaseModel):
    """A mask from a picture."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, protected_namespaces=())

    image: str = Field(min_length=1)
    mask_model: MaskModel = "isnet-general-use"
    cloth_category: ClothCategory = "full"
    dino_prompt_text: str = ""
    sam_model: SamModel = "vit_b"
    box_threshold: Share = 0.3
    text_threshold: Share = 0.25
    sam_max_detections: int = Field(0, ge=0, le=10)
    dino_erode_or_dilate: int = Field(0, ge=-64, le=64)
    dino_debug: bool = False


class Models(BaseModel):
    """The names of what is on disk."""

    model_filenames: list[str]
    lora_filenames: list[str]


def add_tools(router: APIRouter, context: ServiceContext, refusals: Responses) -> None:
    """`generate_mask`, `all-models` and `styles`; `refusals` describe the errors of the service."""
    forbidden: dict[int | str, dict[str, Any]] = {code: reply for code, reply in refusals.items() if code == 403}

    @router.post("/v1/tools/generate_mask", response_model=str, responses=dict(refusals))
    async def generate_mask(request: Request, wish: GenerateMask) -> str:
        """A mask in base64: white is what was looked for."""
        warn(request, *unknown_in(wish))
        path = await context.inputs.save(wish.image, "image")
        if path is None:
            raise FieldError("image", NO_PICTURE)
        mask = await make_mask(context, path, {
            "mask_model": wish.mask_model, "mask_cloth": wish.cloth_category, "mask_prompt": wish.dino_prompt_text,
            "mask_sam": wish.sam_model, "mask_box_threshold": wish.box_threshold,
            "mask_text_threshold": wish.text_threshold, "mask_detections": wish.sam_max_detections,
            "mask_expand": wish.dino_erode_or_dilate,
        })  # fmt: skip
        return base64.b64encode(mask).decode()

    @router.get("/v1/engines/all-models", response_model=Models, responses=forbidden)
    async def all_models() -> dict[str, list[str]]:
        """The models and LoRAs that are installed, by the names of their files."""
        return await installed(context)

    @router.get("/v1/engines/styles", responses=forbidden)
    async def styles() -> list[str]:
        """The names of the styles."""
        return list(style_names())


async def installed(context: ServiceContext) -> dict[str, list[str]]:
    """What `all-models` answers."""
    return {
        "model_filenames": await context.in_thread(model_files, context),
        "lora_filenames": await context.in_thread(lora_files, context),
    }
