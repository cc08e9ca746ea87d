"""The places in a task's life where plugins take part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from shared.core.errors import PluginError
from shared.core.events import Finished, Output
from shared.core.task import Task
from shared.ui.plugins.fence import Fence

# Hook -> what the callbacks are called with. Those of the first three may return the settings changed.
HOOKS: Mapping[str, str] = {
    "before_metadata_save": "settings, plugin_data, model_type",
    "before_queue": "settings, plugin_data, model_type",
    "before_task": "settings, plugin_data, model_type",
    "after_output": "path, settings, plugin_data",
    "after_task": "task, outcome, error",
}


class DataHooks:
    """Calls the plugins' callbacks in the plugins' order; one that fails changes nothing and is noted."""

    def __init__(self, runtime: Any, fence: Fence) -> None:
        self._runtime, self._fence = runtime, fence
        self._callbacks: dict[str, list[tuple[str, Callable[..., Any]]]] = {}
        self._subscription: Any = None

    def add(self, plugin_id: str, hook: str, callback: Callable[..., Any]) -> None:
        """Register a callback. Raises PluginError for a hook that is not known."""
        if hook not in HOOKS:
            raise PluginError(f'There is no data hook "{hook}". Known are {", ".join(HOOKS)}.')
        self._callbacks.setdefault(hook, []).append((plugin_id, callback))

    def connect(self) -> None:
        """Take part from now on, in what there are callbacks for."""
        if "before_metadata_save" in self._callbacks:
            self._runtime.set_hook("before_metadata_save", self.before_metadata_save)
        for hook in ("before_queue", "before_task"):
            if hook in self._callbacks:
                self._runtime.set_hook(hook, lambda task, hook=hook: self._changed_task(hook, task))
        if "after_output" in self._callbacks or "after_task" in self._callbacks:
            self._subscription = self._runtime.queue.subscribe()
            threading.Thread(target=self._follow, name="wangp-plugin-hooks", daemon=True).start()

    def close(self) -> None:
        """Take part no longer."""
        if self._subscription is not None:
            self._subscription.close()

    def before_metadata_save(
        self, settings: dict[str, Any], plugin_data: Mapping[str, Any], model_type: str
    ) -> dict[str, Any]:
        """The settings that go into a result, as the plugins want them."""
        return self._changed("before_metadata_save", settings, dict(plugin_data), model_type)

    def _changed_task(self, hook: str, task: Task) -> Task:
        model_type = str(task.params.get("model_type") or "")
        plugin_data = dict(task.plugin_data)
        params = self._changed(hook, dict(task.params), plugin_data, model_type)
        return task.with_changes(params=params, plugin_data=plugin_data)

    def _changed(
        self, hook: str, settings: dict[str, Any], plugin_data: dict[str, Any], model_type: str
    ) -> dict[str, Any]:
        for plugin_id, callback in self._callbacks.get(hook, ()):
            with self._fence.running(plugin_id, f"hook {hook}"):
                own = dict(settings)
                found = callback(own, plugin_data, model_type)
                if found is not None and not isinstance(found, dict):
                    raise PluginError(f"{hook} must return the settings, a dict; it returned {type(found).__name__}.")
                settings = own if found is None else found
        return settings

    def _follow(self) -> None:
        """Tell of outputs and ends, on a thread of its own: a slow callback holds no task up."""
        for event in self._subscription:
            match event:
                case Output(path=path, settings=settings) if path:
                    task = self._runtime.queue.get(event.task_id)
                    self._tell("after_output", path, dict(settings), dict(task.plugin_data) if task else {})
                case Finished(outcome=outcome, error=error):
                    task = self._runtime.queue.get(event.task_id)
                    if task is not None:
                        self._tell("after_task", task.as_dict(), outcome, error or "")

    def _tell(self, hook: str, *values: Any) -> None:
        for plugin_id, callback in self._callbacks.get(hook, ()):
            with self._fence.running(plugin_id, f"hook {hook}"):
                callback(*values)
