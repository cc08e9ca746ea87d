"""The addresses of the results under /wangp: pages of the gallery, files, thumbnails, comparisons and commands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse

from shared.api import HistoryQuery
from shared.core.errors import WanGPError
from shared.ui.compare import differences
from shared.ui.gallery import Gallery, finishing_choices
from shared.ui.imports import inspect_file
from shared.ui.run import uploaded_paths
from shared.ui.task_view import result_row

PAGE_SIZE = 24
MOST_A_PAGE = 200
# Decoding takes a core each: more at once would only keep the rest of the page waiting.
THUMBNAILS_AT_ONCE = 2
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
NEVER = {"Cache-Control": "no-store"}


async def json_body(request: Request) -> dict[str, Any]:
    """The values of a command. Only JSON is taken: a page of another site cannot send that without being asked."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(415, "Send JSON.")
    try:
        values = await request.json()
    except ValueError:
        raise HTTPException(422, "This is no JSON.") from None
    if not isinstance(values, dict):
        raise HTTPException(422, "Send a JSON object.")
    return values


Values = Annotated[dict[str, Any], Depends(json_body)]


def add_results(router: APIRouter, runtime: Any, gallery: Gallery) -> None:
    """All addresses of the results."""
    _add_lists(router, runtime)
    _add_commands(router, runtime, gallery)
    _add_thumbnails(router, runtime, gallery)
    _add_files(router, runtime)


def _add_lists(router: APIRouter, runtime: Any) -> None:
    @router.get("/results")
    def results(
        query: Annotated[HistoryQuery, Depends(_query)], offset: int = 0, limit: int = PAGE_SIZE
    ) -> JSONResponse:
        limit, offset = max(1, min(limit, MOST_A_PAGE)), max(0, offset)
        entries = runtime.history.page(query, limit, offset)
        is_all = offset == 0 and len(entries) < limit
        rows = [result_row(entry, _model_name(runtime, entry)) for entry in entries]
        total = len(entries) if is_all else runtime.history.count(query)
        body = {"results": rows, "next": offset + len(entries), "total": total}
        return JSONResponse(body, headers=NEVER)

    @router.get("/results/known")
    def known(ids: str) -> JSONResponse:
        """The results of these ids (`1,2,3`) that are still in the history, also from the trash."""
        numbers = [int(number) for number in ids.split(",")[:MOST_A_PAGE] if number.isdecimal()]
        entries = [entry for number in numbers if (entry := runtime.history.get(number)) is not None]
        return JSONResponse({"results": [result_row(entry, _model_name(runtime, entry)) for entry in entries]})

    @router.get("/results/facets")
    def facets() -> JSONResponse:
        """What the gallery can be filtered by, and what is in the trash."""
        models = runtime.registry.models()
        found = [
            {"id": name, "name": models[name].name if name in models else name, "count": count}
            for name, count in runtime.history.models().items() if name
        ]  # fmt: skip
        trash = runtime.history.trash
        body = {
            "models": sorted(found, key=lambda model: str(model["name"]).casefold()),
            "trash": {"count": len(trash.ids()), "bytes": trash.size_bytes()},
            "finishing": finishing_choices(runtime.registry),
        }
        return JSONResponse(body, headers=NEVER)

    @router.get("/results/{left}/compare/{right}")
    def compare(left: int, right: int) -> JSONResponse:
        entries = [_entry(runtime, number) for number in (left, right)]
        rows = differences(entries[0].settings, entries[1].settings, runtime.registry)
        sides = [_details(runtime, entry) for entry in entries]
        return JSONResponse({"left": sides[0], "right": sides[1], "differences": rows}, headers=NEVER)

    @router.get("/results/{output_id}/details")
    def details(output_id: int) -> JSONResponse:
        return JSONResponse(_details(runtime, _entry(runtime, output_id)), headers=NEVER)


def _query(
    words: str = "",
    model: str = "",
    kind: Literal["", "video", "image", "audio"] = "",
    since: float | None = None,
    until: float | None = None,
    favourites: bool = False,
    trash: bool = False,
) -> HistoryQuery:
    return HistoryQuery(words[:500], model, kind or None, since, until, favourites, trash)


def _add_commands(router: APIRouter, runtime: Any, gallery: Gallery) -> None:
    @router.post("/results/{action}")
    async def command(action: str, values: Values) -> JSONResponse:
        try:
            return JSONResponse(await run_in_threadpool(gallery.command, action, values))
        except (WanGPError, ValueError, TypeError) as error:
            return JSONResponse({"text": str(error)}, 409)

    @router.get("/inspect")
    def inspect(path: str, name: str) -> JSONResponse:
        """What a file that was uploaded to this page says of itself."""
        paths = uploaded_paths(path)
        if not paths:
            raise HTTPException(404, "This file was not uploaded here.")
        try:
            return JSONResponse(inspect_file(runtime, Path(paths[0]), name), headers=NEVER)
        except WanGPError as error:
            return JSONResponse({"text": str(error)}, 409)


def _add_thumbnails(router: APIRouter, runtime: Any, gallery: Gallery) -> None:
    places = asyncio.Semaphore(THUMBNAILS_AT_ONCE)

    @router.get("/results/{output_id}/thumbnail.jpg")
    async def thumbnail(output_id: int) -> Response:
        entry = await run_in_threadpool(_entry, runtime, output_id)
        kept = gallery.thumbnails.kept(entry)
        if kept is not None:
            return FileResponse(kept, media_type="image/jpeg", headers=FOREVER)
        async with places:
            made = b"" if entry.is_missing else await run_in_threadpool(gallery.thumbnails.make, entry)
        if not made:
            # An answer, not an error: the tile shows what it is instead.
            return Response(status_code=204, headers=NEVER)
        return Response(made, media_type="image/jpeg", headers=FOREVER)


def _add_files(router: APIRouter, runtime: Any) -> None:
    @router.get("/results/{output_id}/settings.json")
    def settings_file(output_id: int, download: bool = False) -> Response:
        entry = _entry(runtime, output_id)
        settings = {name: value for name, value in entry.settings.items() if name != "client_id"}
        text = json.dumps(settings, ensure_ascii=False, indent=2)
        headers = {**NEVER, **(_as_download(Path(entry.path).stem + ".json") if download else {})}
        return Response(text, media_type="application/json", headers=headers)

    @router.get("/results/{output_id}/{name}")
    def file(output_id: int, name: str, download: bool = False) -> FileResponse:
        entry = _entry(runtime, output_id)
        if entry.is_missing:
            raise HTTPException(404, "This result is no longer on disk.")
        return FileResponse(entry.path, headers=_as_download(Path(entry.path).name) if download else {})


def _entry(runtime: Any, output_id: int) -> Any:
    entry = runtime.history.get(output_id)
    if entry is None:
        raise HTTPException(404, "This result is not in the history.")
    return entry


def _details(runtime: Any, entry: Any) -> dict[str, Any]:
    """All that is known of a result."""
    facts = {name: getattr(entry, name) for name in ("width", "height", "frames", "fps", "duration_s")}
    path = Path(entry.path)
    settings = {name: value for name, value in entry.settings.items() if name != "client_id"}
    return {
        **result_row(entry, _model_name(runtime, entry)), **facts, "prompt": entry.prompt, "settings": settings,
        "bytes": None if entry.is_missing else path.stat().st_size, "folder": str(path.parent),
    }  # fmt: skip


def _as_download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def _model_name(runtime: Any, entry: Any) -> str:
    model_type = str(entry.settings.get("model_type") or "")
    model = runtime.registry.models().get(model_type)
    return model.name if model is not None else model_type
