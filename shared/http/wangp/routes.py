"""The endpoints for jobs of all services, and for those who run the program."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.requests import Request
from starlette.responses import Response

from shared.core.version import VERSION
from shared.http.events import event_stream
from shared.http.jobs import Job
from shared.http.metrics import resident_bytes
from shared.http.replies import JSONReply
from shared.http.wangp.mapping import frame, to_reply
from shared.http.wangp.schemas import CancelReply, Health, JobReply, JobsReply, Refusal

if TYPE_CHECKING:
    from shared.http.context import ServiceContext

NEVER = {"Cache-Control": "no-store"}
REFUSALS: dict[int | str, dict[str, Any]] = {401: {"model": Refusal}, 404: {"model": Refusal}}


def add_routes(router: APIRouter, context: ServiceContext) -> None:
    """All endpoints."""
    _add_jobs(router, context)
    _add_events(router, context)
    _add_files(router, context)
    _add_operation(router, context)


async def _job(context: ServiceContext, job_id: str) -> Job:
    job = await context.in_thread(context.jobs.get, job_id)
    if job is None:
        raise HTTPException(404, "There is no such job.")
    return job


def _add_jobs(router: APIRouter, context: ServiceContext) -> None:
    def told(job: Job, request: Request) -> JobReply:
        return to_reply(job, context.jobs.position(job), context.base_url(request))

    @router.get("/v1/jobs", responses={401: REFUSALS[401]})
    async def jobs(request: Request, service: str = "", limit: Annotated[int, Query(ge=0, le=500)] = 50) -> JobsReply:
        """The jobs of all services, or of one."""
        active = [told(job, request) for job in context.jobs.active(service)]
        ended = context.jobs.ended(service)[::-1][:limit]
        return JobsReply(active=active, ended=[told(job, request) for job in ended])

    @router.get("/v1/jobs/{job_id}", responses=REFUSALS)
    async def job(request: Request, job_id: str) -> JobReply:
        """One job."""
        return told(await _job(context, job_id), request)

    @router.post("/v1/jobs/{job_id}/cancel", responses=REFUSALS)
    async def cancel(job_id: str) -> CancelReply:
        """End a job: one that waits leaves the queue, one that runs stops at its next step."""
        found = await _job(context, job_id)
        is_cancelled = not found.is_over and await context.in_thread(context.jobs.cancel, found)
        return CancelReply(id=found.id, cancelled=is_cancelled, state=found.stage)


def _add_events(router: APIRouter, context: ServiceContext) -> None:
    @router.get("/v1/jobs/{job_id}/events", responses={**REFUSALS, 200: {"content": {"text/event-stream": {}}}})
    async def events(request: Request, job_id: str) -> Response:
        """The job now and after each change, as server-sent events `job`, until the event `end`."""
        found = await _job(context, job_id)
        return event_stream(_events(context, found, context.base_url(request)))


async def _events(context: ServiceContext, job: Job, base_url: str) -> AsyncIterator[bytes]:
    """A reader that is slow gets fewer events, never older ones."""
    async for now in context.jobs.changes(job):
        reply = to_reply(now, context.jobs.position(now), base_url)
        yield frame("end" if now.is_over else "job", now.version, reply.model_dump())


def _add_files(router: APIRouter, context: ServiceContext) -> None:
    @router.get("/v1/jobs/{job_id}/preview", responses={**REFUSALS, 200: {"content": {"image/jpeg": {}}}})
    async def preview(job_id: str) -> Response:
        """The result as it stands: a JPEG, of a clip its frames side by side."""
        jpeg = (await _job(context, job_id)).preview
        if not jpeg:
            raise HTTPException(404, "There is no preview of this job.")
        return Response(jpeg, media_type="image/jpeg", headers=NEVER)

    @router.get("/v1/jobs/{job_id}/results/{number}", response_class=FileResponse, responses=REFUSALS)
    async def result(job_id: str, number: int) -> Response:
        """A file that the job has made."""
        made = (await _job(context, job_id)).made
        if not 0 <= number < len(made) or not Path(made[number].path).is_file():
            raise HTTPException(404, "There is no such result, or it has been deleted.")
        return FileResponse(made[number].path)


def _add_operation(router: APIRouter, context: ServiceContext) -> None:
    def counts() -> dict[str, int]:
        states = [task.status for task in context.runtime.queue.tasks()]
        return {state: states.count(state) for state in ("waiting", "running")}

    @router.get("/health", responses={503: {"model": Health}})
    async def health() -> Response:
        """Whether tasks are taken and run; 503 when the program is ending."""
        is_well = bool(context.runtime.is_serving)
        uptime_s = round(time.time() - context.metrics.started, 1)
        body = Health(status="ok" if is_well else "ending", version=VERSION, uptime_s=uptime_s, **counts())
        return JSONReply(body.model_dump(), status_code=200 if is_well else 503, headers=NEVER)

    @router.get("/metrics", response_class=PlainTextResponse, responses={401: REFUSALS[401]})
    async def metrics() -> Response:
        """Counts in the text format of Prometheus."""
        gauges: list[tuple[str, dict[str, str], float]] = [
            ("wangp_queue_tasks", {"state": state}, count) for state, count in counts().items()
        ]
        gauges += [
            ("wangp_webhooks_waiting", {}, context.webhooks.waiting),
            ("process_start_time_seconds", {}, context.metrics.started),
            ("process_resident_memory_bytes", {}, resident_bytes()),
        ]
        text = context.metrics.text(gauges)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8", headers=NEVER)
