"""A request as settings, a job as a reply: pure functions."""

from __future__ import annotations

import math
from typing import Any

from shared.http.jobs import Job
from shared.http.wan_i2v.reasons import Language, say
from shared.http.wan_i2v.schemas import Results, StatusReply, SubmitRequest, Timings, Video

MAX_PIXELS = 399_360
MULTIPLE = 16
MAX_RATIO = 8
FPS = 16
SEEDS = 1_000_000_000
MEMORY_WORDS = ("out of memory", "too little memory", "not enough memory")


class BadShape(ValueError):
    """A picture too narrow for a clip; the text is its size."""


def auto_size(width: int, height: int) -> tuple[int, int]:
    """The (width, height) of the clip for a picture: its shape, about 399,360 pixels and never more, multiples of 16.

    Raises BadShape where one side is over 8 times the other.
    """
    if max(width, height) > MAX_RATIO * min(width, height):
        raise BadShape(f"{width}x{height}")
    ratio = height / width
    size = [_floored(math.sqrt(MAX_PIXELS / ratio)), _floored(math.sqrt(MAX_PIXELS * ratio))]
    while size[0] * size[1] > MAX_PIXELS:
        size[0 if size[0] >= size[1] else 1] -= MULTIPLE
    return size[0], size[1]


def _floored(side: float) -> int:
    return round(side) // MULTIPLE * MULTIPLE


def clip_size(image_size: str, picture: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) that `image_size` asks for; raises as `auto_size`."""
    if image_size == "auto":
        return auto_size(*picture)
    width, _, height = image_size.partition("x")
    return int(width), int(height)


def clip_frames(num_frames: int) -> int:
    """The length that is made for `num_frames`: 4k + 1."""
    return num_frames if num_frames % 4 == 1 else num_frames // 4 * 4 + 1


def to_settings(
    request: SubmitRequest, model_type: str, picture: str, size: tuple[int, int], seed: int
) -> dict[str, Any]:
    """The task for a request: `picture` is the path of the picture, already in the clip's size."""
    return {
        "model_type": model_type,
        "prompt": request.prompt,
        "multi_prompts_gen_type": "FG",
        "negative_prompt": request.negative_prompt or "",
        "image_prompt_type": "S",
        "image_start": picture,
        "resolution": f"{size[0]}x{size[1]}",
        "video_length": clip_frames(request.num_frames),
        "force_fps": str(FPS),
        "guidance_scale": request.guidance_scale,
        "num_inference_steps": request.infer_steps,
        "seed": seed % SEEDS,
    }


def failure_reason(error: str, language: Language) -> str:
    """Why a clip was not made; too little memory is told with what helps."""
    is_memory = any(word in error.lower() for word in MEMORY_WORDS)
    return say("out_of_memory" if is_memory else "failed", language, detail=error)


def to_reply(job: Job, position: int, url: str, language: Language) -> StatusReply:
    """The status of a job: its place among the waiting ones from 1, or what came of it at `url`."""
    match job.stage:
        case "waiting":
            return StatusReply(status="InQueue", queue_position=position)
        case "running":
            return StatusReply(status="InProgress")
        case "done":
            seconds = (job.finished or job.created) - (job.started or job.created)
            timings = Timings(inference=max(int(seconds), 0))
            return StatusReply(
                status="Succeed", results=Results(videos=[Video(url=url)], timings=timings, seed=job.note.get("seed"))
            )
        case "cancelled":
            return StatusReply(status="Cancelled", reason=say("cancelled", language))
    return StatusReply(status="Failed", reason=failure_reason(job.error or "", language))
