"""What the Wan image-to-video service takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

MODEL_NAME = "Wan2.1-I2V-14B-480P"
# Names that clients send for "the model of this service".
KNOWN_MODELS = (
    MODEL_NAME, "Wan2.1-I2V-14B-720P", "Wan-AI/Wan2.1-I2V-14B-480P", "Wan-AI/Wan2.1-I2V-14B-720P",
    "Wan-AI/Wan2.1-I2V-14B-720P-Turbo", "Wan-AI/Wan2.2-I2V-A14B",
)  # fmt: skip
ID_LENGTH = 32


class SubmitRequest(BaseModel):
    """A clip to be made from a picture and a prompt."""

    model_config = ConfigDict(json_schema_extra={"example": {
        "model": MODEL_NAME, "prompt": "A dancing cat in the style of Van Gogh",
        "image_url": "https://example.com/input.jpg", "image_size": "auto", "num_frames": 81,
        "guidance_scale": 3.0, "infer_steps": 30,
    }})  # fmt: skip

    model: str = Field(MODEL_NAME, max_length=200, description="Name of the model, or the id of an installed one.")
    prompt: str = Field(min_length=10, max_length=500, description="What happens in the clip.")
    image_url: str = Field(
        validation_alias=AliasChoices("image_url", "image"), description="http(s) address of the picture."
    )
    image_size: Literal["480x832", "832x480", "auto"] = Field("auto", description="Width x height of the clip.")
    negative_prompt: str | None = Field(None, max_length=500, description="What the clip must not show.")
    num_frames: int = Field(81, ge=24, le=120, description="Length; rounded to 4k + 1 frames.")
    guidance_scale: float = Field(3.0, ge=1.0, le=20.0, description="How closely the prompt is followed.")
    infer_steps: int = Field(30, ge=20, le=100, description="Denoising steps.")
    seed: int | None = Field(None, ge=0, le=2_147_483_647, description="Start of the noise; drawn when absent.")


class AliasSubmitRequest(SubmitRequest):
    """The same under `/v1/video`, whose clients also ask for the sizes of the 720P models."""

    image_size: Literal["480x832", "832x480", "1280x720", "720x1280", "960x960", "auto"] = Field(  # type: ignore[assignment]
        "auto", description="Width x height of the clip."
    )


class SubmitReply(BaseModel):
    """The id under which the clip is asked for."""

    requestId: str


class IdRequest(BaseModel):
    """Which clip is meant."""

    requestId: str = Field(min_length=ID_LENGTH, max_length=ID_LENGTH)


class Video(BaseModel):
    """A finished clip."""

    url: str


class Timings(BaseModel):
    """Whole seconds from the start of the work to its end."""

    inference: int


class Results(BaseModel):
    """What was made."""

    videos: list[Video]
    timings: Timings
    seed: int | None


class StatusReply(BaseModel):
    """Where a clip stands; `queue_position` counts from 1."""

    status: Literal["InQueue", "InProgress", "Succeed", "Failed", "Cancelled"]
    reason: str | None = None
    results: Results | None = None
    queue_position: int | None = None


class CancelReply(BaseModel):
    """The clip will not be made."""

    status: Literal["Succeed"] = "Succeed"


class Refusal(BaseModel):
    """Why a request was not served."""

    status: Literal["Failed"] = "Failed"
    reason: str


class RefusalReply(BaseModel):
    """The body of a 400, 401, 404 or 500."""

    detail: Refusal
