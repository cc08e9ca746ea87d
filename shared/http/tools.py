"""What both image services answer beside generations: names on disk, descriptions, masks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.http.context import ServiceContext
from shared.http.jobs import Job, Made

Value = TypeVar("Value")

SERVICE = "tools"
CHECKPOINTS = (".safetensors", ".sft", ".ckpt", ".pth", ".bin", ".gguf")


def image_models(context: ServiceContext) -> dict[str, str]:
    """The ids of the models on disk that make pictures, by the names that clients may use: file, id, title."""
    registry = context.runtime.registry
    registry.finder().refresh()
    names: dict[str, str] = {}
    for model in registry.models().values():
        if model.makes_images and registry.availability(model) == "available":
            for name in (_file_name(model), model.model_type):
                if name:
                    names.setdefault(name, model.model_type)
    return names


def model_files(context: ServiceContext) -> list[str]:
    """A name for each of them: its file where it is one, else its id."""
    seen: dict[str, str] = {}
    for name, model_type in image_models(context).items():
        seen.setdefault(model_type, name)
    return sorted(seen.values(), key=str.lower)


def lora_files(context: ServiceContext, model: ModelDef | None = None) -> list[str]:
    """The LoRA files of a model (default: that of the image services), relative to their folder."""
    wanted = model or context.image_model()
    return list(context.runtime.registry.lora_folder(wanted).files())


def _file_name(model: ModelDef) -> str:
    urls = model.get("URLs") or []
    first = urls[0] if isinstance(urls, (list, tuple)) and urls else urls
    name = str(first or "").split("?")[0].rsplit("/", 1)[-1]
    return name if name.lower().endswith(CHECKPOINTS) else ""


async def describe(context: ServiceContext, picture: Path, kind: str) -> str:
    """A sentence ("photo") or tags ("anime") for a picture. Raises SettingsError with what is missing."""
    settings = {"mode": "describe", "image_guide": str(picture), "describe_kind": kind}
    return await _run(context, "describe", settings, lambda made: str(made.settings.get("prompt") or ""))


async def make_mask(context: ServiceContext, picture: Path, wishes: Mapping[str, Any]) -> bytes:
    """A mask (PNG, white what was found) in the size of a picture; `wishes` are the settings `mask_*`.

    Raises SettingsError with what is missing, or that nothing was found.
    """
    settings = {"mode": "make_mask", "image_guide": str(picture), "image_format": "png", **wishes}
    return await _run(context, "mask", settings, lambda made: Path(made.path).read_bytes())


async def _run(context: ServiceContext, kind: str, settings: Mapping[str, Any], read: Callable[[Made], Value]) -> Value:
    """What `read` makes of the result of a task that runs before all that wait; nothing of it is left behind."""
    task = {"model_type": context.image_model().model_type, **settings, "priority": True}
    job = await context.queue(SERVICE, kind, task, job_id=str(uuid.uuid4()))
    job = await context.jobs.ended_job(job)
    try:
        if job.stage != "done" or not job.made:
            raise SettingsError(job.error or "Nothing was found in the picture.")
        return await context.in_thread(read, job.made[0])
    finally:
        await context.in_thread(_drop, context, job)


def _drop(context: ServiceContext, job: Job) -> None:
    for made in job.made:
        Path(made.path).unlink(missing_ok=True)
    context.jobs.forget(job)
