"""A queued settings dict with the queue's id and the caller's id."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

TaskStatus = Literal["waiting", "running", "done", "failed", "cancelled"]

ACTIVE_STATUSES: tuple[TaskStatus, ...] = ("waiting", "running")


@dataclass(frozen=True)
class Task:
    """One entry of the queue.

    `params` is a settings dict in the WanGP vocabulary (see core/settings.py), `plugin_data` is carried untouched
    (`plugin_data["api"]` holds the caller's `_api` wishes). `id` is 0 until the queue has numbered it.
    `attempts` counts how often a device has started it.
    """

    params: dict[str, Any]
    id: int = 0
    client_id: str = ""
    plugin_data: dict[str, Any] = field(default_factory=dict)
    status: TaskStatus = "waiting"
    attempts: int = 0
    error: str | None = None
    created: float = 0.0

    @property
    def api_options(self) -> dict[str, Any]:
        """The caller's `_api` wishes (`return_media`, ...)."""
        return self.plugin_data.get("api") or {}

    def with_changes(self, **changes: Any) -> Task:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """The task dict that WanGP's clients and plugins know.

        Keys: id, params, plugin_data, repeats, length, steps, prompt, start_image_labels, end_image_labels,
        start_image_data, end_image_data, start_image_data_base64, end_image_data_base64.
        """
        params = self.params
        start, end = _as_list(params.get("image_start")), _as_list(params.get("image_end"))
        return {
            "id": self.id,
            "params": params,
            "plugin_data": self.plugin_data,
            "repeats": params.get("repeat_generation", 1),
            "length": params.get("video_length"),
            "steps": params.get("num_inference_steps"),
            "prompt": params.get("prompt", ""),
            "start_image_labels": [_label(image) for image in start],
            "end_image_labels": [_label(image) for image in end],
            "start_image_data": start or None,
            "end_image_data": end or None,
            "start_image_data_base64": None,
            "end_image_data_base64": None,
        }


def _as_list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _label(image: Any) -> str:
    return str(image).rsplit("/", 1)[-1] if isinstance(image, str) else "image"
