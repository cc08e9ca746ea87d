"""The handle of one submission."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from shared.core.results import GenerationResult
from shared.core.task import Task
from shared.session.stream import SessionStream


class SessionJob:
    """What a submission returns at once: its events, a way to cancel it, and its result once it has ended.

    The `webui_...` properties describe the entry in the page's queue; they are empty for a job that runs without one.
    """

    def __init__(self, tasks: Sequence[Task], *, on_page: bool = False) -> None:
        self.events = SessionStream()
        self.total_tasks = len(tasks)
        self._tasks: tuple[Task, ...] | None = tuple(tasks)
        self._client_ids = [task.client_id for task in tasks] if on_page else []
        self._token = uuid.uuid4().hex if on_page else ""
        self._is_on_page = on_page
        self._is_admitted = False
        self._cancel = threading.Event()
        self._ended = threading.Event()
        self._result: GenerationResult | None = None
        self._thread: threading.Thread | None = None

    def cancel(self) -> None:
        """Ask for the end of the job: the running task stops at its next step, those behind it never start."""
        self._cancel.set()

    @property
    def cancel_requested(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancel.is_set()

    @property
    def done(self) -> bool:
        """Whether the job has ended and its stream is closed."""
        return self._ended.is_set()

    def result(self, timeout: float | None = None) -> GenerationResult:
        """Wait for the end and return how the job ended; failures are in the result, they do not raise.

        Raises TimeoutError after `timeout` seconds. After `release_output_payload` an empty failed result comes back.
        """
        if threading.current_thread() is not self._thread and not self._ended.wait(timeout):
            raise TimeoutError("WanGP session job timed out")
        return self._result or GenerationResult(False, [], [], 0, 0, 0)

    join = result

    def release_input_payload(self) -> None:
        """Let go of the submitted settings (and pictures in them)."""
        self._tasks = None

    def release_output_payload(self) -> None:
        """Let go of the result (and media in it) and of the events not yet read."""
        self._result = None
        self.events.clear()

    @property
    def webui_manifest(self) -> list[dict[str, Any]]:
        """The tasks as they were handed to the page's queue, as a copy."""
        if not self._is_on_page:
            return []
        return [
            {"id": number, "params": copy.deepcopy(task.params), "plugin_data": copy.deepcopy(task.plugin_data)}
            for number, task in enumerate(self._tasks or (), start=1)
        ]

    @property
    def webui_client_ids(self) -> list[str]:
        """The ids under which the page's state knows the tasks."""
        return list(self._client_ids)

    @property
    def primary_client_id(self) -> str:
        """The first of them, or ""."""
        return self._client_ids[0] if self._client_ids else ""

    @property
    def webui_load_queue_token(self) -> str:
        """Differs for each submission to the page's queue."""
        return self._token

    @property
    def webui_submission_ready(self) -> bool:
        """Whether the page's queue holds the tasks."""
        return self._is_admitted

    @property
    def webui_owner_call_id(self) -> str | None:
        """The page's call that submitted the job; here no call owns a job."""
        return None

    def admitted(self) -> None:
        """The queue holds the tasks (called by the session)."""
        self._is_admitted = self._is_on_page

    def run_on(self, thread: threading.Thread) -> None:
        """The thread that calls the callbacks; `result` never waits there (called by the session)."""
        self._thread = thread

    def conclude(self, result: GenerationResult) -> None:
        """Make the result known to callbacks (called by the session)."""
        self._result = result

    def end(self) -> None:
        """Close the stream and let `result` answer (called by the session)."""
        self.events.close()
        self._ended.set()

    @property
    def is_concluded(self) -> bool:
        """Whether the result is known, though the last callbacks may still be running."""
        return self._result is not None or self._ended.is_set()
