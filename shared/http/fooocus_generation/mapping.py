"""From requests of Fooocus-API to settings of a task, and from a job to its replies. Pure functions."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from shared.core.params import Param
from shared.http.files import name_template
from shared.http.fooocus import ControlImage, Enhancement, Wishes, to_settings
from shared.http.fooocus_generation.schemas import AdvancedParams, TextToImage
from shared.http.jobs import Job

SEEDS = 2**63
NOT_DONE = (
    "debugging_cn_preprocessor", "debugging_inpaint_preprocessor", "inpaint_engine", "black_out_nsfw", "debugging_dino",
    "dino_erode_or_dilate", "debugging_enhance_masks_checkbox",
)  # fmt: skip
STAGES = {"waiting": "WAITING", "running": "RUNNING", "done": "SUCCESS", "failed": "ERROR", "cancelled": "ERROR"}
SIDES = ("Left", "Right", "Top", "Bottom")
EXTENSIONS = ("png", "jpg", "jpeg", "webp")

TEXT_TO_IMAGE = "Text to Image"
UPSCALE_VARY = "Image Upscale or Variation"
INPAINT_OUTPAINT = "Image Inpaint or Outpaint"
IMAGE_PROMPT = "Image Prompt"
ENHANCE = "Image Enhancement"


@dataclass(frozen=True)
class Pictures:
    """The pictures of a request as local files; `prompts` are those that steer, `inpaint_size` is (width, height)."""

    uov: str = ""
    inpaint: str = ""
    mask: str = ""
    inpaint_size: tuple[int, int] = (0, 0)
    enhance: str = ""
    prompts: Sequence[ControlImage] = ()
    mixes: bool = False


@dataclass(frozen=True)
class Chosen:
    """What names of a request stand for: model, refiner ("": none), LoRAs with weights; `params`: the model's settings.

    `seed` is the request's own or the one drawn for it.
    """

    model_type: str
    params: Mapping[str, Param]
    seed: int
    refiner: str = ""
    loras: Sequence[tuple[str, float]] = ()


def resolved_seed(wanted: int, random_seed: int) -> int:
    """The seed of a request: its own within 0..2^63-1, else the one drawn."""
    return wanted if 0 <= wanted < SEEDS else random_seed


def settings_of(
    request: TextToImage, pictures: Pictures, chosen: Chosen, styles: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """The task's settings, and what of the request has no effect; `styles` are the names that are known.

    Raises SettingsError for a size that cannot be read.
    """
    warnings: list[str] = []
    wishes = Wishes(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        style_selections=_styles(request, styles, warnings),
        performance_selection=request.performance_selection,
        aspect_ratios_selection=request.aspect_ratios_selection,
        image_number=request.image_number,
        image_seed=chosen.seed,
        sharpness=request.sharpness,
        guidance_scale=request.guidance_scale,
        refiner_model=chosen.refiner,
        refiner_switch=request.refiner_switch,
        loras=chosen.loras,
        save_meta=request.save_meta,
        meta_scheme=request.meta_scheme,
        save_extension=_extension(request, warnings),
        read_wildcards_in_order=request.read_wildcards_in_order,
        advanced=_advanced(request, pictures),
        image_prompts=pictures.prompts,
        enhance=_enhancement(request, pictures),
        given=request.model_fields_set | request.advanced_params.model_fields_set,
        **_picture_wishes(request, pictures),
    )
    settings, more = to_settings(wishes, chosen.model_type, chosen.params)
    return settings, [*warnings, *more, *_without_effect(request.advanced_params)]


def _styles(request: TextToImage, known: Collection[str], warnings: list[str]) -> list[str]:
    unknown = [style for style in request.style_selections if style not in known]
    warnings += [f"style_selections: {style[:80]} is not known and has no effect." for style in unknown[:5]]
    return [style for style in request.style_selections if style in known]


def _without_effect(advanced: AdvancedParams) -> list[str]:
    """A sentence for each advanced parameter that asks for something which is not done here."""
    fields = type(advanced).model_fields
    asked = [name for name in NOT_DONE if getattr(advanced, name) != fields[name].default]
    return [f"advanced_params: {name} has no effect." for name in asked]


def _extension(request: TextToImage, warnings: list[str]) -> str:
    extension = request.save_extension.strip().lower().lstrip(".")
    if extension in EXTENSIONS:
        return extension
    warnings.append(f"save_extension: {request.save_extension[:20]} is not known; png is used.")
    return "png"


def _advanced(request: TextToImage, pictures: Pictures) -> dict[str, Any]:
    advanced = request.advanced_params.model_dump()
    if pictures.mixes:
        advanced["mixing_image_prompt_and_vary_upscale"] = advanced["mixing_image_prompt_and_inpaint"] = True
    return advanced


def _picture_wishes(request: TextToImage, pictures: Pictures) -> dict[str, Any]:
    fields: Mapping[str, Any] = {name: getattr(request, name) for name in type(request).model_fields}
    return {
        "uov_method": fields.get("uov_method", "Disabled") if pictures.uov else "Disabled",
        "upscale_value": _custom_factor(fields.get("upscale_value")),
        "uov_image": pictures.uov,
        "inpaint_image": pictures.inpaint,
        "inpaint_mask": pictures.mask,
        "inpaint_size": pictures.inpaint_size,
        "inpaint_additional_prompt": fields.get("inpaint_additional_prompt") or "",
        "outpaint_selections": fields.get("outpaint_selections") or (),
        "outpaint_distances": {side: fields.get(f"outpaint_distance_{side.lower()}") or 0 for side in SIDES},
    }


def _custom_factor(value: float | None) -> float | None:
    """The factor of Upscale (Custom); 5 is taken for 2, as the API always did."""
    return None if value is None or value >= 5 else value


def _enhancement(request: TextToImage, pictures: Pictures) -> Enhancement | None:
    fields: Any = request
    if not pictures.enhance or not fields.enhance_checkbox:
        return None
    passes = fields.passes() if hasattr(fields, "passes") else [one.model_dump() for one in fields.enhance_ctrlnets]
    return Enhancement(
        pictures.enhance, passes, fields.enhance_uov_method, fields.enhance_uov_processing_order,
        fields.enhance_uov_prompt_type,
    )  # fmt: skip


def file_settings(request: TextToImage, job_id: str) -> dict[str, Any]:
    """How the result's files are named."""
    return {"output_filename": name_template(request.save_name, job_id)}


