"""What the service for all jobs gives."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

Stage = Literal["waiting", "running", "done", "failed", "cancelled"]


class Result(BaseModel):
    """A file that a job has made."""

    url: str
    name: str
    seed: int | None = None


class JobReply(BaseModel):
    """A job of any service; times in seconds since 1970, `progress` 0 to 100, `position` among the waiting from 1."""

    id: str
    service: str
    kind: str
    state: Stage
    position: int | None = None
    progress: int
    step: int | None = None
    steps: int | None = None
    status: str
    created: float
    started: float | None = None
    finished: float | None = None
    error: str | None = None
    notes: list[str]
    results: list[Result]
    preview_url: str | None = None


class JobsReply(BaseModel):
    """The jobs that wait and run in their order, then those that have ended, newest first."""

    active: list[JobReply]
    ended: list[JobReply]


class CancelReply(BaseModel):
    """Whether the job was ended by this request, and its state."""

    id: str
    cancelled: bool
    state: Stage


class Health(BaseModel):
    """How the program is."""

    status: Literal["ok", "ending"]
    version: str
    uptime_s: float
    waiting: int
    running: int


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str
