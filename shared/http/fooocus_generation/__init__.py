"""Fooocus-API: pictures in the vocabulary of Fooocus, as JSON (version 2) and as forms (version 1)."""

from __future__ import annotations

from fastapi import HTTPException
from fastapi.security import APIKeyHeader

from shared.http.auth import KeyRule, header_key
from shared.http.dialect import Dialect
from shared.http.fooocus_generation.generation import NAME
from shared.http.fooocus_generation.routes import add_routes


def _refuse(given: str) -> None:
    raise HTTPException(403, "Forbidden")


dialect = Dialect(
    name=NAME,
    title="Fooocus-API",
    description="Pictures for clients of Fooocus-API.",
    add_routes=add_routes,
    key=KeyRule(header_key("X-API-KEY"), _refuse),
    security=APIKeyHeader(name="X-API-KEY", auto_error=False),
    port_flag="fooocus_api_port",
    open_paths=("/files/",),
    content_types={"/v1/tools/describe-image": "multipart/"},
    order=10,
)

__all__ = ["dialect"]
