"""What an HTTP service is: routes in a foreign vocabulary over the one core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from shared.http.auth import KeyRule

if TYPE_CHECKING:
    from shared.http.context import ServiceContext

ErrorReply = Callable[[Request, Any], Awaitable[Response]]


@dataclass(frozen=True)
class Dialect:
    """One HTTP API. Its folder under shared/http offers it as `dialect`; nothing else has to be told.

    `name` is the id (its jobs are found under it), `add_routes` writes its endpoints into a router. `key` says how the
    key is brought, `open_paths` (prefixes; "/" is that address alone) need none. `port_flag` names the flag of a port
    of its own. `errors` maps exception classes to replies where they differ from replies.py. `content_types` tells for
    paths that two services have which request bodies are this one's, as a prefix of the media type. `security` is
    FastAPI's description of the key, for the OpenAPI page. Services of a lower `order` are asked first.
    """

    name: str
    title: str
    description: str
    add_routes: Callable[[APIRouter, ServiceContext], None]
    key: KeyRule
    security: Any = None
    port_flag: str = ""
    open_paths: tuple[str, ...] = ()
    errors: Mapping[type[Exception], ErrorReply] = field(default_factory=dict)
    content_types: Mapping[str, str] = field(default_factory=dict)
    order: int = 100

    def needs_key(self, path: str) -> bool:
        """Whether a path is answered to holders of the key alone."""
        return not any(path == one or (one != "/" and path.startswith(one)) for one in self.open_paths)

    def takes(self, scope: Scope) -> bool:
        """Whether a request for a path of two services is meant for this one."""
        wanted = self.content_types.get(scope["path"])
        if wanted is None or scope["method"] != "POST":
            return True
        given = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        return given.decode("latin-1").strip().lower().startswith(wanted)
