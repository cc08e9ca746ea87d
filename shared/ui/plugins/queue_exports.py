"""What plugins ask for about the queue."""

from __future__ import annotations

import uuid
from typing import Any

from shared.core.errors import SettingsError
from shared.core.task import Task


class QueueExports:
    """Functions over the queue of a runtime."""

    NAMES = (
        "add_video_task", "abort_generation", "clear_queue_action", "remove_task", "move_task",
        "pause_queue", "resume_queue", "get_queue", "load_queue", "release_model",
    )  # fmt: skip

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def add_video_task(self, **inputs: Any) -> int:
        """Queue one settings dict; `state`, and names of other things than settings, are left out. The task's id.

        Raises SettingsError with everything that is wrong.
        """
        left_out = ("state", "task", "send_cmd", "plugin_data", "client_id")
        settings = {name: value for name, value in inputs.items() if name not in left_out}
        problems = self._runtime.problems(settings)
        if problems:
            raise SettingsError(" ".join(problems))
        client_id = str(inputs.get("client_id") or f"plugin_{uuid.uuid4().hex[:12]}")
        task = Task(settings, client_id=client_id, plugin_data=dict(inputs.get("plugin_data") or {}))
        return int(self._runtime.queue.put([task])[0].id)

    def abort_generation(self, state: dict[str, Any], client_id: str | None = None, notify: bool = True) -> bool:
        """End the task of that client_id, or without one the running task; False when there is none."""
        if client_id:
            return bool(self._runtime.queue.cancel(client_id=client_id))
        running = [task for task in self._runtime.queue.tasks() if task.status == "running"]
        return any(self._runtime.queue.cancel(task.id) for task in running)

    def clear_queue_action(self, state: dict[str, Any] | None = None) -> int:
        """End the running task and remove the waiting ones; how many."""
        return int(self._runtime.queue.cancel_all())

    def remove_task(self, task_id: int) -> bool:
        """Remove a waiting or failed task."""
        return bool(self._runtime.queue.remove(int(task_id)))

    def move_task(self, task_id: int, position: int) -> bool:
        """Bring a waiting task to a place among the waiting ones, from 0."""
        return bool(self._runtime.queue.move(int(task_id), int(position)))

    def pause_queue(self) -> None:
        """Hold the running task at its next step and start no other."""
        self._runtime.queue.pause()

    def resume_queue(self) -> None:
        """Go on."""
        self._runtime.queue.resume()

    def get_queue(self) -> list[dict[str, Any]]:
        """The tasks as WanGP's task dicts, the running one first, each with its `status`."""
        return [{**task.as_dict(), "status": task.status} for task in self._runtime.queue.tasks()]

    def load_queue(self, path: str) -> int:
        """Add the tasks of a queue or settings file; how many. Raises SettingsError."""
        return len(self._runtime.queue.put(self._runtime.load_queue(path)))

    def release_model(self) -> None:
        """Unload the model; while a task runs, after it."""
        self._runtime.release_model()
