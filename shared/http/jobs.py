"""Jobs of the HTTP services: queued once, followed through the queue's events, awaited without polling.

What a service keeps of a job travels in its task (`plugin_data["service"]`), so the queue's own database remembers
it: after a restart a job is found by its id, goes on, and is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.core.errors import WanGPError
from shared.core.events import Event, Finished, Info, Output, Preview, Progress, QueueChanged, Started, Status
from shared.core.phases import estimate_progress, extract_status_phase_label, normalize_phase, task_fraction
from shared.core.task import ACTIVE_STATUSES

log = logging.getLogger(__name__)

Stage = Literal["waiting", "running", "done", "failed", "cancelled"]
SERVICE = "service"
ENDED_KEPT = 500
PREVIEWS_KEPT = 50


class QueueFull(WanGPError):
    """As many jobs as are allowed wait or run."""


class KeyReused(WanGPError):
    """An idempotency key came again with another request."""


@dataclass(frozen=True)
class Made:
    """A file that a job has made: its absolute path and the settings that make it again."""

    path: str
    settings: Mapping[str, Any]

    @property
    def seed(self) -> int | None:
        """The seed in those settings."""
        return self.settings.get("seed")


@dataclass
class Job:
    """One job as the services tell of it; times in seconds since 1970, `progress` 0..100 and never going back.

    `note` is what the service keeps with it, `kind` its own word for what the job is. `preview` is a JPEG.
    `version` differs after each change.
    """

    id: str
    service: str
    kind: str
    note: Mapping[str, Any]
    created: float
    task_id: int = 0
    stage: Stage = "waiting"
    started: float | None = None
    finished: float | None = None
    progress: int = 0
    step: int | None = None
    steps: int | None = None
    status: str = ""
    error: str | None = None
    preview: bytes | None = None
    made: list[Made] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    version: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.stage not in ACTIVE_STATUSES

    def take(self, event: Event) -> None:
        """Fold one event of its task in; the version changes last."""
        match event:
            case Started():
                self.stage, self.started = "running", time.time()
                self.made.clear()
            case Progress():
                self._advance(event)
            case Preview(jpeg=jpeg):
                self.preview = jpeg
            case Status(text=text):
                self.status = text
            case Info(text=text):
                self.infos.append(text)
            case Output(path=path, settings=settings):
                if all(made.path != path for made in self.made):
                    self.made.append(Made(path, settings))
            case Finished(outcome=outcome, error=error):
                self.progress = 100 if outcome == "done" else self.progress
                self.error, self.finished = error, time.time()
                self.stage = outcome
        self.version += 1

    def _advance(self, event: Progress) -> None:
        label = event.phase or extract_status_phase_label(event.text)
        percent = estimate_progress(normalize_phase(label), event.step, event.total, label)
        self.progress = max(self.progress, min(99, int(100 * task_fraction(event.text, percent))))
        self.step, self.steps, self.status = event.step, event.total, event.text.split(" | ")[0]


class JobBook:
    """All jobs of the services of one runtime. Thread-safe; may be awaited from any event loop."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._lock = threading.RLock()
        self._submitting = threading.Lock()
        self._active: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._bells: dict[str, set[_Bell]] = {}
        self._on_end: list[Callable[[Job], None]] = []
        self._adopt()
        self._subscription = runtime.queue.subscribe(self._active)
        self._drop_ended()
        self._thread = threading.Thread(target=self._follow, name="wangp-http-jobs", daemon=True)
        self._thread.start()

    def _adopt(self) -> None:
        """Take up the jobs that an earlier run of the program has left in the queue."""
        for task in self._runtime.queue.tasks():
            if task.status in ACTIVE_STATUSES and SERVICE in task.plugin_data:
                self._active[task.client_id] = _job_of(task)

    def _drop_ended(self) -> None:
        """Those of them that ended before their events were listened to are found in the database."""
        for job in list(self._active.values()):
            task = self._runtime.queue.get(job.task_id)
            if task is None or task.status not in ACTIVE_STATUSES:
                del self._active[job.id]

    def on_end(self, tell: Callable[[Job], None]) -> None:
        """Call `tell` with each job that ends, in the book's own thread: it must be quick."""
        self._on_end.append(tell)

    def submit(
        self,
        service: str,
        kind: str,
        settings: Mapping[str, Any],
        *,
        job_id: str,
        note: Mapping[str, Any] | None = None,
        api: Mapping[str, Any] | None = None,
        most: int = 0,
    ) -> Job:
        """Queue settings; the job is on disk when this returns. Blocks for some milliseconds.

        `api` are wishes for the task (`output_dir`), `most` how many jobs of the service may wait and
        run (0: any number). A `job_id` that is known already is that job, queued once. Raises QueueFull, QueueError,
        SettingsError, and KeyReused where the note's "fingerprint" is another.
        """
        with self._submitting:
            known = self.get(job_id)
            if known is not None:
                if known.note.get("fingerprint") != (note or {}).get("fingerprint"):
                    raise KeyReused("This idempotency key was used for another request. Use a fresh one.")
                return known
            if most and len(self.active(service)) >= most:
                raise QueueFull(f"{most} jobs wait or run already. Try again when one has ended.")
            kept = dict(note or {})
            data = {"name": service, "kind": kind, "note": kept}
            job = Job(job_id, service, kind, kept, time.time())
            with self._lock:
                self._active[job_id] = job
            plugin_data = {SERVICE: data, "api": dict(api or {})}
            try:
                job.task_id = self._runtime.submit(settings, client_id=job_id, plugin_data=plugin_data).id
            except BaseException:
                with self._lock:
                    del self._active[job_id]
                raise
            return job

    def get(self, job_id: str, service: str = "") -> Job | None:
        """A job by its id, also one of an earlier run of the program; None for one of another service."""
        with self._lock:
            job = self._active.get(job_id) or self._ended.get(job_id)
        if job is None and job_id:
            report = self._runtime.queue.probe(job_id)
            if report is not None and SERVICE in report.task.plugin_data:
                job = _job_of_report(report)
        return job if job is not None and service in ("", job.service) else None

    async def find(self, job_id: str, service: str = "") -> Job | None:
        """`get` for endpoints: the disk, which a writer may keep busy, is asked in a thread."""
        with self._lock:
            job = self._active.get(job_id) or self._ended.get(job_id)
        if job is None:
            return await asyncio.to_thread(self.get, job_id, service)
        return job if service in ("", job.service) else None

    def active(self, service: str = "") -> list[Job]:
        """The jobs that wait or run, in the order of the queue."""
        with self._lock:
            found = [job for job in self._active.values() if service in ("", job.service)]
        return sorted(found, key=lambda job: (job.stage != "running", job.task_id))

    def ended(self, service: str = "") -> list[Job]:
        """The last jobs that ended since the program started, oldest first."""
        with self._lock:
            return [job for job in self._ended.values() if service in ("", job.service)]

    def history(self, service: str, limit: int, offset: int = 0) -> list[Job]:
        """A page of all ended jobs, newest first, those of earlier runs of the program included. Reads the disk."""
        return [_job_of_report(report) for report in self._runtime.history.tasks_of_service(service, limit, offset)]

    def position(self, job: Job) -> int:
        """The place of a waiting job among all that wait, from 1; 0 when it does not wait."""
        waiting = [task.client_id for task in self._runtime.queue.tasks() if task.status == "waiting"]
        return waiting.index(job.id) + 1 if job.id in waiting else 0

    def cancel(self, job: Job) -> bool:
        """End a waiting or running job; False when it has ended already."""
        return bool(self._runtime.queue.cancel(client_id=job.id))

    def forget(self, job: Job) -> bool:
        """Drop an ended job; its files are left alone. False when it has not ended or is not known any more."""
        with self._lock:
            if job.id in self._active:
                return False
            self._ended.pop(job.id, None)
        self._runtime.queue.remove(job.task_id)
        return bool(self._runtime.history.forget_task(job.id))

    async def changes(self, job: Job) -> AsyncIterator[Job]:
        """The job now and after each change, as fast as the reader takes them, until it is over."""
        with self._listening(job.id) as bell:
            while True:
                version = job.version
                bell.rung.clear()
                yield job
                if job.is_over:
                    return
                if job.version == version:
                    await bell.rung.wait()

    async def ended_job(self, job: Job) -> Job:
        """The job, when it is over."""
        async for _ in self.changes(job):
            pass
        return job

    def close(self) -> None:
        """Stop following; whoever waits goes on waiting until its server ends."""
        self._subscription.close()

    @contextlib.contextmanager
    def _listening(self, job_id: str) -> Any:
        bell = _Bell(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._bells.setdefault(job_id, set()).add(bell)
        try:
            yield bell
        finally:
            with self._lock:
                bells = self._bells.get(job_id, set())
                bells.discard(bell)
                if not bells:
                    self._bells.pop(job_id, None)

    def _follow(self) -> None:
        for event in self._subscription:
            if isinstance(event, QueueChanged):
                continue
            try:
                self._take(event)
            except Exception:
                log.exception("The services could not follow the event %r", type(event).__name__)

    def _take(self, event: Any) -> None:
        with self._lock:
            job = self._active.get(event.client_id)
            if job is None:
                return
            job.task_id = event.task_id
            job.take(event)
            if job.is_over:
                self._end(job)
            bells = list(self._bells.get(job.id, ()))
        if job.is_over:
            self._tell_end(job)
        for bell in bells:
            bell.ring()

    def _tell_end(self, job: Job) -> None:
        for tell in self._on_end:
            try:
                tell(job)
            except Exception:
                log.exception("The end of job %s could not be told", job.id)

    def _end(self, job: Job) -> None:
        del self._active[job.id]
        self._ended[job.id] = job
        while len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        for old in list(self._ended.values())[-PREVIEWS_KEPT - 1 : -PREVIEWS_KEPT]:
            old.preview = None


@dataclass(frozen=True, eq=False)
class _Bell:
    """Wakes one coroutine, whatever loop it runs in."""

    loop: asyncio.AbstractEventLoop
    rung: asyncio.Event

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.rung.set)


def _job_of(task: Any) -> Job:
    data = task.plugin_data[SERVICE]
    return Job(
        task.client_id, str(data.get("name")), str(data.get("kind")), data.get("note") or {}, task.created, task.id,
        stage=task.status, error=task.error,
    )  # fmt: skip


def _job_of_report(report: Any) -> Job:
    job = _job_of(report.task)
    job.started, job.finished = report.started, report.finished
    job.progress = 100 if job.stage == "done" else 0
    job.made = [Made(output.path, output.settings) for output in report.outputs]
    return job
