"""The endpoints under /v1 that the SDK of OpenAI calls for pictures, clips and models."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from shared.core.errors import MediaError
from shared.http.events import event_stream
from shared.http.files import picture
from shared.http.inputs import FieldError
from shared.http.jobs import Job
from shared.http.openai import mapping
from shared.http.openai.bodies import checked, read_body
from shared.http.openai.errors import error_body, not_found
from shared.http.openai.schemas import (
    DeletedReply,
    EditRequest,
    ErrorReply,
    ModelReply,
    ModelsReply,
    Picture,
    PictureRequest,
    PicturesReply,
    RemixRequest,
    VideoReply,
    VideoRequest,
    VideosReply,
)
from shared.http.openai.service import FILES, NAME, OpenAIService, Source, refusal_of
from shared.http.replies import JSONReply, collected_headers
from shared.media.images import encode_image
from shared.media.thumbnails import jpeg, strip
from shared.media.video import frame_at, read_frames

if TYPE_CHECKING:
    from shared.http.context import ServiceContext

ERRORS: dict[int | str, dict[str, Any]] = {code: {"model": ErrorReply} for code in (400, 401, 404, 429, 500)}
SPRITES, SPRITE_HEIGHT = 12, 120
MOST_LISTED = 1000


def add_routes(router: APIRouter, context: ServiceContext) -> None:
    """All endpoints."""
    service = context.once(NAME, lambda: OpenAIService(context))
    _add_pictures(router, service)
    _add_videos(router, service)
    _add_video_files(router, service)
    _add_models(router, context)


def _body_of(model: Any, *, is_form: bool) -> dict[str, Any]:
    """The OpenAPI words for a body that is read by hand."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    kinds = ["multipart/form-data", "application/json"] if is_form else ["application/json"]
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


def _add_pictures(router: APIRouter, service: OpenAIService) -> None:
    reply = {200: {"model": PicturesReply}, **ERRORS}

    @router.post("/v1/images/generations", responses=reply, openapi_extra=_body_of(PictureRequest, is_form=False))
    async def generations(request: Request) -> Response:
        """Pictures from a prompt."""
        wish = checked(request, PictureRequest, await read_body(request))
        return await _pictures(request, service, wish, await service.generate(request, wish), "image_generation")

    @router.post("/v1/images/edits", responses=reply, openapi_extra=_body_of(EditRequest, is_form=True))
    async def edits(request: Request) -> Response:
        """Pictures made of pictures; where the mask is transparent, or everywhere."""
        fields = await read_body(request)
        wish = checked(request, EditRequest, fields, ("image", "images", "mask"))
        given = fields.get("image", fields.get("images"))
        sources = [_source(one, "image") for one in (given if isinstance(given, list) else [given]) if one]
        mask = _source(fields["mask"], "mask") if fields.get("mask") else None
        return await _pictures(request, service, wish, await service.edit(request, wish, sources, mask), "image_edit")

    @router.get(f"/{FILES}/{{day}}/{{name}}", response_class=FileResponse)
    async def file(request: Request, day: str, name: str) -> Response:
        """A finished picture."""
        return await service.pictures.reply(day, name, accept=request.headers.get("accept", ""))


def _source(value: Any, field: str) -> Source:
    """A picture as it was sent: an upload, a text, or an object with `image_url`. Raises FieldError."""
    source = value.get("image_url") if isinstance(value, dict) else value
    if not isinstance(source, (str, UploadFile)):
        raise FieldError(field, "A picture is needed: a file, a data URI or an http(s) address.")
    return source


async def _pictures(request: Request, service: OpenAIService, wish: PictureRequest, job: Job, kind: str) -> Response:
    if wish.stream:
        reply: Response = event_stream(_events(service, wish, job, kind))
        reply.headers.update(collected_headers(request))
        return reply
    job = await service.context.jobs.ended_job(job)
    base_url, data = service.context.base_url(request), []
    for made in job.made:
        url = service.pictures.url(made.path, base_url)
        if url is not None:
            b64 = None if wish.response_format == "url" else await service.encoded(wish, made.path)
            data.append(Picture(b64_json=b64, url=None if wish.response_format == "b64_json" else url))
    if not data:
        raise refusal_of(job)
    body = PicturesReply(created=int(job.created), data=data, output_format=wish.output_format, size=_size(job))
    return JSONReply(body.model_dump())


def _size(job: Job) -> str:
    return str(job.made[-1].settings.get("resolution") or "") if job.made else ""


