"""The Wan2.1 image-to-video service: submit, status, cancel."""

from __future__ import annotations

from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from shared.http.auth import KeyRule, bearer_key
from shared.http.dialect import Dialect
from shared.http.replies import JSONReply
from shared.http.wan_i2v.routes import add_routes


def _leave_to_routes(given: str) -> None:
    """The routes ask for the key themselves, after the JSON is read: see routes.py."""


async def _bug_reply(request: Request, error: Exception) -> Response:
    reason = "An error of the program; its console has the details."
    return JSONReply({"detail": {"status": "Failed", "reason": reason}}, status_code=500)


dialect = Dialect(
    name="wan_i2v",
    title="Wan image-to-video",
    description="The service of Wan2.1-I2V: a picture and a prompt become a clip.",
    add_routes=add_routes,
    key=KeyRule(bearer_key, _leave_to_routes),
    security=HTTPBearer(auto_error=False),
    port_flag="wan_api_port",
)
