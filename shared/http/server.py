"""The services found in this folder, all on the page's port and each alone on its own where asked."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import pkgutil
import threading
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import http
from shared.core.errors import WanGPError
from shared.core.listening import EVERY_ADDRESS, KEEP_ALIVE_S, open_port, shown_host
from shared.core.version import VERSION
from shared.http import documentation
from shared.http.context import ServiceContext
from shared.http.dialect import Dialect
from shared.http.inputs import FieldError
from shared.http.metrics import RequestCounter
from shared.http.replies import (
    NOTE_HEADER,
    WARNINGS_HEADER,
    JSONReply,
    collected_headers,
    field_details,
    status_of,
    validation_details,
)

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 100 * 2**20
# A form's text fields are prompts, LoRA lists and settings; pictures come as files.
FORM_LIMITS: Any = {"max_fields": 200, "max_files": 20, "max_part_size": 4 * 2**20}
SECONDS_TO_END = 2
BODY_PAUSE_S = 30.0


def form_of(request: Request) -> Any:
    """The form of a request that an endpoint reads itself, within the limits; an asynchronous context."""
    return request.form(**FORM_LIMITS)


def find_dialects() -> list[Dialect]:
    """The services of this program: each folder beside this file that offers a `dialect`."""
    names = [module.name for module in pkgutil.iter_modules(http.__path__) if module.ispkg]
    found = [importlib.import_module(f"shared.http.{name}").dialect for name in names]
    return sorted(found, key=lambda dialect: (dialect.order, dialect.name))


def make_app(dialect: Dialect, context: ServiceContext) -> FastAPI:
    """The application of one service with its OpenAPI pages; one a context, for whatever ports it has."""
    app = FastAPI(
        title=dialect.title, description=dialect.description, version=VERSION, docs_url=None, redoc_url=None,
        openapi_url=None, redirect_slashes=False, strict_content_type=False, max_body_size=MOST_BODY_BYTES,
        form_limits=FORM_LIMITS, default_response_class=JSONReply,
        dependencies=[Security(dialect.security)] if dialect.security is not None else [],
    )  # fmt: skip
    app.router.route_class = _route_class(dialect, context)
    dialect.add_routes(app.router, context)
    pages = documentation.service_docs(app, "/openapi.json", "/docs", "/redoc")
    app.router.routes.extend([documentation.assets(), *pages])
    for kind, reply in {**_ERRORS, **dialect.errors}.items():
        app.add_exception_handler(kind, reply)
    app.add_middleware(RequestCounter, service=dialect.name, metrics=context.metrics)
    app.add_middleware(BodyPatience)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"], allow_headers=["*"],
        expose_headers=[WARNINGS_HEADER, NOTE_HEADER],
    )  # fmt: skip
    return app


def _route_class(dialect: Dialect, context: ServiceContext) -> type[APIRoute]:
    class ServiceRoute(APIRoute):
        """Asks for the key before the body is read; puts what was warned of into the reply's headers."""

        def get_route_handler(self) -> Callable[[Request], Any]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                if dialect.needs_key(request.url.path):
                    dialect.key.check(request, context.key)
                response = await handler(request)
                response.headers.update(collected_headers(request))
                return response

            return handle

    return ServiceRoute


async def _validation_reply(request: Request, error: RequestValidationError) -> Response:
    return JSONReply({"detail": validation_details(error)}, status_code=422)


async def _error_reply(request: Request, error: WanGPError) -> Response:
    if isinstance(error, FieldError):
        return JSONReply({"detail": field_details(error)}, status_code=422)
    return JSONReply({"detail": str(error)}, status_code=status_of(error))


async def _bug_reply(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONReply({"detail": "An error of the program; its console has the details."}, status_code=500)


_ERRORS: dict[type[Exception], Any] = {
    RequestValidationError: _validation_reply, WanGPError: _error_reply, Exception: _bug_reply,
}  # fmt: skip


class BodyPatience:
    """ASGI middleware: a body that stops coming for half a minute ends its request (408), whatever was promised."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request."""
        is_whole = scope["type"] != "http"

        async def receive_in_time() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), BODY_PAUSE_S)
            except TimeoutError:
                raise HTTPException(408, "The body stopped coming.") from None
            is_whole = not message.get("more_body", False)
            return message

        await self.app(scope, receive_in_time, send)


class ServiceMount(BaseRoute):
    """A service on the shared port: takes the requests for its own endpoints and leaves all others alone.

    `/` stays with the page; what two services have goes to the one whose kind of body it is.
    """

    def __init__(self, dialect: Dialect, app: FastAPI) -> None:
        self.dialect, self.app = dialect, app
        endpoints = [route for route in app.router.routes if isinstance(route, APIRoute)]
        self._endpoints = [route for route in endpoints if route.path != "/"]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the request is for this service, in whatever method."""
        is_mine = scope["type"] == "http" and self.dialect.takes(scope)
        is_mine = is_mine and any(route.matches(scope)[0] is not Match.NONE for route in self._endpoints)
        return (Match.FULL if is_mine else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        await self.app(scope, receive, send)


class Services:
    """All services of a runtime: `routes` for the page's port, ports of their own once `start` is called."""

    def __init__(self, context: ServiceContext, dialects: Sequence[Dialect]) -> None:
        self.context = context
        self.apps = {dialect.name: (dialect, make_app(dialect, context)) for dialect in dialects}
        mounts: list[BaseRoute] = [ServiceMount(dialect, app) for dialect, app in self.apps.values()]
        self.routes: list[BaseRoute] = [*mounts, *documentation.index(self.apps)]
        self._ports: list[_OwnPort] = []

    def start(self) -> None:
        """Listen on the ports that flags ask for. Raises WanGPError for one that is taken."""
        args = self.context.args
        if args.auth and not args.apikey:
            log.warning("--auth protects the page alone; the HTTP services on its port are open without --apikey.")
        host = EVERY_ADDRESS if args.listen else args.server_name
        for dialect, app in self.apps.values():
            port = getattr(args, dialect.port_flag, None) if dialect.port_flag else None
            if port is not None:
                flag = "--" + dialect.port_flag.replace("_", "-")
                listener = open_port(host, port, flag)
                self._ports.append(_OwnPort(app, listener))
                log.warning("%s is ready at http://%s:%s", dialect.title, shown_host(host), listener.getsockname()[1])

    @property
    def ports(self) -> list[int]:
        """The ports of their own, in the order of the services."""
        return [port.number for port in self._ports]

    def close(self) -> None:
        """End the ports and all helpers."""
        for port in self._ports:
            port.close()
        self.context.close()


def open_services(runtime: Any, args: argparse.Namespace) -> Services:
    """The services of a runtime, listening where flags ask for it. Raises WanGPError for a port that is taken."""
    services = Services(ServiceContext(runtime, args), find_dialects())
    try:
        services.start()
    except BaseException:
        services.close()
        raise
    return services


class _OwnPort:
    """A server in a thread of its own."""

    def __init__(self, app: FastAPI, listener: Any) -> None:
        self.number = int(listener.getsockname()[1])
        self._server = uvicorn.Server(uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off",
            timeout_graceful_shutdown=SECONDS_TO_END, timeout_keep_alive=KEEP_ALIVE_S,
        ))  # fmt: skip
        run = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name=f"wangp-port-{self.number}", daemon=True
        )
        run.start()
        self._thread = run

    def close(self) -> None:
        """End it; open requests have two seconds."""
        self._server.should_exit = True
        self._thread.join(SECONDS_TO_END + 1)
