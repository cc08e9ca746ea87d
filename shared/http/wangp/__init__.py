"""WanGP's own service: jobs of all services with their progress, health and metrics."""

from __future__ import annotations

from typing import NoReturn

from fastapi.exceptions import HTTPException
from fastapi.security import HTTPBearer

from shared.http.auth import KeyRule, any_key
from shared.http.dialect import Dialect
from shared.http.wangp.routes import add_routes


def _refuse(given: str) -> NoReturn:
    raise HTTPException(401, "The API key is missing or wrong.", {"WWW-Authenticate": "Bearer"})


dialect = Dialect(
    name="wangp",
    title="WanGP",
    description="Jobs of all services with their progress as server-sent events, health and metrics.",
    add_routes=add_routes,
    key=KeyRule(any_key, _refuse),
    security=HTTPBearer(auto_error=False),
    open_paths=("/health",),
    order=5,
)
