"""Requests as settings, jobs as replies: pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.picture_sizes import fold_seed
from shared.http.jobs import Job
from shared.http.openai.schemas import EditRequest, PictureRequest, VideoError, VideoReply, VideoRequest

STATUSES = {"waiting": "queued", "running": "in_progress", "done": "completed"}
STEP_FACTORS = {"low": 0.5, "high": 1.25, "hd": 1.25, "xhigh": 1.5, "max": 2.0}
MAX_STEPS = 100
USUAL_STRENGTH = 0.7
MIME_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def picture_settings(request: PictureRequest, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The task for pictures from a prompt; `defaults` are the settings of the model."""
    return {
        **_common(request, defaults),
        "image_mode": 1,
        "repeat_generation": request.n,
        "image_format": "jpg" if request.output_format == "jpeg" else request.output_format,
        "num_inference_steps": request.steps or steps_of(request.quality, int(defaults["num_inference_steps"])),
    }


def edit_settings(
    request: EditRequest, defaults: Mapping[str, Any], inputs: Mapping[str, bool], pictures: Sequence[str], mask: str
) -> dict[str, Any]:
    """The task for an edit of `pictures` (paths), where `mask` (a path or "") is white.

    `inputs` are the picture inputs of the model. Raises ValueError where it lacks what is needed.
    """
    settings = picture_settings(request, defaults)
    if mask:
        _need(inputs, "mask", "this model cannot repaint a part of a picture")
        settings |= {"image_mode": 2, "video_prompt_type": "VA", "image_guide": pictures[0], "image_mask": mask}
    elif inputs.get("reference"):
        return {**settings, "video_prompt_type": "I", "image_refs": list(pictures)}
    else:
        _need(inputs, "control", "this model cannot start from a picture")
        settings |= {"video_prompt_type": "V", "image_guide": pictures[0]}
    if len(pictures) > 1:
        raise ValueError("image: this model takes one picture")
    return {**settings, "denoising_strength": request.strength or (1.0 if mask else USUAL_STRENGTH)}


def _need(inputs: Mapping[str, bool], name: str, sentence: str) -> None:
    if not inputs.get(name):
        raise ValueError(f"image: {sentence}")


def video_settings(request: VideoRequest, defaults: Mapping[str, Any], start: str) -> dict[str, Any]:
    """The task for a clip; `start` is the path of its first frame, or ""."""
    settings = {**_common(request, defaults), "image_mode": 0, "video_length": f"{request.seconds:g}s"}
    if request.steps:
        settings["num_inference_steps"] = request.steps
    if start:
        settings |= {"image_prompt_type": "S", "image_start": start}
    return settings


def _common(request: PictureRequest | VideoRequest, defaults: Mapping[str, Any]) -> dict[str, Any]:
    settings = {
        "model_type": defaults["model_type"],
        "prompt": request.prompt,
        "multi_prompts_gen_type": "FG",
        "resolution": defaults["resolution"] if request.size == "auto" else request.size,
        "seed": -1 if request.seed is None else fold_seed(request.seed),
    }
    if request.negative_prompt:
        settings["negative_prompt"] = request.negative_prompt
    return settings


def steps_of(quality: str, usual: int) -> int:
    """The denoising steps of a quality, where a model usually takes `usual`."""
    return max(1, min(MAX_STEPS, round(usual * STEP_FACTORS.get(quality, 1.0))))


def codec_of(request: PictureRequest) -> str:
    """How a picture is encoded that is compressed further than it lies on the disk; "" where it is not."""
    if request.output_format == "png" or request.output_compression == 100:
        return ""
    return f"{request.output_format}_{max(request.output_compression, 1)}"


def size_of(settings: Mapping[str, Any]) -> tuple[int, int]:
    """(width, height) of the result."""
    width, _, height = str(settings["resolution"]).partition("x")
    return int(width), int(height)


def picture_event(kind: str, request: PictureRequest, size: str, created: int, b64: str) -> dict[str, Any]:
    """What a finished picture is told as in a stream; nothing is metered here, so the tokens are 0."""
    return {
        **_event(f"{kind}.completed", request, size, created, b64),
        "usage": {
            "input_tokens": 0, "output_tokens": 0, "total_tokens": 0,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
        },
    }  # fmt: skip


def partial_event(kind: str, request: PictureRequest, size: str, created: int, b64: str, number: int) -> dict[str, Any]:
    """The picture as it stands."""
    return {**_event(f"{kind}.partial_image", request, size, created, b64), "partial_image_index": number}


def _event(name: str, request: PictureRequest, size: str, created: int, b64: str) -> dict[str, Any]:
    return {
        "type": name, "b64_json": b64, "created_at": created, "background": "opaque", "quality": request.quality,
        "output_format": request.output_format, "size": size,
    }  # fmt: skip


def frame(event: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return f"event: {event.get('type', 'error')}\ndata: {json.dumps(event)}\n\n".encode()


def video_reply(job: Job, settings: Mapping[str, Any]) -> VideoReply:
    """A clip as it stands; `settings` are those of its task."""
    error = None
    if job.stage in ("failed", "cancelled"):
        code = "cancelled" if job.stage == "cancelled" else "generation_failed"
        error = VideoError(code=code, message=job.error or "")
    made = job.made[-1].settings if job.made else {}
    return VideoReply.model_validate({
        "id": job.id,
        "model": settings.get("model_type", ""),
        "status": STATUSES.get(job.stage, "failed"),
        "progress": job.progress,
        "created_at": int(job.created),
        "completed_at": int(job.finished) if job.finished and job.stage == "done" else None,
        "prompt": settings.get("prompt"),
        "remixed_from_video_id": job.note.get("remixed_from"),
        "seconds": str(job.note.get("seconds") or ""),
        "size": str(made.get("resolution") or settings.get("resolution") or ""),
        "error": error,
    })  # fmt: skip
