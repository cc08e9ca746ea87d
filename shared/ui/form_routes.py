"""The addresses that the form's helpers ask: models, LoRAs, prompts of before, what a prompt will make, clips."""

from __future__ import annotations

import io
from typing import Any

from fastapi import APIRouter, Body, HTTPException, Response
from fastapi.responses import JSONResponse
from PIL import Image

from shared.core.errors import ModelNotFound, WanGPError
from shared.core.lora_multipliers import model_shape
from shared.core.wildcards import Wildcards
from shared.media.video import frame_at, probe
from shared.ui.form_tools import clip_path
from shared.ui.model_list import model_cost, model_rows
from shared.ui.prompt_help import last_prompts, prompt_plan

NEVER = {"Cache-Control": "no-store"}
MOST_SIDE_PX = 1280


def add_form_routes(router: APIRouter, runtime: Any) -> None:
    """Add them to the page's router."""
    _add_models(router, runtime)
    _add_prompts(router, runtime)
    _add_clips(router, runtime)


def _add_models(router: APIRouter, runtime: Any) -> None:
    @router.get("/finder")
    def models() -> JSONResponse:
        return JSONResponse({"models": model_rows(runtime)}, headers=NEVER)

    @router.get("/finder/{model_type}")
    def model(model_type: str) -> JSONResponse:
        try:
            return JSONResponse(model_cost(runtime, model_type), headers=NEVER)
        except ModelNotFound as error:
            raise HTTPException(404, str(error)) from None

    @router.get("/loras/{model_type}")
    def loras(model_type: str) -> JSONResponse:
        """The LoRA files of a model, and how many phases a strength may have."""
        try:
            model = runtime.registry.get(model_type)
        except ModelNotFound as error:
            raise HTTPException(404, str(error)) from None
        folder = runtime.registry.lora_folder(model)
        body = {"loras": folder.files(), "folder": str(folder.path), "phases": model_shape(model)[0]}
        return JSONResponse(body, headers=NEVER)


def _add_prompts(router: APIRouter, runtime: Any) -> None:
    lists = Wildcards(runtime.root / "wildcards")

    @router.get("/prompts")
    def prompts(words: str = "") -> JSONResponse:
        return JSONResponse({"prompts": last_prompts(runtime, words)}, headers=NEVER)

    @router.post("/prompt")
    def plan(prompt: str = Body(""), mode: str = Body("PG")) -> JSONResponse:
        return JSONResponse(prompt_plan(prompt, mode, lists), headers=NEVER)

    @router.get("/wildcards")
    def wildcards() -> JSONResponse:
        """The word lists by name, with how many lines each has."""
        found = [{"name": name, "lines": len(lists[name])} for name in lists]
        return JSONResponse({"wildcards": found}, headers=NEVER)


def _add_clips(router: APIRouter, runtime: Any) -> None:
    def clip_of(path: str, result: int) -> str:
        try:
            return clip_path(runtime, {"path": path, "id": result})
        except WanGPError as error:
            raise HTTPException(404, str(error)) from None

    @router.get("/clip")
    def clip(path: str = "", result: int = 0) -> JSONResponse:
        """Frames, frame rate and size of an uploaded clip or of a result."""
        try:
            info = probe(clip_of(path, result))
        except WanGPError as error:
            raise HTTPException(422, str(error)) from None
        body = {"frames": info.num_frames, "fps": info.fps, "width": info.width, "height": info.height}
        return JSONResponse(body, headers=NEVER)

    @router.get("/clip/frame.jpg")
    def frame(path: str = "", result: int = 0, frame: int = 0, side: int = 640) -> Response:
        try:
            picture = Image.fromarray(frame_at(clip_of(path, result), frame))
        except WanGPError as error:
            raise HTTPException(422, str(error)) from None
        side = max(16, min(side, MOST_SIDE_PX))
        picture.thumbnail((side, side))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=82)
        return Response(buffer.getvalue(), media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})
