"""The HTML around the Gradio page: our head put into it, its texts in the visitor's language, and the page kept."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.ui.texts import USUAL, current_language, language_of, translate_component

Options = dict[str, Any]
LANGUAGE = "wangp.language"  # in the ASGI scope of each request
MOST_PAGES = 16
_GRADIO_CONFIG = re.compile(rb"window\.gradio_config = (\{.*?\});</script>", re.DOTALL)


class PageShell:
    """ASGI middleware: `GET /` with `head(options)` in it; every request in the language of its visitor.

    Without a login every visitor of a language gets the same page, so the answer is kept for each address that the
    page is reached by: Gradio 6.31 writes out the whole form anew at each visit (20 ms on a small machine, where this
    takes 1). Gradio's own translations follow the browser alone and know no choice on the page, so the components are
    translated here, in the description of the page that Gradio puts into it. `options` are the program's settings
    that the page depends on.
    """

    def __init__(
        self, app: ASGIApp, head: Callable[[Options], str], is_shared: bool, options: Callable[[], Options]
    ) -> None:
        self.app, self.head, self.is_shared, self.options = app, head, is_shared, options
        self._kept: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `GET /` with the page, hand on everything else."""
        if scope["type"] == "http":
            scope[LANGUAGE] = language_of(Headers(scope=scope).items(), str(self.options()["language"] or ""))
            current_language.set(scope[LANGUAGE])
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        options = self.options()
        key = (*_address(scope), *options.values())
        pages = self._kept.get(key) if self.is_shared else None
        if pages is None:
            status, headers, body = await self._made(scope, receive)
            if status != 200 or b"</head>" not in body:
                await _answer(send, status, headers, body)
                return
            body = translated_page(body).replace(b"</head>", self.head(options).encode() + b"</head>", 1)
            pages = (body, gzip.compress(body, 6))
            if self.is_shared and len(self._kept) < MOST_PAGES and not scope.get("query_string"):
                self._kept[key] = pages
        await _answer(send, 200, *_encoded(scope, pages))

    async def _made(self, scope: Scope, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Gradio's own answer, uncompressed."""
        status, headers, parts = 500, [], []
        kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]

        async def collect(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message.get("headers", []))
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self.app({**scope, "headers": kept, "method": "GET"}, receive, collect)
        return status, [pair for pair in headers if pair[0].lower() != b"content-length"], b"".join(parts)


def _address(scope: Scope) -> tuple[Any, ...]:
    wanted = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix")
    named = tuple((name, value) for name, value in scope["headers"] if name in wanted)
    return current_language.get(), scope.get("scheme"), scope.get("root_path"), scope.get("query_string"), named


def translated_page(body: bytes) -> bytes:
    """Gradio's page with its components in the visitor's language."""
    found = _GRADIO_CONFIG.search(body)
    if found is None or current_language.get() == USUAL:
        return body
    config = json.loads(found[1])
    for component in config.get("components", []):
        translate_component(component)
    text = json.dumps(config, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
    return body[: found.start(1)] + text.encode() + body[found.end(1) :]


def _encoded(scope: Scope, pages: tuple[bytes, bytes]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    accepted = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-cache")]
    if b"gzip" in accepted:
        return [*headers, (b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")], pages[1]
    return headers, pages[0]


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
