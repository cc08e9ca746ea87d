"""The queue as a list: what its buttons do. The browser draws it (assets/queue.js) from the event stream."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shared.core.task import Task
from shared.ui.panels import panel
from shared.ui.texts import say


class QueuePanel:
    """The list of tasks with its commands, which come by /wangp/queue/<action>."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.element = panel("queue", ["edit_task", "restore_form"])

    def answer(self, action: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """What became of a command: `done`, and a `text` for the user where it could not be done."""
        is_done = self.command(action, values)
        text = "" if is_done or not values.get("id") else say("task_gone", id=values["id"])
        return {"done": is_done, "text": text}

    def command(self, action: str, values: Mapping[str, Any]) -> bool:
        """Whether the queue could do it. A task that is no longer there is no error, but told."""
        queue, task_id = self.runtime.queue, int(values.get("id") or 0)
        of_task: dict[str, Callable[[], bool]] = {
            "move": lambda: queue.move_before(task_id, _number(values.get("before"))),
            "remove": lambda: queue.remove(task_id),
            "abort": lambda: queue.cancel(task_id=task_id),
            "retry": lambda: queue.retry(task_id),
            "duplicate": lambda: self._duplicate(task_id),
            "one_more": lambda: queue.ask_more(task_id, "extra_orders"),
            "extend": lambda: queue.ask_more(task_id, "extra_windows"),
            "finish_early": lambda: self._finish_early(task_id),
        }
        if action in of_task:
            return bool(of_task[action]())
        match action:
            case "abort_all":
                queue.cancel_all()
                self._remove_failed()
            case "clear_failed":
                self._remove_failed()
            case "pause":
                queue.pause()
            case "resume":
                queue.resume()
            case "release":
                queue.release(str(values.get("window") or ""))
            case _:
                return False
        return True

    def _duplicate(self, task_id: int) -> bool:
        """A copy right behind a waiting task, at the end for any other."""
        task = self.runtime.queue.get(task_id)
        if task is None:
            return False
        copy = Task(params=dict(task.params), client_id=_fresh_id(task), plugin_data=dict(task.plugin_data))
        self.runtime.queue.put([copy], behind=task_id)
        return True

    def _finish_early(self, task_id: int) -> bool:
        task = self.runtime.queue.get(task_id)
        if task is None or task.status != "running":
            return False
        self.runtime.queue.control(task_id).set("early_stop")
        return True

    def _remove_failed(self) -> None:
        for task in self.runtime.queue.tasks():
            if task.status == "failed":
                self.runtime.queue.remove(task.id)


def _number(value: Any) -> int | None:
    return None if value in (None, "") else int(value)


def _fresh_id(task: Task) -> str:
    """A client id of its own that still tells which window the task is of."""
    owner = task.client_id.rsplit("-", 1)[0] if task.client_id.startswith("page-") else "page-copy"
    return f"{owner}-{uuid.uuid4().hex[:12]}"


def saved_queue(runtime: Any) -> bytes:
    """The waiting and running tasks as a queue zip."""
    with tempfile.TemporaryDirectory(prefix="wangp-queue-") as folder:
        path = Path(folder) / "queue.zip"
        runtime.save_queue(path)
        return path.read_bytes()