async def _events(service: OpenAIService, wish: PictureRequest, job: Job, kind: str) -> AsyncIterator[bytes]:
    """Pictures as they come, and as they stand up to `partial_images` times."""
    told, shown = 0, 0
    size, created = wish.size, int(job.created)
    async for now in service.context.jobs.changes(job):
        is_due = now.progress >= 100 * (shown + 1) / (wish.partial_images + 1)
        if shown < wish.partial_images and is_due and now.preview and not now.is_over:
            b64 = base64.b64encode(await picture(now.preview, mapping.MIME_TYPES[wish.output_format])).decode()
            yield mapping.frame(mapping.partial_event(kind, wish, size, created, b64, shown))
            shown += 1
        while told < len(now.made):
            path = now.made[told].path
            told += 1
            try:
                b64 = await service.encoded(wish, path)
            except MediaError:
                continue
            yield mapping.frame(mapping.picture_event(kind, wish, _size(now), created, b64))
    if not told:
        yield mapping.frame(error_body(job.error or "Nothing was made.", 400, None, "generation_failed"))


def _add_videos(router: APIRouter, service: OpenAIService) -> None:
    in_thread = service.context.in_thread
    reply = {200: {"model": VideoReply}, **ERRORS}

    @router.post("/v1/videos", responses=reply, openapi_extra=_body_of(VideoRequest, is_form=True))
    async def create(request: Request) -> Response:
        """Queue a clip; its first frame is `input_reference`, where that is sent."""
        fields = await read_body(request)
        wish = checked(request, VideoRequest, fields, ("input_reference",))
        given = fields.get("input_reference")
        reference = _source(given, "input_reference") if given else None
        job = await service.make_video(request, wish, reference)
        return JSONReply(await in_thread(service.reply, job))

    @router.get("/v1/videos", responses={401: ERRORS[401]})
    async def videos(
        after: str = "", limit: Annotated[int, Query(ge=1, le=100)] = 20, order: Literal["asc", "desc"] = "desc"
    ) -> VideosReply:
        """The clips, newest first unless `order` is asc, from the one behind `after`."""
        found = await in_thread(service.videos_newest_first, MOST_LISTED)
        found = found[::-1] if order == "asc" else found
        start = next((number + 1 for number, job in enumerate(found) if job.id == after), 0)
        page = found[start : start + limit]
        data = [VideoReply(**await in_thread(service.reply, job)) for job in page]
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return VideosReply(data=data, first_id=first, last_id=last, has_more=len(found) > start + limit)

    @router.get("/v1/videos/{video_id}", responses=reply)
    async def video(video_id: str) -> Response:
        """One clip."""
        return JSONReply(await in_thread(service.reply, await _found(service, video_id)))

    @router.delete("/v1/videos/{video_id}", responses=ERRORS)
    async def delete(video_id: str) -> DeletedReply:
        """Delete a clip and its file; one that is being made is ended."""
        await in_thread(service.delete, await _found(service, video_id))
        return DeletedReply(id=video_id)

    @router.post("/v1/videos/{video_id}/remix", responses=reply, openapi_extra=_body_of(RemixRequest, is_form=False))
    async def remix(request: Request, video_id: str) -> Response:
        """Queue the same clip to another prompt."""
        wish = checked(request, RemixRequest, await read_body(request))
        job = await service.remix(request, video_id, wish)
        if job is None:
            raise not_found("video")
        return JSONReply(await in_thread(service.reply, job))


async def _found(service: OpenAIService, video_id: str) -> Job:
    job = await service.video(video_id)
    if job is None:
        raise not_found("video")
    return job


def _add_video_files(router: APIRouter, service: OpenAIService) -> None:
    @router.get("/v1/videos/{video_id}/content", response_class=FileResponse, responses=ERRORS)
    async def content(video_id: str, variant: Literal["video", "thumbnail", "spritesheet"] = "video") -> Response:
        """The file of a finished clip, its first frame (WebP), or frames side by side (JPEG)."""
        job = await _found(service, video_id)
        path = next((Path(made.path) for made in job.made[::-1] if Path(made.path).is_file()), None)
        if path is None or not job.is_over:
            raise not_found("finished video")
        if variant == "video":
            return FileResponse(path, filename=path.name)
        picture_of = _thumbnail if variant == "thumbnail" else _sprites
        kind = "image/webp" if variant == "thumbnail" else "image/jpeg"
        return Response(await service.context.in_thread(picture_of, path), media_type=kind)


def _thumbnail(path: Path) -> bytes:
    return encode_image(frame_at(path, 0), "webp_90")


def _sprites(path: Path) -> bytes:
    frames, _ = read_frames(path)
    return jpeg(strip(frames, SPRITE_HEIGHT, SPRITES), 85)


def _add_models(router: APIRouter, context: ServiceContext) -> None:
    def installed() -> list[ModelReply]:
        registry = context.runtime.registry
        found = [model for model in registry.models().values() if registry.availability(model) == "available"]
        return [ModelReply(id=model.model_type, owned_by=model.family, name=model.name) for model in found]

    @router.get("/v1/models", responses={401: ERRORS[401]})
    async def models() -> ModelsReply:
        """The models that are installed."""
        return ModelsReply(data=await context.in_thread(installed))

    @router.get("/v1/models/{model_id}", responses={401: ERRORS[401], 404: ERRORS[404]})
    async def model(model_id: str) -> ModelReply:
        """One of them."""
        for one in await context.in_thread(installed):
            if one.id == model_id:
                return one
        raise not_found("model")
