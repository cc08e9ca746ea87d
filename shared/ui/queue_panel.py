"""The queue as a list: what its buttons do. The browser draws it (assets/queue.js) from the event stream."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from shared.core.errors import WanGPError
from shared.ui.panels import panel
from shared.ui.texts import say


class QueuePanel:
    """The list of tasks with its commands: move, remove, abort, retry, abort all, pause, resume."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.element = panel("queue", ["queue_command"])

    def wire(self) -> None:
        """Connect the buttons."""
        self.element.queue_command(self.run, None, None, show_progress="hidden", api_visibility="private",
                                   concurrency_limit=None)  # fmt: skip

    def run(self, event: gr.EventData) -> None:
        """Do what a button of the panel asks."""
        values = dict(event._data or {})
        try:
            is_done = self.command(str(values.get("action")), values)
        except WanGPError as error:
            gr.Warning(str(error))
            return
        if not is_done and values.get("id"):
            gr.Warning(say("task_gone", id=values["id"]))

    def command(self, action: str, values: Mapping[str, Any]) -> bool:
        """Whether the queue could do it. A task that is no longer there is no error, but told."""
        queue = self.runtime.queue
        task_id = int(values.get("id") or 0)
        match action:
            case "move":
                return bool(queue.move(task_id, int(values.get("position") or 0)))
            case "remove":
                return bool(queue.remove(task_id))
            case "abort":
                return bool(queue.cancel(task_id=task_id))
            case "retry":
                return bool(queue.retry(task_id))
            case "abort_all":
                queue.cancel_all()
                for task in queue.tasks():
                    if task.status == "failed":
                        queue.remove(task.id)
            case "pause":
                queue.pause()
            case "resume":
                queue.resume()
            case _:
                return False
        return True


def saved_queue(runtime: Any) -> bytes:
    """The waiting and running tasks as a queue zip."""
    with tempfile.TemporaryDirectory(prefix="wangp-queue-") as folder:
        path = Path(folder) / "queue.zip"
        runtime.save_queue(path)
        return path.read_bytes()