def request_record(request: BaseModel) -> dict[str, Any]:
    """A request as the history keeps it: without pictures, LoRAs and picture prompts as lists of their values."""
    kept = request.model_dump(exclude=set(request.model_extra or {}))
    for name in ("input_image", "input_mask", "enhance_input_image"):
        kept.pop(name, None)
    if "loras" in kept:
        kept["loras"] = [[lora["enabled"], lora["model_name"], lora["weight"]] for lora in kept["loras"]]
    if "image_prompts" in kept:
        kept["image_prompts"] = [[one["cn_stop"], one["cn_weight"], one["cn_type"]] for one in kept["image_prompts"]]
    return kept


# --- replies


def seed_of(note: Mapping[str, Any], index: int) -> str:
    """The seed of picture `index`, as text: the numbers are too large for JavaScript."""
    return str((int(note["seed"]) + (index if note.get("increments", True) else 0)) % SEEDS)


def rows_of(job: Job, urls: Sequence[str | None], pictures: Sequence[str | None]) -> list[dict[str, Any]]:
    """An element for each picture of an ended job, in order, and one more for the picture at which it broke off.

    `urls` and `pictures` (with data prefix; None: not wanted) are those of `job.made`.
    """
    rows = [
        {"base64": picture, "url": url, "seed": seed_of(job.note, index), "finish_reason": "SUCCESS"}
        for index, (url, picture) in enumerate(zip(urls, pictures, strict=True))
    ]
    if job.stage in ("failed", "cancelled"):
        reason = "USER_CANCEL" if job.stage == "cancelled" else "ERROR"
        rows.append({"base64": None, "url": None, "seed": seed_of(job.note, len(rows)), "finish_reason": reason})
    return rows


QUEUE_FULL_ROWS = [{"base64": None, "url": None, "seed": "", "finish_reason": "QUEUE_IS_FULL"}]


def queue_full_job(kind: str) -> dict[str, Any]:
    """The reply to an asynchronous call that found no place."""
    state = not_found()
    return {**state, "job_type": kind, "job_status": "The queue is full.", "job_result": QUEUE_FULL_ROWS}


def not_found() -> dict[str, Any]:
    """The reply to an unknown id."""
    return {
        "job_id": "", "job_type": "Not Found", "job_stage": "ERROR", "job_progress": 0, "job_status": "Job not found",
        "job_step_preview": None, "job_result": None,
    }  # fmt: skip


def job_state(job: Job, rows: list[dict[str, Any]] | None = None, preview: bytes | None = None) -> dict[str, Any]:
    """A job as query-job tells it; `preview` is a PNG, `rows` the result of one that has ended."""
    has_result = job.stage == "done" or bool(rows and job.made)
    return {
        "job_id": job.id,
        "job_type": job.kind,
        "job_stage": STAGES[job.stage],
        "job_progress": job.progress,
        "job_status": _status(job),
        "job_step_preview": base64.b64encode(preview).decode() if preview else None,
        "job_result": rows if has_result else None,
    }


def _status(job: Job) -> str | None:
    if job.stage == "done":
        return "Finished"
    return job.error or job.status or None


def job_times(job: Job) -> dict[str, Any]:
    """A job in the lists of job-history."""
    return {
        "job_id": job.id, "in_queue_mills": _mills(job.created), "start_mills": _mills(job.started),
        "finish_mills": _mills(job.finished), "is_finished": job.is_over,
    }  # fmt: skip


def job_record(job: Job, urls: Sequence[str | None], date_time: str) -> dict[str, Any]:
    """A job in the persistent history."""
    reason = {"done": "SUCCESS", "cancelled": "USER_CANCEL"}.get(job.stage, "ERROR")
    info = {
        "task_id": job.id, "task_type": job.kind, "task_in_queue_mills": _mills(job.created),
        "task_start_mills": _mills(job.started), "task_finish_mills": _mills(job.finished),
        "result_url": ",".join(url for url in urls if url), "finish_reason": reason, "date_time": date_time,
    }  # fmt: skip
    return {"params": job.note.get("request") or {}, "task_info": info}


def webhook_message(job: Job, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is told of an ended job."""
    return {"job_id": job.id, "job_result": [{"url": row["url"], "seed": row["seed"]} for row in rows]}


def _mills(moment: float | None) -> int:
    return int(moment * 1000) if moment else 0
