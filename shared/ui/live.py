"""What the open windows hear: one follower of the queue, one event stream a window.

The stream is server-sent events of its own instead of a Gradio generator: a generator that never ends occupies one
of the 40 places of Gradio's event queue a window (gradio 6.31, queueing.py `active_jobs`), and its connection polls
every 50 ms. Here a window that nothing happens to costs one keep-alive line in 15 s.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from shared.core.errors import WanGPError
from shared.core.events import (
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
from shared.ui.model_routes import download_row
from shared.ui.queue_view import QueueSnapshot, QueueView
from shared.ui.task_view import RunningTask

log = logging.getLogger(__name__)

KEEPALIVE_S = 15.0
PAUSE_BETWEEN_MESSAGES_S = 0.05
NOTICES_KEPT = 200


class LiveFeed:
    """Follows the queue in one thread and tells every open window what changed."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.boot_id = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._running: dict[int, RunningTask] = {}
        self._notices: deque[tuple[int, dict[str, Any]]] = deque(maxlen=NOTICES_KEPT)
        self._notice_number = 0
        self._queue_version = 1
        self._progress_version = 1
        self._downloads_version = 1
        self._view, self._view_lock = QueueView(runtime), threading.Lock()
        self._snapshot: tuple[int, QueueSnapshot] | None = None
        self._waiters: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscription: Any = None
        self._stop_listening: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to follow the queue; call it in the event loop that serves the page."""
        self._loop = asyncio.get_running_loop()
        self._subscription = self.runtime.queue.subscribe()
        self._stop_listening = self.runtime.model_files.downloads.listen(self._downloads_changed)
        with self._lock:
            for task in self.runtime.queue.tasks():
                if task.status == "running":
                    self._running[task.id] = RunningTask(task.id, task.client_id)
        threading.Thread(target=self._follow, name="wangp-page-feed", daemon=True).start()

    def close(self) -> None:
        """Stop following; open streams end."""
        if self._subscription is not None:
            self._subscription.close()
            self._stop_listening()
        self._loop = None

    def _follow(self) -> None:
        for event in self._subscription:
            try:
                self.take(event)
            except Exception:
                log.exception("The page could not follow the event %r", type(event).__name__)

    def take(self, event: Event) -> None:
        """Fold one event into what the windows are told."""
        with self._lock:
            self._fold(event)
        self._wake()

    def _fold(self, event: Event) -> None:
        match event:
            case QueueChanged():
                self._queue_version += 1
            case Started(task_id=task_id, client_id=client_id):
                self._running[task_id] = RunningTask(task_id, client_id)
                self._queue_version += 1
                self._progress_version += 1
            case Progress(task_id=task_id, client_id=client_id):
                self._running.setdefault(task_id, RunningTask(task_id, client_id)).advance(event)
                self._progress_version += 1
            case Preview(task_id=task_id, client_id=client_id, jpeg=jpeg):
                running = self._running.setdefault(task_id, RunningTask(task_id, client_id))
                running.preview, running.preview_number = jpeg, running.preview_number + 1
                self._progress_version += 1
            case Output():
                self._view.note_output(str(event.settings.get("model_type") or ""))
                self._queue_version += 1
                self._notice("output", event, path=event.path)
            case Info(text=text) | Status(text=text):
                self._notice("info" if isinstance(event, Info) else "status", event, text=text)
            case RefreshModels():
                self.runtime.registry.finder().refresh()
                self._notice("models", event)
            case Finished(task_id=task_id):
                self._running.pop(task_id, None)
                self._queue_version += 1
                self._progress_version += 1
                self._notice("finished", event, outcome=event.outcome, error=event.error)

    def _notice(self, kind: str, event: Any, **values: Any) -> None:
        self._notice_number += 1
        message = {"kind": kind, "task_id": event.task_id, "client_id": event.client_id, **values}
        self._notices.append((self._notice_number, message))

    def tell(self, kind: str, **values: Any) -> None:
        """Tell every window something that no event of the queue tells, such as a changed gallery."""
        with self._lock:
            self._notice_number += 1
            self._notices.append((self._notice_number, {"kind": kind, **values}))
        self._wake()

    def _downloads_changed(self) -> None:
        with self._lock:
            self._downloads_version += 1
        self._wake()

    def downloads_message(self) -> dict[str, Any]:
        """The models that are being fetched."""
        downloads = self.runtime.model_files.downloads.all()
        return {"kind": "downloads", "downloads": [download_row(download) for download in downloads]}

    def preview_of(self, task_id: int) -> bytes:
        """The last preview of a running task, as JPEG; empty when there is none."""
        with self._lock:
            running = self._running.get(task_id)
            return running.preview if running else b""

    def queue_message(self) -> dict[str, Any]:
        """The whole queue as the panel shows it."""
        return self.snapshot().message({})

    def snapshot(self) -> QueueSnapshot:
        """The queue's rows; made once for all windows after each change."""
        with self._view_lock:
            version = self._queue_version
            if self._snapshot is None or self._snapshot[0] != version:
                self._snapshot = (version, self._view.snapshot())
            return self._snapshot[1]

    def progress_message(self) -> dict[str, Any]:
        """The running tasks, oldest first."""
        with self._lock:
            return {"kind": "progress", "running": [running.as_json() for running in self._running.values()]}

    async def stream(self) -> AsyncIterator[bytes]:
        """The messages of one window as server-sent events, the whole state first."""
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            with self._lock:
                seen_notice = self._notice_number
            seen_queue = seen_progress = seen_downloads = 0
            rows: Mapping[int, dict[str, Any]] = {}
            yield _message({"kind": "hello", "boot": self.boot_id})
            while self._loop is not None:
                changed.clear()
                queue_version, progress_version = self._queue_version, self._progress_version
                downloads_version = self._downloads_version
                if downloads_version != seen_downloads:
                    seen_downloads = downloads_version
                    yield _message(self.downloads_message())
                if queue_version != seen_queue:
                    seen_queue = queue_version
                    message, rows = await self._queue_message_aside(rows)
                    yield _message(message)
                if progress_version != seen_progress:
                    seen_progress = progress_version
                    yield _message(self.progress_message())
                for number, message in self._notices_after(seen_notice):
                    seen_notice = number
                    yield _message(message)
                await asyncio.sleep(PAUSE_BETWEEN_MESSAGES_S)
                if not await _wait(changed):
                    yield b": still here\n\n"
        finally:
            self._waiters.discard(changed)

    async def _queue_message_aside(
        self, known: Mapping[int, dict[str, Any]]
    ) -> tuple[dict[str, Any], Mapping[int, dict[str, Any]]]:
        """What a window that knows some rows is told, and the rows that it knows then."""
        try:
            snapshot = await asyncio.to_thread(self.snapshot)
        except WanGPError as error:
            return {"kind": "info", "task_id": 0, "client_id": "", "text": str(error)}, known
        return snapshot.message(known), snapshot.rows

    def _notices_after(self, number: int) -> list[tuple[int, dict[str, Any]]]:
        with self._lock:
            return [(count, message) for count, message in self._notices if count > number]

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for waiter in self._waiters:
            waiter.set()


async def _wait(changed: asyncio.Event) -> bool:
    """Whether something changed before the next keep-alive is due."""
    try:
        await asyncio.wait_for(changed.wait(), KEEPALIVE_S)
    except TimeoutError:
        return False
    return True


def _message(values: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(values, ensure_ascii=False, default=str).encode() + b"\n\n"
