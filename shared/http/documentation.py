"""The OpenAPI pages: Swagger UI and ReDoc from files of the package fastapi-offline, so that nothing is loaded from
elsewhere."""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from shared.http.dialect import Dialect
from shared.http.replies import JSONReply

ASSETS = "/docs/assets"
# Swagger UI's pages need inline scripts of their own; nothing may come from another host.
POLICY = {"Content-Security-Policy": "default-src 'self' data: 'unsafe-inline'; connect-src 'self'; worker-src blob:"}


def service_docs(app: FastAPI, schema_url: str, docs_url: str, redoc_url: str) -> list[BaseRoute]:
    """The schema of one service and the two pages that show it."""

    async def schema(request: Request) -> Response:
        return JSONReply(app.openapi())

    async def swagger(request: Request) -> Response:
        return _own(get_swagger_ui_html(
            openapi_url=schema_url, title=app.title, swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css", swagger_favicon_url=f"{ASSETS}/favicon.png",
        ))  # fmt: skip

    async def redoc(request: Request) -> Response:
        return _own(get_redoc_html(
            openapi_url=schema_url, title=app.title, redoc_js_url=f"{ASSETS}/redoc.standalone.js",
            redoc_favicon_url=f"{ASSETS}/favicon.png", with_google_fonts=False,
        ))  # fmt: skip

    return [Route(schema_url, schema), Route(docs_url, swagger), Route(redoc_url, redoc)]


def assets() -> BaseRoute:
    """The files that the pages load."""
    return Mount(ASSETS, StaticFiles(directory=Path(str(files("fastapi_offline"))) / "static"))


def index(apps: Mapping[str, tuple[Dialect, FastAPI]]) -> list[BaseRoute]:
    """`/docs` of the port that all services share: a list, and the pages of each below it."""
    lines = "".join(
        f'<li><a href="/docs/{name}">{html.escape(dialect.title)}</a>: {html.escape(dialect.description)}</li>'
        for name, (dialect, _) in apps.items()
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>WanGP: HTTP services</title></head>'
        '<body style="font-family: sans-serif; max-width: 50em; margin: 2em auto"><h1>HTTP services</h1>'
        f"<ul>{lines}</ul></body></html>"
    )

    async def listing(request: Request) -> Response:
        return _own(HTMLResponse(page))

    routes: list[BaseRoute] = [assets(), Route("/docs", listing)]
    for name, (_, app) in apps.items():
        routes += service_docs(app, f"/docs/{name}/openapi.json", f"/docs/{name}", f"/docs/{name}/redoc")
    return routes


def _own(page: Response) -> Response:
    page.headers.update(POLICY)
    return page
