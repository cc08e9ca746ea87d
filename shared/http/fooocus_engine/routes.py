"""The endpoints of FooocusAPI."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared.core.errors import MediaError
from shared.http.events import event_stream
from shared.http.files import IMAGE_TYPES, image_type, picture
from shared.http.fooocus_engine import mapping
from shared.http.fooocus_engine.schemas import (
    DescribeRequest,
    Description,
    GenerateRequest,
    Message,
    Refusal,
    Task,
    Tasks,
)
from shared.http.fooocus_engine.service import NAME, EngineService
from shared.http.fooocus_tools import NO_PICTURE, add_tools
from shared.http.inputs import FieldError
from shared.http.jobs import Job
from shared.http.replies import JSONReply, collected_headers, header_text, note, unknown_in, warn
from shared.http.tools import describe

if TYPE_CHECKING:
    from shared.http.context import ServiceContext

# The pause after an event: readers of this API parse one network packet as one event.
EVENT_PAUSE_S = 0.01
MOST_ON_A_PAGE = 1000
SYNC_REPLY = "fooocusapi_sync_reply"
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"model": Refusal, "description": "No key, or a wrong one"},
    422: {"model": Refusal, "description": "A request that cannot be run"},
    429: {"model": Refusal, "description": "Too many tasks"},
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def add_routes(router: APIRouter, context: ServiceContext) -> None:
    """All endpoints."""
    service = context.once(NAME, lambda: EngineService(context))
    _add_generate(router, service)
    _add_control(router, service)
    _add_tasks(router, service)
    _add_files(router, service)
    add_tools(router, context, REFUSALS)
    _add_describe(router, context)


def _add_generate(router: APIRouter, service: EngineService) -> None:
    responses: dict[int | str, dict[str, Any]] = {
        **REFUSALS,
        200: {"model": Task, "content": {"image/png": {}, "text/event-stream": {}}},
        204: {"description": "No picture was made."},
    }

    @router.post("/v1/engine/generate/", responses=responses)
    @router.post("/v1/engine/generate", include_in_schema=False)
    async def generate(request: Request, wish: GenerateRequest) -> Response:
        """Make pictures: at once a task (`async_process`), its progress (`stream_output`), or the finished picture."""
        wants_stream, wants_task = wish.stream_output, wish.async_process
        wants_json = not (wants_stream or wants_task) and _wants_json(request, service)
        if not (wants_stream or wants_task or wants_json):
            wish.image_number = 1
        job, record = await service.queue(request, wish)
        if wants_stream:
            reply: Response = event_stream(_events(service, job, mapping.images_of(record)))
            reply.headers.update(collected_headers(request))
            return reply
        if wants_task:
            return JSONReply(Task(task_id=job.id).model_dump())
        await service.context.jobs.ended_job(job)
        if wants_json:
            return JSONReply(await service.task(job.id))
        return await _bytes(request, job)


def _wants_json(request: Request, service: EngineService) -> bool:
    """Whether a client that waits gets the record rather than the picture: by its Accept header, else as configured."""
    accept = request.headers.get("accept", "").lower()
    if image_type(accept) is not None or accept.startswith("image/"):
        return False
    if "application/json" in accept:
        return True
    return bool(service.context.runtime.config.get(SYNC_REPLY) == "json")


async def _bytes(request: Request, job: Job) -> Response:
    made = [path for one in job.made if (path := Path(one.path)).is_file()]
    if not made:
        warn(request, job.error or "")
        return Response(status_code=204, headers=collected_headers(request))
    accept = request.headers.get("accept", "")
    wished = image_type(accept) or IMAGE_TYPES.get(made[0].suffix.lower(), "image/png")
    try:
        return Response(await picture(made[0], wished), media_type=wished)
    except MediaError as error:
        return Response(status_code=204, headers={"X-WanGP-Warnings": header_text([str(error)])})


async def _events(service: EngineService, job: Job, images: int) -> AsyncIterator[bytes]:
    """The progress of a job as frames; the last one, whatever the end was, says Finished."""
    told: dict[str, Any] = {"progress": 0}
    shown: bytes | None = None
    async for now in service.context.jobs.changes(job):
        if now.is_over:
            break
        is_new = now.preview is not shown
        shown = now.preview
        preview = await service.preview(now) if is_new else None
        uri = f"data:image/png;base64,{preview}" if preview else None
        event = mapping.stream_event(now, images, uri, told["progress"])
        if preview or {**event, "preview": None} != {**told, "preview": None}:
            told = event
            yield mapping.frame(event)
            await asyncio.sleep(EVENT_PAUSE_S)
    if job.error:
        yield mapping.frame({**told, "preview": None, "message": job.error, "images": []})
        await asyncio.sleep(EVENT_PAUSE_S)
    yield mapping.frame(mapping.last_event(service.urls(job)))


def _add_control(router: APIRouter, service: EngineService) -> None:
    @router.post("/v1/engine/control")
    @router.post("/v1/engine/control/", include_in_schema=False)
    async def control(action: str) -> Message:
        """End the running task (`stop`), or skip the picture that it is making (`skip`)."""
        if action not in ("stop", "skip"):
            return Message(message="Invalid control action")
        if not await service.context.in_thread(service.stop, only_this_picture=action == "skip"):
            return Message(message="No task running")
        return Message(message="task stoped" if action == "stop" else "task skiped")


def _add_tasks(router: APIRouter, service: EngineService) -> None:
    @router.get("/tasks", response_model=Tasks)
    @router.get("/tasks/", include_in_schema=False)
    async def tasks(
        request: Request,
        query: str = "all",
        page: Annotated[int, Query(ge=0)] = 0,
        page_size: Annotated[int, Query(ge=1)] = 10,
        start_at: str = "",
        end_at: str = "",
        action: str = "",
    ) -> dict[str, Any]:
        """The tasks that have ended, the running one and those that wait; `action=delete` deletes a range of time."""
        found: dict[str, Any] = {"history": [], "current": [], "pending": []}
        try:
            times = mapping.time_range(start_at, end_at, time.time())
        except ValueError as error:
            raise FieldError("end_at", str(error)) from error
        if action == "delete":
            await _delete(request, service, times)
            return found
        size = min(page_size, MOST_ON_A_PAGE)
        in_thread = service.context.in_thread
        if query in ("all", "history"):
            work = service.records.between if times else service.records.newest
            records = await in_thread(work, *(times or (page, size)))
            found["history"] = [record.as_dict() for record in records]
        if query in ("all", "current"):
            found["current"] = await service.current()
        if query in ("all", "pending"):
            found["pending"] = (await in_thread(service.pending))[page * size : (page + 1) * size]
        return found

    @router.get("/tasks/{task_id}", response_model=None)
    async def task(task_id: str) -> dict[str, Any]:
        """One task."""
        found = await service.task(task_id)
        if found is None:
            raise HTTPException(404, "There is no such task.")
        return found


async def _delete(request: Request, service: EngineService, times: tuple[int, int] | None) -> None:
    if times is None:
        warn(request, "Nothing was deleted: give a start_at that lies before end_at.")
        return
    count = await service.context.in_thread(service.remove, *times)
    note(request, f"{count} tasks were deleted.")


def _add_describe(router: APIRouter, context: ServiceContext) -> None:
    @router.post("/v1/tools/describe-image", responses=REFUSALS)
    async def describe_image(request: Request, wish: DescribeRequest) -> Description:
        """A sentence or tags for a picture."""
        warn(request, *unknown_in(wish))
        path = await context.inputs.save(wish.image, "image")
        if path is None:
            raise FieldError("image", NO_PICTURE)
        return Description(describe=await describe(context, path, wish.image_type.lower()))


def _add_files(router: APIRouter, service: EngineService) -> None:
    @router.get("/outputs/{day}/{name}")
    async def output(request: Request, day: str, name: str) -> Response:
        """A result; a picture in the format of the Accept header."""
        if not _DAY.fullmatch(day):
            return Response(status_code=404)
        return await service.outputs.reply(day, name, accept=request.headers.get("accept", ""))

    @router.get("/inputs/{name}")
    async def kept_input(request: Request, name: str) -> Response:
        """A picture that a request brought."""
        return await service.inputs.reply(name, accept=request.headers.get("accept", ""))

    @router.get("/", include_in_schema=False)
    async def start() -> Response:
        return RedirectResponse("/docs", 307)
