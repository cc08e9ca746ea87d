"""Pictures and clips for clients of the OpenAI API."""

from __future__ import annotations

from typing import NoReturn

from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException

from shared.core.errors import WanGPError
from shared.http.auth import KeyRule, any_key
from shared.http.dialect import Dialect
from shared.http.openai.errors import bug_reply, http_reply, program_reply, validation_reply
from shared.http.openai.routes import add_routes


def _refuse(given: str) -> NoReturn:
    problem = "Incorrect API key provided." if given else "No API key was sent."
    raise HTTPException(401, f"{problem} Send Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"})


dialect = Dialect(
    name="openai",
    title="OpenAI-compatible",
    description="Pictures and clips for the SDKs of OpenAI: /v1/images, /v1/videos, /v1/models.",
    add_routes=add_routes,
    key=KeyRule(any_key, _refuse),
    security=HTTPBearer(auto_error=False),
    open_paths=("/v1/images/files/",),
    errors={
        RequestValidationError: validation_reply, WanGPError: program_reply, StarletteHTTPException: http_reply,
        Exception: bug_reply,
    },
    order=40,
)  # fmt: skip
