"""The page's own addresses under /wangp: the event stream, thumbnails, results, and the queue as a file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from shared.core.errors import WanGPError
from shared.ui.form_routes import add_form_routes
from shared.ui.live import LiveFeed
from shared.ui.program_routes import add_program_routes
from shared.ui.queue_panel import saved_queue
from shared.ui.task_view import result_row, task_picture
from shared.ui.thumbnails import Thumbnails, picture_thumbnail
from shared.ui.windows import Windows

ASSETS = Path(__file__).parent / "assets"
PREFIX = "/wangp"
PAGE_SIZE = 24
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
NEVER = {"Cache-Control": "no-store"}


def page_routes(runtime: Any, feed: LiveFeed, windows: Windows, is_allowed: Callable[[Request], bool]) -> APIRouter:
    """All routes of the page; each but the assets asks `is_allowed` first (401)."""

    def login_needed(request: Request) -> None:
        if not is_allowed(request):
            raise HTTPException(401, "Log in on the page first.")

    router = APIRouter(prefix=PREFIX, dependencies=[Depends(login_needed)], include_in_schema=False)
    _add_stream(router, feed, windows)
    _add_queue(router, runtime)
    _add_results(router, runtime)
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
            raise HTTPException(404, "There is no preview of this task.")
        return Response(jpeg, media_type="image/jpeg", headers=NEVER)


def _add_queue(router: APIRouter, runtime: Any) -> None:
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
        body = {"text": "", "fits": True} if need is None else {"text": need.text, "fits": need.fits}
        return JSONResponse(body, headers=NEVER)


def _add_results(router: APIRouter, runtime: Any) -> None:
    thumbnails = Thumbnails(Path(runtime.config_dir) / "thumbnails")

    def entry_of(output_id: int) -> Any:
        entry = runtime.history.get(output_id)
        if entry is None or not Path(entry.path).is_file():
            raise HTTPException(404, "This result is no longer on disk.")
        return entry

    @router.get("/results")
    def results(offset: int = 0, limit: int = PAGE_SIZE) -> JSONResponse:
        entries = runtime.history.list(limit=max(1, min(limit, 200)), offset=max(0, offset))
        rows = [result_row(entry, _model_name(runtime, entry)) for entry in entries if Path(entry.path).is_file()]
        body = {"results": rows, "next": offset + len(entries), "total": runtime.history.count()}
        return JSONResponse(body, headers=NEVER)

    @router.get("/results/{output_id}/thumbnail.jpg")
    def thumbnail(output_id: int) -> Response:
        entry = entry_of(output_id)
        jpeg = thumbnails.of(entry.path, entry.media_type)
        if not jpeg:
            raise HTTPException(404, "No picture can be made of this result.")
        return Response(jpeg, media_type="image/jpeg", headers=FOREVER)

    @router.get("/results/{output_id}/settings.json")
    def settings_file(output_id: int, download: bool = False) -> Response:
        entry = entry_of(output_id)
        settings = {name: value for name, value in (entry.settings or {}).items() if name != "client_id"}
        text = json.dumps(settings, ensure_ascii=False, indent=2)
        headers = {**NEVER, **(_as_download(Path(entry.path).stem + ".json") if download else {})}
        return Response(text, media_type="application/json", headers=headers)

    @router.get("/results/{output_id}/{name}")
    def file(output_id: int, name: str, download: bool = False) -> FileResponse:
        entry = entry_of(output_id)
        return FileResponse(entry.path, headers=_as_download(Path(entry.path).name) if download else {})


def _as_download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def _model_name(runtime: Any, entry: Any) -> str:
    model_type = str((entry.settings or {}).get("model_type") or "")
    model = runtime.registry.models().get(model_type)
    return model.name if model is not None else model_type
