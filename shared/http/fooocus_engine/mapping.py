"""Requests as wishes, jobs as records and events: pure functions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.core.params import Param
from shared.core.phases import extract_status_phase_label
from shared.http.fooocus import FAST, FIXED_WHEN_FAST, ControlImage, Enhancement, Side, Wishes
from shared.http.fooocus_engine.records import Record
from shared.http.fooocus_engine.schemas import AdvancedFields, GenerateRequest
from shared.http.jobs import Job

SIDES: tuple[Side, ...] = ("Left", "Top", "Right", "Bottom")
LOADING_PERCENT, PREPARED_PERCENT = 2, 13
LOADING, PREPARING, SAMPLING, SAVING = "loading", "preparing", "sampling", "saving"
IMAGE_FIELDS = ("uov_input_image", "inpaint_input_image", "inpaint_mask_image_upload", "enhance_input_image")
NO_EFFECT = (
    "disable_intermediate_results", "black_out_nsfw", "debugging_cn_preprocessor", "debugging_inpaint_preprocessor",
    "debugging_dino", "debugging_enhance_masks_checkbox", "dino_erode_or_dilate", "inpaint_engine",
    "generate_image_grid", "require_base64",
)  # fmt: skip
# The field of a request behind a setting that a preset may give.
PRESET_FIELDS: Mapping[str, str] = {
    "prompt": "prompt", "negative_prompt": "negative_prompt", "styles": "style_selections",
    "performance": "performance_selection", "resolution": "aspect_ratios_selection", "guidance_scale": "guidance_scale",
    "sharpness": "sharpness", "sample_solver": "sampler_name", "noise_schedule": "scheduler_name",
    "refiner_model": "refiner_model_name", "refiner_switch": "refiner_switch", "vae_file": "vae_name",
    "activated_loras": "loras", "loras_multipliers": "loras", "adaptive_cfg": "adaptive_cfg",
    "clip_skip": "clip_skip", "num_inference_steps": "overwrite_step",
}  # fmt: skip

PRESET_FOR_ALL = ("prompt", "negative_prompt", "styles", "resolution")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a request as local files (""  where none is), and the size of the one to be repainted."""

    files: Mapping[str, str]
    controls: Sequence[str] = ()
    inpaint_size: tuple[int, int] = (0, 0)

    def path(self, name: str) -> str:
        """The file of a field."""
        return self.files.get(name, "")


@dataclass(frozen=True)
class Chosen:
    """What stands for the names in a request: refiner, LoRAs that are there, the seed."""

    seed: int
    refiner_model: str = ""
    loras: Sequence[tuple[str, float]] = ()


def to_wishes(request: GenerateRequest, pictures: Pictures, chosen: Chosen) -> Wishes:
    """The request in the vocabulary of both Fooocus APIs."""
    advanced = {name: getattr(request, name) for name in AdvancedFields.model_fields}
    controls = [
        ControlImage(path, image.cn_type, image.cn_stop, image.cn_weight)
        for image, path in zip(request.controlnet_image, pictures.controls, strict=False)
        if path
    ]
    return Wishes(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        style_selections=request.style_selections,
        performance_selection=request.performance_selection,
        aspect_ratios_selection=request.aspect_ratios_selection,
        image_number=request.image_number,
        image_seed=chosen.seed,
        sharpness=request.sharpness,
        guidance_scale=request.guidance_scale,
        refiner_model=chosen.refiner_model,
        refiner_switch=request.refiner_switch,
        loras=chosen.loras,
        save_meta=request.save_metadata_to_images,
        meta_scheme=request.metadata_scheme,
        save_extension=request.output_format,
        read_wildcards_in_order=request.read_wildcards_in_order,
        advanced={**advanced, "invert_mask_checkbox": False},
        uov_method=request.uov_method,
        upscale_value=request.upscale_multiple,
        uov_image=pictures.path("uov_input_image"),
        inpaint_image=pictures.path("inpaint_input_image"),
        inpaint_mask=pictures.path("inpaint_mask_image_upload"),
        inpaint_size=pictures.inpaint_size,
        inpaint_additional_prompt=request.inpaint_additional_prompt or "",
        outpaint_selections=request.outpaint_selections,
        outpaint_distances=dict(zip(SIDES, request.outpaint_distance, strict=True)),
        image_prompts=controls,
        enhance=_enhancement(request, pictures),
        given=frozenset(changed(request)),
    )


def changed(request: GenerateRequest) -> list[str]:
    """The fields that were not left at their defaults; many clients send all of them."""
    fields = type(request).model_fields.items()
    return [name for name, field in fields if getattr(request, name) != field.get_default(call_default_factory=True)]


def _enhancement(request: GenerateRequest, pictures: Pictures) -> Enhancement | None:
    path = pictures.path("enhance_input_image")
    if not path:
        return None
    return Enhancement(
        path,
        [control.model_dump() for control in request.enhance_ctrls],
        request.enhance_uov_method,
        request.enhance_uov_processing_order,
        request.enhance_uov_prompt_type,
    )


