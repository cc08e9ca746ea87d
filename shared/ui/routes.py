"""The page's own addresses under /wangp: the event stream, thumbnails, results, and the queue as a file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from shared.core.errors import WanGPError
from shared.ui.form_routes import add_form_routes
from shared.ui.gallery import Gallery
from shared.ui.live import LiveFeed
from shared.ui.model_routes import add_models
from shared.ui.program_routes import add_program_routes
from shared.ui.queue_panel import QueuePanel, saved_queue
from shared.ui.result_routes import FOREVER, NEVER, Values, add_results
from shared.ui.task_view import task_picture
from shared.ui.texts import memory_line
from shared.ui.thumbnails import picture_thumbnail
from shared.ui.windows import Windows

ASSETS = Path(__file__).parent / "assets"
PREFIX = "/wangp"


def page_routes(
    runtime: Any, feed: LiveFeed, windows: Windows, queue: QueuePanel, is_allowed: Callable[[Request], bool]
) -> APIRouter:
    """All routes of the page; each but the assets asks `is_allowed` first (401)."""

    def login_needed(request: Request) -> None:
        if not is_allowed(request):
            raise HTTPException(401, "Log in on the page first.")

    router = APIRouter(prefix=PREFIX, dependencies=[Depends(login_needed)], include_in_schema=False)
    _add_stream(router, feed, windows)
    _add_queue(router, runtime, queue)
    add_results(router, runtime, Gallery(runtime, feed.tell))
    add_models(router, runtime)
    _add_memory(router, runtime)
    add_form_routes(router, runtime)
    add_program_routes(router, runtime)
    return router


def assets() -> StaticFiles:
    """Style sheet and scripts of the page."""
    return StaticFiles(directory=ASSETS)


def _add_stream(router: APIRouter, feed: LiveFeed, windows: Windows) -> None:
    @router.get("/events")
    async def events(window: str = "") -> StreamingResponse:
        async def watched() -> Any:
            windows.opened(window)
            try:
                async for message in feed.stream():
                    yield message
            finally:
                windows.closed(window)

        return StreamingResponse(watched(), media_type="text/event-stream", headers=NEVER)

    @router.post("/bye")
    async def bye(window: str = "") -> Response:
        windows.forget(window)
        return Response(status_code=204)

    @router.post("/here")
    async def here(window: str = "") -> Response:
        windows.renew(window)
        return Response(status_code=204)

    @router.get("/preview/{task_id}.jpg")
    async def preview(task_id: int) -> Response:
        jpeg = feed.preview_of(task_id)
        if not jpeg:
            # The task has ended since the window was told of its preview: nothing is wrong.
            return Response(status_code=204, headers=NEVER)
        # Each preview has a number of its own in its address.
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"})


def _add_queue(router: APIRouter, runtime: Any, queue: QueuePanel) -> None:
    @router.post("/queue/{action}")
    async def command(action: str, values: Values) -> JSONResponse:
        try:
            return JSONResponse(await run_in_threadpool(queue.answer, action, values))
        except (WanGPError, ValueError, TypeError) as error:
            return JSONResponse({"done": False, "text": str(error)}, 409)

    @router.get("/tasks/{task_id}/picture.jpg")
    def picture(task_id: int) -> Response:
        task = runtime.queue.get(task_id)
        source = task_picture(task) if task is not None else None
        jpeg = picture_thumbnail(source) if source is not None else b""
        if not jpeg:
            raise HTTPException(404, "This task has no picture.")
        return Response(jpeg, media_type="image/jpeg", headers=FOREVER)

    @router.get("/queue.zip")
    async def queue_file() -> StreamingResponse:
        try:
            content = await run_in_threadpool(saved_queue, runtime)
        except WanGPError as error:
            raise HTTPException(409, str(error)) from error
        return StreamingResponse(
            io.BytesIO(content), media_type="application/zip",
            headers={**NEVER, "Content-Disposition": 'attachment; filename="queue.zip"'},
        )  # fmt: skip


def _add_memory(router: APIRouter, runtime: Any) -> None:
    @router.get("/memory")
    def memory(settings: str) -> JSONResponse:
        """What the form would take of this machine's memory; an empty text where that is not known."""
        try:
            given = json.loads(settings)
        except ValueError:
            raise HTTPException(422, "settings: this is no JSON.") from None
        need = runtime.memory_need(given) if isinstance(given, dict) else None
        body = {"text": "", "fits": True} if need is None else {"text": memory_line(need.text), "fits": need.fits}
        return JSONResponse(body, headers=NEVER)
