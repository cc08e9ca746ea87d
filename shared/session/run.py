"""One job from its first event to its last: what the job's thread does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.core.errors import SettingsError, WanGPError
from shared.core.events import (
    Console,
    Event,
    Finished,
    Info,
    Output,
    Preview,
    Progress,
    QueueChanged,
    RefreshModels,
    Started,
    Status,
)
from shared.core.results import (
    CANCELLED_MESSAGE,
    GeneratedArtifact,
    GenerationError,
    GenerationResult,
    StreamMessage,
)
from shared.core.task import Task
from shared.engine.artifacts import as_tensors
from shared.session.callbacks import Listener
from shared.session.job import SessionJob
from shared.session.progress import JobMeter
from shared.session.transport import Transport

_log = logging.getLogger(__name__)

POLL_S = 0.2


@dataclass(frozen=True)
class Entry:
    """A task of the job: its place from 1, the id it came with, what is wrong with it, what was inferred for it."""

    task: Task
    index: int
    submitted_id: Any = None
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Track:
    """What has become of a queued task."""

    entry: Entry
    is_started: bool = False
    outcome: str | None = None
    outputs: list[Output] = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        """Failed, or cancelled while it ran: a task that never began counts neither way."""
        return self.outcome == "failed" or (self.outcome == "cancelled" and self.is_started)


class JobRun:
    """Queues the tasks, tells their events to the caller, and sums up."""

    def __init__(
        self, job: SessionJob, entries: Sequence[Entry], transport: Transport, listener: Listener, *, is_echoing: bool
    ) -> None:
        self._job, self._entries, self._transport, self._listener = job, list(entries), transport, listener
        self._is_echoing = is_echoing
        self._meter = JobMeter(len(entries))
        self._tracks: dict[int, _Track] = {}
        self._errors: list[GenerationError] = []
        self._failure: WanGPError | None = None
        self._is_ending = False

    def queue_tasks(self) -> None:
        """Put the sound tasks into the queue: they are on disk when this returns. Trouble is told by the run."""
        sound = [entry for entry in self._entries if not entry.problem]
        if not sound or self._job.cancel_requested:
            return
        try:
            self._transport.start([entry.task for entry in sound])
            try:
                self._put(sound)
            except SettingsError:
                self._put_one_by_one(sound)
        except WanGPError as error:
            self._failure = error

    def __call__(self) -> None:
        """Run to the end; whatever happens, the job is concluded and its stream closed."""
        try:
            self._tell_started()
            self._tell_problems()
            if self._failure is not None:
                raise self._failure
            self._listen()
        except Exception as error:
            if not isinstance(error, WanGPError):
                _log.exception("A job ended by an error of the program")
            self._fail(GenerationError(str(error) or type(error).__name__, stage="runtime"))
            self._abandon()
        finally:
            result = self._result()
            self._job.conclude(result)
            self._listener.tell("completed", result)
            self._transport.close()
            self._job.end()

    def _put(self, entries: Sequence[Entry]) -> None:
        for entry, task in zip(entries, self._transport.put([entry.task for entry in entries]), strict=True):
            self._tracks[task.id] = _Track(entry)
        self._job.admitted()

    def _put_one_by_one(self, entries: Sequence[Entry]) -> None:
        """One of the tasks cannot be kept in a queue: find it, and let it fail alone."""
        for entry in entries:
            try:
                self._put([entry])
            except SettingsError as error:
                self._entries[self._entries.index(entry)] = replace(entry, problem=str(error))

    def _tell_started(self) -> None:
        started: dict[str, Any] = {"tasks": len(self._entries)}
        if self._transport.backend:
            started["backend"] = self._transport.backend
        self._listener.tell("started", started)

    def _tell_problems(self) -> None:
        for entry in self._entries:
            for note in entry.notes:
                self._print(StreamMessage("stdout", note))
            if entry.problem:
                self._meter.task_finished()
                self._fail(GenerationError(entry.problem, entry.index, entry.submitted_id, "validation"))
        if self._tracks and self._transport.is_page:
            self._listener.tell("status", "Queued in WanGP...")

    def _listen(self) -> None:
        is_told_waiting = not self._transport.is_page
        while any(track.outcome is None for track in self._tracks.values()):
            event = self._transport.get(POLL_S)
            if self._job.cancel_requested and not self._is_ending:
                self._end_all()
            if event is not None:
                self._hear(event)
            elif not is_told_waiting and self._next_is_waiting():
                is_told_waiting = True
                self._listener.tell("status", "Waiting in WanGP queue...")

    def _next_is_waiting(self) -> bool:
        task_id = next((number for number, track in self._tracks.items() if track.outcome is None), None)
        return task_id is not None and self._transport.is_waiting(task_id)

    def _end_all(self) -> None:
        """Cancel what is left, the last task first: none may start because the one before it ended."""
        self._is_ending = True
        for task_id, track in reversed(list(self._tracks.items())):
            if track.outcome is None:
                self._transport.cancel(task_id)

    def _abandon(self) -> None:
        """The job is lost: leave nothing of it in the queue."""
        try:
            self._end_all()
        except WanGPError as error:
            _log.warning("The tasks of a failed job could not be cancelled: %s", error)

    def _hear(self, event: Event) -> None:
        if isinstance(event, QueueChanged) or event.task_id not in self._tracks:
            return
        track, tell = self._tracks[event.task_id], self._listener.tell
        match event:
            case Started():
                track.is_started = True
            case Progress():
                tell("progress", self._meter.step(event))
            case Preview(jpeg=jpeg):
                tell("preview", self._meter.preview(jpeg))
            case Status(text=text):
                tell("status", text)
            case Info(text=text):
                tell("info", text)
            case RefreshModels(token=token):
                tell("refresh_models", token)
            case Console(stream=stream, text=text):
                self._print(StreamMessage(stream, text))
            case Output():
                self._keep(track, event)
            case Finished():
                self._finish(track, event)

    def _print(self, message: StreamMessage) -> None:
        """A line of the generation, for the stream and, where asked for, the console."""
        if self._transport.is_page:
            return
        self._listener.tell("stream", message)
        console = sys.stderr if message.stream == "stderr" else sys.stdout
        if self._is_echoing and console is not None:
            console.write(message.text + "\n")
            console.flush()

    def _keep(self, track: _Track, event: Output) -> None:
        track.is_started = True
        if any(event.index == output.index for output in track.outputs):
            return
        track.outputs.append(event)
        if not self._transport.is_page:
            self._print(StreamMessage("stdout", f"New {event.media_type} saved to Path: {event.path}"))
            self._listener.tell("output", {"client_id": event.client_id, "path": event.path})

    def _finish(self, track: _Track, event: Finished) -> None:
        if track.outcome is not None:
            return
        track.outcome = event.outcome
        self._meter.task_finished()
        where = (track.entry.index, track.entry.submitted_id)
        if event.outcome == "failed":
            message = event.error or f"Task {track.entry.index} did not complete successfully"
            self._fail(GenerationError(message, *where, event.stage or "generation"))
        elif event.outcome == "cancelled":
            self._finish_cancelled(track, where)
        elif self._transport.is_page and not self._tell_page_output(track):
            track.outcome = "failed"
            self._fail(GenerationError("The task ended without an output.", *where, "generation"))

    def _finish_cancelled(self, track: _Track, where: tuple[int, Any]) -> None:
        if track.is_started or not self._is_ending:
            track.is_started = True
            self._fail(GenerationError(CANCELLED_MESSAGE, *where, "cancelled"))
        if not self._transport.is_page and not self._is_ending:
            self._end_all()

    def _tell_page_output(self, track: _Track) -> bool:
        if not track.outputs:
            return False
        last = track.outputs[-1]
        self._listener.tell("output", {"client_id": last.client_id, "path": last.path})
        return True

    def _fail(self, error: GenerationError) -> None:
        self._errors.append(error)
        self._listener.tell("error", error)

    def _result(self) -> GenerationResult:
        tracks = list(self._tracks.values())
        successful = sum(track.outcome == "done" for track in tracks)
        failed = sum(bool(entry.problem) for entry in self._entries) + sum(track.has_failed for track in tracks)
        if self._job.cancel_requested and not any(error.cancelled for error in self._errors):
            untold = len(self._entries) - successful - failed
            if untold:
                self._fail(GenerationError(CANCELLED_MESSAGE, stage="cancelled"))
                failed = max(failed, 1)
        elif self._errors:
            failed = max(failed, 1)
        self._errors.sort(key=lambda error: error.task_index or 0)
        return GenerationResult(
            success=not self._errors,
            generated_files=_files(tracks, one_each=self._transport.is_page),
            errors=list(self._errors),
            total_tasks=len(self._entries),
            successful_tasks=successful,
            failed_tasks=failed,
            artifacts=tuple(_artifacts(tracks)),
        )


def _files(tracks: Sequence[_Track], *, one_each: bool) -> list[str]:
    """Paths without doubles: pictures and clips in the order they were made, then sounds."""
    chosen = [output for track in tracks for output in (track.outputs[-1:] if one_each else track.outputs)]
    chosen.sort(key=lambda output: output.media_type == "audio")
    return list(dict.fromkeys(output.path for output in chosen if output.path))


def _artifacts(tracks: Sequence[_Track]) -> list[GeneratedArtifact]:
    """The media asked for, in the order of the tasks."""
    found = []
    for track in tracks:
        for output in track.outputs:
            payload = None if output.artifact is None else as_tensors(output.artifact)
            artifact = GeneratedArtifact.from_payload(payload, default_client_id=output.client_id)
            if artifact is not None:
                found.append(artifact)
    return found
