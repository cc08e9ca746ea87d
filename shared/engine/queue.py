"""The one queue over all state dicts: durable tasks in, events out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from shared.core.contracts import Control
from shared.core.errors import Cancelled, QueueError
from shared.core.events import Event, Finished, Output
from shared.core.task import ACTIVE_STATUSES, Task
from shared.engine.database import DATABASE_NAME
from shared.engine.folder_lock import FolderLock, wait_for_workers
from shared.engine.queue_media import FOLDER_NAME, remove_unused, storable
from shared.engine.queue_order import QueueOrder
from shared.engine.queue_readers import Readers
from shared.engine.queue_store import QueueStore, StoredOutput, TaskReport, new_entry
from shared.engine.subscription import Subscription

log = logging.getLogger(__name__)

_IDLE = ("waiting", "failed")


class TaskQueue:
    """Tasks of one folder, in order, run by whoever takes them.

    Every change is on disk before its method returns; a program killed at any moment finds its tasks again here.
    One program a folder: a second one gets a QueueError. `notices` tells what opening repaired. `before_put` may
    change a task before it is kept. All methods may be called from any thread.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self._make_folder()
        self.media_folder = self.folder / FOLDER_NAME
        self._folder_lock = FolderLock(self.folder)
        try:
            wait_for_workers(self.folder)
            self._store = QueueStore(self.database_path)
        except BaseException:
            self._folder_lock.release()
            raise
        self.notices: list[str] = self._store.notices
        self.before_put: Callable[[Task], Task] = lambda task: task
        self._changed = threading.Condition(threading.RLock())
        self._order = QueueOrder(self._store.load())
        self._readers = Readers()
        self._controls: dict[int, Control] = {}
        self._held: dict[int, str] = {}
        self._is_paused = self._is_closed = False
        remove_unused(self.media_folder, [task.params for task in self._order.all()])

    @property
    def database_path(self) -> Path:
        """The SQLite file; the output ledger and the history are in it too."""
        return self.folder / DATABASE_NAME

    @property
    def is_closed(self) -> bool:
        """The program is ending."""
        return self._is_closed

    # --- tasks in

    def put(self, tasks: Sequence[Task], *, first: bool = False, behind: int | None = None) -> list[Task]:
        """Append tasks, all or none; returns them with their ids.

        `first`, or a truthy `priority` among a task's params: it is the next to run. `behind` is the id of a waiting
        task that they follow (one that no longer waits: they go to the end). Pictures held in memory are written to
        files. A task that brings an `error` is failed at once. Raises SettingsError for what cannot be
        kept, QueueError when the disk is full.
        """
        kept = [new_entry(self.before_put(task), index, self.media_folder) for index, task in enumerate(tasks)]
        with self._changed:
            self._check_open()
            self._set_positions(self._order.positions_if_tight())
            entries = self._order.place(kept, first=first, behind=behind)
            ids = self._store.insert(entries)
            added = [self._order.add(entry, task_id) for entry, task_id in zip(entries, ids, strict=True)]
            self._tell_change("added")
            for task in added:
                if task.error:
                    self._readers.tell(Finished(task.id, task.client_id, "failed", task.error, "validation"))
            return added

    def update(self, task_id: int, params: Mapping[str, Any]) -> Task:
        """Replace the settings of a waiting or failed task. Raises QueueError when it runs or is gone."""
        kept = storable(params, self.media_folder)
        with self._changed:
            task = self._order.get(task_id)
            if task is None or task.status not in _IDLE:
                raise QueueError(f"Task {task_id} cannot be changed: it is no longer waiting.")
            self._store.set_params(task_id, kept)
            self._order.replace(changed := task.with_changes(params=kept))
            self._tell_change("updated")
            return changed

    def move(self, task_id: int, position: int) -> bool:
        """Bring a waiting task to a place among the waiting ones (0: the next to run); False when it does not wait."""
        with self._changed:
            positions = self._order.positions_after_move(task_id, position)
            if positions is None:
                return False
            self._set_positions(positions)
            self._tell_change("moved")
        return True

    def move_before(self, task_id: int, other_id: int | None) -> bool:
        """Bring a waiting task before another waiting one, or to the end (None); False when either does not wait."""
        with self._changed:
            waiting = [task.id for task in self._order.all() if task.status == "waiting" and task.id != task_id]
            if other_id is not None and other_id not in waiting:
                return False
            return self.move(task_id, len(waiting) if other_id is None else waiting.index(other_id))

    def hold(self, task_id: int, holder: str) -> bool:
        """Keep a waiting or failed task back while `holder` edits it; False when it is gone, runs, or another holds it.

        Ends with `release`, and with the program.
        """
        with self._changed:
            task = self._order.get(task_id)
            if task is None or task.status not in _IDLE or self._held.get(task_id, holder) != holder:
                return False
            self._held[task_id] = holder
            self._tell_change("held")
            return True

    def release(self, holder: str) -> None:
        """Let every task go that a holder keeps back."""
        with self._changed:
            if holder in self._held.values():
                self._held = {key: value for key, value in self._held.items() if value != holder}
                self._tell_change("released")

    def held(self) -> dict[int, str]:
        """The tasks that are kept back, with who does."""
        with self._changed:
            return {key: holder for key, holder in self._held.items() if self._order.get(key) is not None}

    def remove(self, task_id: int) -> bool:
        """Take out a waiting task (its job hears that it was cancelled) or a failed one; False for any other."""
        with self._changed:
            task = self._order.get(task_id)
            if task is None or task.status == "running":
                return False
            if task.status == "waiting":
                return self.cancel(task_id)
            self._store.dismiss(task_id)
            self._order.drop(task_id)
            self._tell_change("removed")
            return True

    def retry(self, task_id: int) -> bool:
        """Let a failed task wait again, at the end; False when it has not failed."""
        with self._changed:
            task = self._order.get(task_id)
            if task is None or task.status != "failed":
                return False
            position = self._order.end()
            self._store.renew(task_id, position)
            self._order.replace(task.with_changes(status="waiting", attempts=0, error=None))
            self._order.set_positions({task_id: position})
            self._tell_change("retried")
            return True

    # --- tasks out

    def take(
        self,
        device: str = "cpu",
        timeout_s: float | None = None,
        *,
        is_isolated: bool = False,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Task | None:
        """Claim the next waiting task; None when none came in time, `is_stopped()` is true, or the queue is closed.

        `is_isolated`: the task runs in a process of its own, so that an end of this program is not its doing.
        `is_stopped` is asked again after `wake()`.
        """

        def is_over() -> bool:
            return is_stopped() or self._is_closed

        with self._changed:
            self._changed.wait_for(lambda: is_over() or self._next() is not None, timeout_s)
            task = None if is_over() else self._next()
            if task is None:
                return None
            if not self._store.claim(task.id, device, is_isolated=is_isolated):
                log.error("task %s is not waiting in the database any more; it is left out", task.id)
                self._order.drop(task.id)
                return None
            self._order.replace(running := task.with_changes(status="running", attempts=task.attempts + 1))
            self._tell_change("taken")
            return running

    def put_back(self, task_id: int) -> None:
        """A taken task waits again, at its old place. A closed queue has put it back already."""
        with self._changed:
            if self._is_closed:
                return
            self._store.put_back(task_id)
            if (task := self._order.get(task_id)) is not None:
                self._order.replace(task.with_changes(status="waiting"))
            self._controls.pop(task_id, None)
            self._readers.rewind(task_id)
            self._tell_change("put back")

    def note_crash(self, task_id: int) -> int:
        """Count a death of the process that ran the task; returns their number so far."""
        return self._store.note_crash(task_id)

    def publish(self, event: Event) -> None:
        """Keep what must last (outputs, ends), write the event into the attached state dicts, hand it to readers.

        Never raises for a full disk: a running generation goes on, the trouble is logged.
        """
        with self._changed:
            if self._is_closed:
                log.info("the queue is closed: %s is not told", type(event).__name__)
                return
            if isinstance(event, Finished):
                self._finish(event)
                return
            if isinstance(event, Output) and event.path:
                self._keep_output(event)
            self._readers.tell(event)

    # --- asking

    def tasks(self) -> list[Task]:
        """The running tasks, the waiting ones in order, then the failed ones that nobody has removed."""
        with self._changed:
            return self._order.all()

    def get(self, task_id: int) -> Task | None:
        """The task with this id, also one of an earlier run of the program."""
        with self._changed:
            report = None if (task := self._order.get(task_id)) else self._store.report(task_id=task_id)
            return task or (report.task if report else None)

    def probe(self, client_id: str) -> TaskReport | None:
        """What became of the newest task with this client_id, also in an earlier run of the program."""
        return self._store.report(client_id=client_id)

    def find(self, client_id: str) -> Task | None:
        """The newest task with this client_id."""
        report = self.probe(client_id)
        return report.task if report else None

    def outputs(self, task_id: int) -> list[StoredOutput]:
        """The files that a task has made so far."""
        return self._store.outputs(task_id)

    # --- control

    def control(self, task_id: int) -> Control:
        """Where the wishes for a task go: abort, pause, early_stop, extra_orders, extra_windows."""
        with self._changed:
            return self._controls.setdefault(task_id, Control())

    def ask_more(self, task_id: int, wish: Literal["extra_orders", "extra_windows"]) -> bool:
        """Order one more sample, or one more window, of a running task; False when it does not run."""
        with self._changed:
            task = self._order.get(task_id)
            control = self.control(task_id) if task is not None and task.status == "running" else None
        if control is not None:
            control.increase(wish)
        return control is not None

    def cancel(self, task_id: int | None = None, client_id: str | None = None) -> bool:
        """End one task, waiting or running; False when there is none of that id to end."""
        with self._changed:
            task = self._order.get(task_id) if task_id is not None else self._order.find(client_id)
            if task is None or task.status not in ACTIVE_STATUSES:
                return False
            if task.status == "waiting":
                self.publish(Finished(task.id, task.client_id, "cancelled", str(Cancelled()), "cancelled"))
                return True
            control = self.control(task.id)
        control.set("abort")
        return True

    def cancel_all(self) -> int:
        """End every waiting and running task; returns their number."""
        tasks = [task for task in self.tasks() if task.status in ACTIVE_STATUSES]
        return sum(self.cancel(task.id) for task in sorted(tasks, key=lambda task: task.status == "running"))

    @property
    def is_paused(self) -> bool:
        """No further task is handed out."""
        return self._is_paused

    def pause(self, *, running: bool = True) -> None:
        """Hand out no further task; `running`: those that run wait too."""
        self._set_pause(True, running)

    def resume(self) -> None:
        """Leave the pause."""
        self._set_pause(False, True)

    # --- readers

    def subscribe(self, client_ids: Container[str] | None = None) -> Subscription:
        """The events from now on, of these client_ids (None: all)."""
        with self._changed:
            self._check_open()
            return self._readers.subscribe(client_ids)

    def attach(self, gen: dict[str, Any], client_ids: Container[str] | None = None) -> None:
        """Keep a state dict up to date: its `queue` list (changed in place) and all that `fold` writes.

        A task that runs already is caught up with. Attaching again replaces the filter.
        """
        with self._changed:
            self._readers.attach(gen, client_ids, self._order.all())

    def detach(self, gen: dict[str, Any]) -> None:
        """Leave a state dict alone from now on."""
        self._readers.detach(gen)

    def wake(self) -> None:
        """Let everyone who waits in `take` ask `is_stopped` again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Put running tasks back, end all readers, give the folder free."""
        with self._changed:
            if self._is_closed:
                return
            for task in self._order.all():
                if task.status == "running":
                    self.put_back(task.id)
            self._is_closed = True
            self._changed.notify_all()
            self._store.close()
        self._readers.close()
        self._folder_lock.release()

    # --- inside

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise QueueError(f"queue: the folder {self.folder} cannot be made ({exc}).") from exc

    def _check_open(self) -> None:
        if self._is_closed:
            raise QueueError("queue: it is closed; the program is ending.")

    def _set_positions(self, positions: Mapping[int, float]) -> None:
        if positions:
            self._store.set_positions(positions)
            self._order.set_positions(positions)

    def _next(self) -> Task | None:
        return None if self._is_paused else self._order.next_waiting(self._held)

    def _set_pause(self, is_paused: bool, running: bool) -> None:
        with self._changed:
            self._is_paused = is_paused
            ids = [task.id for task in self._order.all() if task.status == "running"]
            controls = [self.control(task_id) for task_id in ids] if running else []
            self._tell_change("paused" if is_paused else "resumed")
        for control in controls:
            control.set("pause", is_paused)

    def _finish(self, event: Finished) -> None:
        task = self._order.get(event.task_id)
        if task is None or task.status not in ACTIVE_STATUSES:
            log.warning("task %s ended again (%s); the first end counts", event.task_id, event.outcome)
            return
        try:
            self._store.finish(event)
        except QueueError as exc:
            log.error("the end of task %s (%s) could not be kept: %s", event.task_id, event.outcome, exc)
        self._order.drop(event.task_id)
        self._controls.pop(event.task_id, None)
        if event.outcome == "failed":
            self._order.restore(task.with_changes(status="failed", error=event.error))
        self._readers.tell(event)
        self._tell_change("finished")

    def _keep_output(self, event: Output) -> None:
        try:
            self._store.add_output(event)
        except QueueError as exc:
            log.error("the output %s of task %s could not be kept: %s", event.path, event.task_id, exc)

    def _tell_change(self, reason: str) -> None:
        self._readers.tell_change(reason, self._order.all())
        self._changed.notify_all()