def with_preset(
    settings: Mapping[str, Any], preset: Mapping[str, Any], request: GenerateRequest, params: Mapping[str, Param]
) -> dict[str, Any]:
    """The settings with those of a preset in place of what the request left at its default.

    A model of another kind than Fooocus' takes styles, size and texts of it and keeps its own numbers.
    """
    taken, is_native = changed(request), "performance" in params
    free = {
        name: value
        for name, value in preset.items()
        if name in params and params[name].check(value) is None
        and (is_native or name in PRESET_FOR_ALL)
        and name in PRESET_FIELDS and PRESET_FIELDS[name] not in taken
    }  # fmt: skip
    result = {**settings, **free}
    if result.get("performance") in FAST:
        result = {name: value for name, value in result.items() if name not in FIXED_WHEN_FAST}
    return result


def no_effect(request: GenerateRequest) -> list[str]:
    """A sentence for each field in use that this program has no use for."""
    return [f"{name} has no effect here." for name in changed(request) if name in NO_EFFECT]


def record_params(
    request: GenerateRequest, seed: int, urls: Mapping[str, str], controls: Sequence[str]
) -> dict[str, Any]:
    """The request as it is kept: complete, with its seed, pictures by their addresses; it can be sent again."""
    params = request.model_dump(exclude=set(request.model_extra or ()))
    params |= {"image_seed": seed, **{name: urls.get(name, "") for name in IMAGE_FIELDS}}
    for number, control in enumerate(params["controlnet_image"]):
        control["cn_img"] = controls[number] if number < len(controls) else ""
    return params


def new_record(task_id: str, params: Mapping[str, Any], webhook_url: str, created: float) -> Record:
    """The record of a task that was queued at `created` (seconds since 1970)."""
    return Record(task_id, params, _mills(created) or 0, webhook_url)


def ended_record(record: Record, job: Job, urls: Sequence[str], *, was_skipped: bool = False) -> Record:
    """The record of a task that has ended."""
    status = {"done": "finished", "cancelled": "stop"}.get(job.stage, "error")
    return replace(
        record,
        start_mills=_mills(job.started or job.finished),
        finish_mills=_mills(job.finished) or _mills(time.time()),
        task_status="skip" if was_skipped and status == "finished" else status,
        progress=100,
        result=list(urls),
    )


def running_task(record: Record, job: Job, preview: str | None) -> dict[str, Any]:
    """The record of the running task as clients read it; `preview` is a base64 PNG."""
    return {
        **record.as_dict(),
        "id": -1,
        "start_mills": _mills(job.started) or -1,
        "finish_mills": -1,
        "task_status": "running",
        "progress": percent(job, images_of(record)),
        "preview": preview,
        "result": [],
    }


def images_of(record: Record) -> int:
    """How many pictures a task makes."""
    return int(record.req_params.get("image_number") or 1)


def _mills(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def percent(job: Job, images: int) -> int:
    """Loading is 2, preparing 13; sampling goes on from there to 100, each step counted when it is done."""
    if job.is_over:
        return 100
    phase, done = _phase(job), float(len(job.made))
    if not done and phase not in (SAMPLING, SAVING):
        return LOADING_PERCENT if phase == LOADING else PREPARED_PERCENT
    if phase == SAMPLING and job.step and job.steps:
        done += job.step / job.steps
    elif phase == SAVING:
        done += 1
    return min(int(PREPARED_PERCENT + (100 - PREPARED_PERCENT) * done / max(images, 1)), 100)


def _phase(job: Job) -> str:
    label = extract_status_phase_label(job.status).lower()
    if not label or "loading" in label or job.stage == "waiting":
        return LOADING
    if "denois" in label:
        return SAVING if job.step and job.step == job.steps else SAMPLING
    return SAVING if "decod" in label or "sav" in label else PREPARING


def stream_event(job: Job, images: int, preview: str | None, floor: int = 0) -> dict[str, Any]:
    """What a listening client is told of a job that goes on; the percentage never goes below `floor`."""
    number = min(len(job.made) + 1, images)
    messages = {
        LOADING: "Loading models ...",
        PREPARING: f"Preparing task {number}/{images} ...",
        SAMPLING: f"Sampling step {(job.step or 0) + 1}/{job.steps or 1}, image {number}/{images} ...",
        SAVING: f"Saving image {number}/{images} to system ...",
    }
    message = "Waiting in queue ..." if job.stage == "waiting" else messages[_phase(job)]
    return {"progress": max(percent(job, images), floor), "preview": preview, "message": message, "images": []}


def last_event(urls: Sequence[str]) -> dict[str, Any]:
    """What a listening client is told at the end, whatever the end was."""
    return {"progress": 100, "preview": None, "message": "Finished", "images": list(urls)}


def frame(event: Mapping[str, Any]) -> bytes:
    """An event as its clients expect it on the wire: the JSON, then an empty data line."""
    return f"data: {json.dumps(event)}\r\ndata: \r\n\r\n".encode()


def time_range(start_at: str, end_at: str, now: float) -> tuple[int, int] | None:
    """The milliseconds between two local times `YYYY-MM-DDTHH:MM:SS`; None where they give no range.

    Without `end_at` the range ends now. Raises ValueError for an `end_at` that cannot be read.
    """
    start = _local_mills(start_at)
    if start is None:
        return None
    end = int(now * 1000) if not end_at else _local_mills(end_at)
    if end is None:
        raise ValueError(f"{end_at[:40]!r} is not a time such as 2024-07-03T12:22:30")
    return (start, end) if start < end else None


def _local_mills(text: str) -> int | None:
    try:
        return int(datetime.strptime(text.strip()[:19], "%Y-%m-%dT%H:%M:%S").timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
