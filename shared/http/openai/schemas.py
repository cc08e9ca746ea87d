"""What the OpenAI-compatible endpoints take and give: those of the fields that mean something here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_PROMPT = 32_000
Size = Annotated[str, Field(pattern=r"^(auto|\d{1,4}x\d{1,4})$")]
Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]


def _none_as(default: Any) -> BeforeValidator:
    """A field sent as null has its default."""
    return BeforeValidator(lambda value: default if value is None else value)


class PictureRequest(BaseModel):
    """What generations and edits have in common. `seed`, `negative_prompt` and `steps` are additions of this server."""

    model_config = ConfigDict(json_schema_extra={"example": {
        "prompt": "a lighthouse at dawn", "size": "1024x1024", "n": 1, "response_format": "b64_json",
    }})  # fmt: skip

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    model: str | None = Field(None, max_length=200)
    n: Annotated[int, _none_as(1)] = Field(1, ge=1, le=10)
    size: Annotated[Size, _none_as("auto")] = "auto"
    quality: Annotated[Quality, _none_as("auto")] = "auto"
    response_format: Literal["url", "b64_json"] | None = None
    output_format: Annotated[Literal["png", "jpeg", "webp"], _none_as("png")] = "png"
    output_compression: Annotated[int, _none_as(100)] = Field(100, ge=0, le=100)
    background: Annotated[Literal["auto", "opaque"], _none_as("auto")] = "auto"
    stream: Annotated[bool, _none_as(False)] = False
    partial_images: Annotated[int, _none_as(0)] = Field(0, ge=0, le=3)
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    negative_prompt: str | None = Field(None, max_length=MAX_PROMPT)
    steps: int | None = Field(None, ge=1, le=200)


class EditRequest(PictureRequest):
    """An edit; its pictures come as files. `strength` is how far the result may go from the picture."""

    strength: float | None = Field(None, gt=0, le=1)


class VideoRequest(BaseModel):
    """A clip to be made; `input_reference` is its first frame."""

    model_config = ConfigDict(json_schema_extra={"example": {
        "prompt": "a red ball moving right", "seconds": "4", "size": "1280x720",
    }})  # fmt: skip

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    model: str | None = Field(None, max_length=200)
    seconds: Annotated[float, _none_as(4)] = Field(4, gt=0, le=60)
    size: Annotated[Size, _none_as("auto")] = "auto"
    input_reference: dict[str, Any] | str | None = None
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    negative_prompt: str | None = Field(None, max_length=MAX_PROMPT)
    steps: int | None = Field(None, ge=1, le=200)


class RemixRequest(BaseModel):
    """The same clip to another prompt."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)


class Picture(BaseModel):
    """A finished picture."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class PicturesReply(BaseModel):
    """The finished pictures; `created` in seconds since 1970."""

    created: int
    data: list[Picture]
    background: Literal["opaque"] = "opaque"
    output_format: str
    size: str


class VideoError(BaseModel):
    """Why a clip was not made."""

    code: str
    message: str


class VideoReply(BaseModel):
    """A clip as it stands; times in seconds since 1970."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    prompt: str | None = None
    remixed_from_video_id: str | None = None
    seconds: str
    size: str
    error: VideoError | None = None


class VideosReply(BaseModel):
    """A page of clips."""

    object: Literal["list"] = "list"
    data: list[VideoReply]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedReply(BaseModel):
    """A clip is gone."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


class ModelReply(BaseModel):
    """A model that is installed; `name` is the one the page shows."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
    name: str


class ModelsReply(BaseModel):
    """The models that are installed."""

    object: Literal["list"] = "list"
    data: list[ModelReply]


class ErrorBody(BaseModel):
    """What is wrong with a request."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(BaseModel):
    """The body of every refusal."""

    error: ErrorBody
