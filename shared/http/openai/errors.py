"""Refusals in the form that the SDK of OpenAI reads."""

from __future__ import annotations

import logging
from typing import Any

from fastapi.exceptions import HTTPException, RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.core.errors import WanGPError
from shared.http.inputs import FieldError
from shared.http.jobs import QueueFull
from shared.http.replies import JSONReply, status_of, validation_details

log = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def error_body(message: str, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The body of a refusal."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


async def validation_reply(request: Request, error: RequestValidationError) -> Response:
    """A field that cannot be used: 400."""
    details = validation_details(error)
    names = [".".join(str(part) for part in one["loc"][1:]) for one in details]
    message = " ".join(f"{name or 'body'}: {one['msg']}." for name, one in zip(names, details, strict=True))
    return JSONReply(error_body(message, 400, names[0] or None, "invalid_value"), status_code=400)


async def program_reply(request: Request, error: WanGPError) -> Response:
    """What the program refuses."""
    if isinstance(error, FieldError):
        param = ".".join(str(part) for part in error.field)
        return JSONReply(error_body(str(error), 400, param, "invalid_value"), status_code=400)
    status = 400 if status_of(error) == 422 else status_of(error)
    code = "queue_full" if isinstance(error, QueueFull) else None
    return JSONReply(error_body(str(error), status, None, code), status_code=status)


async def http_reply(request: Request, error: StarletteHTTPException) -> Response:
    """A refusal by its status."""
    code = {401: "invalid_api_key", 404: "not_found"}.get(error.status_code)
    body = error_body(str(error.detail), error.status_code, None, code)
    return JSONReply(body, status_code=error.status_code, headers=error.headers)


async def bug_reply(request: Request, error: Exception) -> Response:
    """An error of the program."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONReply(error_body("An error of the program; its console has the details.", 500), status_code=500)


def not_found(what: str) -> HTTPException:
    """There is no such thing."""
    return HTTPException(404, f"There is no such {what}.")
