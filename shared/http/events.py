"""Server-sent events: frames for clients that listen, at the pace at which they read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

PING_S = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_stream(frames: AsyncIterator[bytes], ping_s: float = PING_S) -> StreamingResponse:
    """A reply that sends each frame as it comes, and a comment every `ping_s` seconds of silence.

    Nothing is gathered for a client that reads slowly: `frames` is asked for the next one when the last is sent.
    """
    return StreamingResponse(with_pings(frames, ping_s), media_type="text/event-stream", headers=HEADERS)


async def with_pings(frames: AsyncIterator[bytes], ping_s: float) -> AsyncIterator[bytes]:
    """The frames, and a comment whenever none came for `ping_s` seconds, so that no proxy takes the line for dead."""
    next_frame = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            done, _ = await asyncio.wait({next_frame}, timeout=ping_s)
            if not done:
                yield b": ping\r\n\r\n"
                continue
            frame = next_frame.result()
            if frame is None:
                return
            yield frame
            next_frame = asyncio.ensure_future(anext(frames, None))
    finally:
        next_frame.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await next_frame
