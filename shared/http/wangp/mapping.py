"""A job as its watchers see it: pure functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.http.jobs import Job
from shared.http.wangp.schemas import JobReply, Result


def to_reply(job: Job, position: int, base_url: str) -> JobReply:
    """A job; `position` is its place among those that wait (0: it does not)."""
    address = f"{base_url}/v1/jobs/{job.id}"
    return JobReply(
        id=job.id,
        service=job.service,
        kind=job.kind,
        state=job.stage,
        position=position or None,
        progress=job.progress,
        step=job.step,
        steps=job.steps,
        status=job.status,
        created=job.created,
        started=job.started,
        finished=job.finished,
        error=job.error,
        notes=job.infos,
        results=[
            Result(url=f"{address}/results/{number}", name=Path(made.path).name, seed=made.seed)
            for number, made in enumerate(job.made)
        ],
        preview_url=f"{address}/preview" if job.preview else None,
    )


def frame(event: str, version: int, data: dict[str, Any]) -> bytes:
    """A server-sent event."""
    return f"id: {version}\r\nevent: {event}\r\ndata: {json.dumps(data)}\r\n\r\n".encode()
