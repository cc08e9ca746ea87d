"""The HTML around the Gradio page: our head put into it, and the finished page kept, as it is the same for all."""

from __future__ import annotations

import gzip
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_PAGES = 8


class PageShell:
    """ASGI middleware: `GET /` with `head` in it.

    Without a login every visitor gets the same page, so the answer is kept for each address that the page is reached
    by: Gradio 6.31 writes out the whole form anew at each visit (20 ms on a small machine, where this takes 1).
    """

    def __init__(self, app: ASGIApp, head: str, is_shared: bool) -> None:
        self.app, self.head, self.is_shared = app, head.encode(), is_shared
        self._kept: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `GET /` with the page, hand on everything else."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        key = _address(scope)
        pages = self._kept.get(key) if self.is_shared else None
        if pages is None:
            status, headers, body = await self._made(scope, receive)
            if status != 200 or b"</head>" not in body:
                await _answer(send, status, headers, body)
                return
            body = body.replace(b"</head>", self.head + b"</head>", 1)
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
    return scope.get("scheme"), scope.get("root_path"), scope.get("query_string"), named


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
