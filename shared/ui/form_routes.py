"""The addresses that the form's helpers ask: the models, and what one costs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse

from shared.core.errors import ModelNotFound
from shared.ui.model_list import model_cost, model_rows

NEVER = {"Cache-Control": "no-store"}


def add_form_routes(router: APIRouter, runtime: Any) -> None:
    """Add them to the page's router."""
    _add_models(router, runtime)


def _add_models(router: APIRouter, runtime: Any) -> None:
    @router.get("/models")
    def models() -> JSONResponse:
        return JSONResponse({"models": model_rows(runtime)}, headers=NEVER)

    @router.get("/models/{model_type}")
    def model(model_type: str) -> JSONResponse:
        try:
            return JSONResponse(model_cost(runtime, model_type), headers=NEVER)
        except ModelNotFound as error:
            raise HTTPException(404, str(error)) from None
