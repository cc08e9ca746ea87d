"""FooocusAPI: one endpoint that makes pictures, with records of all that was asked for."""

from __future__ import annotations

from typing import NoReturn

from fastapi.exceptions import HTTPException
from fastapi.security import APIKeyHeader

from shared.http.auth import KeyRule, header_key
from shared.http.dialect import Dialect
from shared.http.fooocus_engine.routes import add_routes


def _refuse(given: str) -> NoReturn:
    raise HTTPException(403, "Forbidden")


dialect = Dialect(
    name="fooocus_engine",
    title="FooocusAPI",
    description="The API of FooocusAPI: one request makes pictures; tasks are kept with all that was asked for.",
    add_routes=add_routes,
    key=KeyRule(header_key("X-API-KEY"), _refuse),
    security=APIKeyHeader(name="X-API-KEY", auto_error=False),
    port_flag="fooocusapi_port",
    open_paths=("/", "/outputs/", "/inputs/"),
    content_types={"/v1/tools/describe-image": "application/json"},
    order=30,
)
