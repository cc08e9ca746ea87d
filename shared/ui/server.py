"""One port for page and services: FastAPI with the Gradio page mounted, run by uvicorn."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from starlette.routing import BaseRoute, Mount

from shared.core import listening
from shared.core.errors import WanGPError
from shared.core.listening import EVERY_ADDRESS, KEEP_ALIVE_S, PortError, shown_host
from shared.core.version import VERSION
from shared.ui.live import LiveFeed
from shared.ui.panels import page_head, page_options
from shared.ui.routes import PREFIX, assets, page_routes
from shared.ui.shell import PageShell
from shared.ui.texts import say
from shared.ui.theme import page_theme

log = logging.getLogger(__name__)

QUEUE_SLEEP_S = 0.03
SECONDS_TO_END = 2


def serve_page(build: Callable[[Any], Any], runtime: Any, args: Any, services: Sequence[BaseRoute] = ()) -> bool:
    """Serve the page that `build` makes, with the routes of `services` before it, until the program is told to end.

    True when the page asked for a restart. Raises WanGPError, before anything is built, when the address cannot be
    listened on.
    """
    login = login_of(args.auth)
    host = EVERY_ADDRESS if args.listen else args.server_name
    listener = open_port(host, args.server_port)
    port = listener.getsockname()[1]
    page = build(runtime)
    app = web_app(page, runtime, login, (host, port), services)
    server = uvicorn.Server(uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=SECONDS_TO_END, lifespan="on",
        server_header=False, timeout_keep_alive=KEEP_ALIVE_S,
    ))  # fmt: skip
    wants_restart = threading.Event()

    def restart() -> None:
        wants_restart.set()
        server.should_exit = True

    app.state.restart = page.plugins.restart = restart
    url = f"http://{shown_host(host)}:{port}"
    threading.Thread(target=_announce, args=(server, url, args.open_browser), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        server.run(sockets=[listener])
    return wants_restart.is_set()


def open_port(host: str, port: int) -> socket.socket:
    """A listening socket. Raises WanGPError with what to do when the address is taken or cannot be used."""
    try:
        return listening.open_port(host, port)
    except PortError as error:
        url = f"http://{shown_host(host)}:{port}"
        text = (
            say("port_taken", host=host, port=port, url=url)
            if error.is_taken
            else say("address_unusable", host=host, port=port, reason=error.reason)
        )
        raise WanGPError(text) from error


def login_of(text: str) -> tuple[str, str] | None:
    """User and password of `--auth USER:PASSWORD`. Raises WanGPError for another form."""
    if not text:
        return None
    user, separator, password = text.partition(":")
    if not (user and separator and password):
        raise WanGPError(say("bad_auth", value=text))
    return user, password


def web_app(
    page: Any, runtime: Any, login: tuple[str, str] | None, address: tuple[str, int], services: Sequence[BaseRoute] = ()
) -> FastAPI:
    """The application of the one port: the page's own addresses, the routes of services, then Gradio."""
    feed = LiveFeed(runtime)

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        feed.start()
        page.windows.start()
        page.plugins.started()
        yield
        page.plugins.close()
        feed.close()
        page.windows.close()

    app = FastAPI(title=say("title"), lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    page.handlers.tell_windows = feed.tell
    app.mount(f"{PREFIX}/assets", assets())
    app.include_router(page_routes(runtime, feed, page.windows, page.queue, _login_check(login)))
    app.router.routes.extend(services)
    page.blocks.queue(default_concurrency_limit=None)
    gr.mount_gradio_app(
        app, page.blocks, path="/", server_name=address[0], server_port=address[1], footer_links=[], auth=login,
        theme=page_theme(), run_history=False, show_error=True, ssr_mode=False, mcp_server=False, pwa=False,
        allowed_paths=[], enable_monitoring=False,
    )  # fmt: skip
    app.state.gradio = next(route.app for route in reversed(app.routes) if isinstance(route, Mount))
    _calm_down(page.blocks)
    app.add_middleware(
        PageShell, head=lambda options: page_head(page.form.names, VERSION, options, page.plugins.scripts()),
        is_shared=login is None, options=lambda: page_options(runtime.config),
    )  # fmt: skip
    return app


def _calm_down(blocks: gr.Blocks) -> None:
    """Two habits of Gradio 6.31 that cost an idle page: its queue looks for work every millisecond (4 % of a core),
    and each window holds a heartbeat connection of the six that a browser allows to one host over all its windows.
    Windows are watched by their event stream instead (windows.py).
    """
    blocks._queue.sleep_when_free = QUEUE_SLEEP_S
    blocks._queue.progress_update_sleep_when_free = QUEUE_SLEEP_S
    blocks.config["connect_heartbeat"] = False


def _login_check(login: tuple[str, str] | None) -> Callable[[Request], bool]:
    """Whether a request to the page's own addresses comes from someone who logged in on the Gradio page."""

    def is_allowed(request: Request) -> bool:
        if login is None:
            return True
        gradio_app = request.app.state.gradio
        names = (f"access-token-{gradio_app.cookie_id}", f"access-token-unsecure-{gradio_app.cookie_id}")
        return any(request.cookies.get(name) in gradio_app.tokens for name in names)

    return is_allowed


def _announce(server: uvicorn.Server, url: str, opens_browser: bool) -> None:
    """Tell the address once the port answers."""
    ended = threading.Event()
    while not server.started and not server.should_exit:
        ended.wait(0.05)
    if server.started:
        log.warning("%s", say("serving", url=url))
        if opens_browser:
            webbrowser.open(url)
