"""The endpoints of Fooocus-API."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, UploadFile
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from shared.http.context import ServiceContext
from shared.http.fooocus import ControlImage
from shared.http.fooocus_generation import forms, mapping, schemas
from shared.http.fooocus_generation.generation import NAME, Generations
from shared.http.fooocus_generation.mapping import Pictures
from shared.http.fooocus_tools import Models, add_tools, installed
from shared.http.inputs import FieldError
from shared.http.replies import JSONReply, warn
from shared.http.server import form_of
from shared.http.tools import describe
from shared.media.images import load_image

_BINARY = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
_JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.Refusal, "description": "A body that cannot be read"},
    403: {"model": schemas.Refusal, "description": "No key, or a wrong one"},
    408: {"model": schemas.Refusal, "description": "A body that stopped coming"},
    413: {"description": "Too large", **_TEXT},
    422: {"model": schemas.Refusal, "description": "A request that cannot be run"},
    429: {"model": schemas.Refusal, "description": "Too many jobs"},
}
GENERATED: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    200: {
        "model": list[schemas.Generated] | schemas.JobState,
        "description": "The pictures; with async_process the job; with Accept: image/png the one picture",
        **_BINARY,
    },
    400: {"model": schemas.Refusal, "description": "A body that cannot be read; as PNG: USER_CANCEL", **_TEXT},
    409: {"description": "As PNG: QUEUE_IS_FULL", **_TEXT},
    500: {"description": "As PNG: ERROR", **_TEXT},
}
NO_PICTURE = "A picture is needed: a file, base64 or an http(s) address."
HOME = '<!doctype html><html><body><a href="/docs">The documentation of this API</a></body></html>'
PictureKind = Annotated[Literal["Photo", "Anime"] | None, Query()]
Accept = Annotated[str, Query(description="In place of the header Accept: image/png gives the picture itself")]


def add_routes(router: APIRouter, context: ServiceContext) -> None:
    """Every endpoint, over one `Generations`."""
    generations = Generations(context)
    _add_json_generations(router, generations)
    _add_form_generations(router, generations)
    _add_tools(router, context)
    _add_jobs(router, generations)
    _add_engine(router, context)

    @router.get("/files/{date}/{file_name}", responses={404: {"description": "No such file"}}, response_class=Response)
    async def files(request: Request, date: str, file_name: str) -> Response:
        """A result; a picture in the format that Accept names."""
        return await generations.shelf.reply(date, file_name, accept=request.headers.get("accept", ""))

    @router.get("/", response_class=HTMLResponse, responses={403: {"description": "No key", **_JSON}})
    async def home() -> HTMLResponse:
        """A link to these pages."""
        return HTMLResponse(HOME)

    @router.get("/ping", responses={403: REFUSALS[403]})
    async def ping() -> str:
        """Whether the service is there."""
        return "pong"


class PictureReader:
    """Reads the pictures of a request into files; messages name the field."""

    def __init__(self, context: ServiceContext) -> None:
        self._context, self._inputs = context, context.inputs

    async def path(self, source: Any, *name: str | int) -> str:
        """The file behind a field, "" where it holds nothing."""
        return str(await self._inputs.save(source, name) or "")

    async def needed(self, source: Any, name: str) -> str:
        """The file behind a field that must hold a picture."""
        found = await self.path(source, name)
        if not found:
            raise FieldError(name, NO_PICTURE)
        return found

    async def prompts(self, wanted: Sequence[schemas.ControlPicture]) -> list[ControlImage]:
        """The first four pictures that steer, those without a picture left out."""
        found = []
        for index, one in enumerate(wanted[:4]):
            path = await self.path(one.cn_img, "image_prompts", index, "cn_img")
            if path:
                found.append(ControlImage(path, one.cn_type, one.cn_stop or None, one.cn_weight or None))
        return found

    async def numbered_prompts(self, wish: Any, files: Mapping[str, Any]) -> list[ControlImage]:
        """The same for the fields cn_img1, cn_type1, ... of a form."""
        found = []
        for number in range(1, 5):
            path = await self.path(files.get(f"cn_img{number}"), f"cn_img{number}")
            kind, stop, weight = (getattr(wish, f"cn_{name}{number}") for name in ("type", "stop", "weight"))
            if path:
                found.append(ControlImage(path, kind, stop or None, weight or None))
        return found

    async def inpaint(self, image: Any, mask: Any) -> dict[str, Any]:
        """The picture to repaint, its mask and its size."""
        path = await self.path(image, "input_image")
        if not path:
            return {}
        size = await self._context.in_thread(lambda: load_image(path).size)
        return {"inpaint": path, "mask": await self.path(mask, "input_mask"), "inpaint_size": size}


def _add_json_generations(router: APIRouter, generations: Generations) -> None:
    read = PictureReader(generations.context)
    post = _poster(router)

    @post("/v1/generation/text-to-image")
    async def text_to_image(request: Request, wish: schemas.TextToImage, accept: Accept = "") -> Response:
        """Pictures from a text."""
        return await generations.answer(request, wish, mapping.TEXT_TO_IMAGE)

    @post("/v2/generation/text-to-image-with-ip")
    async def with_pictures(request: Request, wish: schemas.TextToImageWithPictures, accept: Accept = "") -> Response:
        """Pictures from a text, steered by up to four pictures."""
        pictures = Pictures(prompts=await read.prompts(wish.image_prompts), mixes=True)
        return await generations.answer(request, wish, mapping.TEXT_TO_IMAGE, pictures)

    @post("/v2/generation/image-upscale-vary")
    async def upscale_vary(request: Request, wish: schemas.UpscaleVary, accept: Accept = "") -> Response:
        """A picture varied, or made larger."""
        picture = await read.needed(wish.input_image, "input_image")
        pictures = Pictures(uov=picture, prompts=await read.prompts(wish.image_prompts), mixes=True)
        return await generations.answer(request, wish, mapping.UPSCALE_VARY, pictures)

    @post("/v2/generation/image-inpaint-outpaint", "/v2/generation/image-inpait-outpaint")
    async def inpaint(request: Request, wish: schemas.Inpaint, accept: Accept = "") -> Response:
        """A part of a picture made anew (white in the mask), or room around it."""
        own = await read.inpaint(wish.input_image, wish.input_mask)
        pictures = Pictures(**own, prompts=await read.prompts(wish.image_prompts), mixes=True)
        return await generations.answer(request, wish, mapping.INPAINT_OUTPAINT, pictures)

    @post("/v2/generation/image-prompt")
    async def image_prompt(request: Request, wish: schemas.PicturePrompt, accept: Accept = "") -> Response:
        """Pictures steered by up to four pictures, with or without repainting a part of one."""
        own = await read.inpaint(wish.input_image, wish.input_mask)
        pictures = Pictures(**own, prompts=await read.prompts(wish.image_prompts), mixes=True)
        return await generations.answer(request, wish, mapping.IMAGE_PROMPT, pictures)

    @post("/v2/generation/image-enhance")
    async def enhance(request: Request, wish: schemas.Enhance, accept: Accept = "") -> Response:
        """Finds parts of a picture and improves them."""
        pictures = Pictures(enhance=await read.needed(wish.enhance_input_image, "enhance_input_image"))
        return await generations.answer(request, _always_enhancing(wish), mapping.ENHANCE, pictures)


def _add_form_generations(router: APIRouter, generations: Generations) -> None:
    read = PictureReader(generations.context)

    def post(*paths: str, form: type[BaseModel], files: dict[str, bool]) -> Any:
        return _poster(router, openapi_extra=forms.form_schema(form, files))(*paths)

    @post("/v1/generation/image-upscale-vary", form=forms.UpscaleVaryForm, files=forms.UPSCALE_FILES)
    async def upscale_vary(request: Request, accept: Accept = "") -> Response:
        """A picture varied, or made larger."""
        async with form_of(request) as form:
            wish, files, ignored = forms.read_form(form, forms.UpscaleVaryForm, forms.UPSCALE_FILES)
            pictures = Pictures(uov=await read.needed(files["input_image"], "input_image"))
        warn(request, *ignored)
        return await generations.answer(request, wish, mapping.UPSCALE_VARY, pictures)

    @post("/v1/generation/image-inpaint-outpaint", "/v1/generation/image-inpait-outpaint",
          form=forms.InpaintForm, files=forms.INPAINT_FILES)  # fmt: skip
    async def inpaint(request: Request, accept: Accept = "") -> Response:
        """A part of a picture made anew (white in the mask), or room around it."""
        async with form_of(request) as form:
            wish, files, ignored = forms.read_form(form, forms.InpaintForm, forms.INPAINT_FILES)
            own = await read.inpaint(files["input_image"], files.get("input_mask"))
        if not own:
            raise FieldError("input_image", NO_PICTURE)
        warn(request, *ignored)
        return await generations.answer(request, wish, mapping.INPAINT_OUTPAINT, Pictures(**own))

    @post("/v1/generation/image-prompt", form=forms.PicturePromptForm, files=forms.PROMPT_FILES)
    async def image_prompt(request: Request, accept: Accept = "") -> Response:
        """Pictures steered by up to four pictures, with or without repainting a part of one."""
        async with form_of(request) as form:
            wish, files, ignored = forms.read_form(form, forms.PicturePromptForm, forms.PROMPT_FILES)
            own = await read.inpaint(files.get("input_image"), files.get("input_mask"))
            prompts = await read.numbered_prompts(wish, files)
        warn(request, *ignored)
        return await generations.answer(request, wish, mapping.IMAGE_PROMPT, Pictures(**own, prompts=prompts))

    @post("/v1/generation/image-enhance", form=forms.EnhanceForm, files=forms.ENHANCE_FILES)
    async def enhance(request: Request, accept: Accept = "") -> Response:
        """Finds parts of a picture and improves them."""
        async with form_of(request) as form:
            wish, files, ignored = forms.read_form(form, forms.EnhanceForm, forms.ENHANCE_FILES)
            pictures = Pictures(enhance=await read.needed(files["enhance_input_image"], "enhance_input_image"))
        warn(request, *ignored)
        return await generations.answer(request, _always_enhancing(wish), mapping.ENHANCE, pictures)


def _always_enhancing(wish: Any) -> Any:
    """The endpoint is the checkbox; it makes one picture."""
    return wish.model_copy(update={"enhance_checkbox": True, "image_number": 1})


def _poster(router: APIRouter, **options: Any) -> Any:
    """Registers a generation under its path and, without documentation, its other ones."""

    def post(*paths: str) -> Any:
        def add(function: Any) -> Any:
            for path in paths:
                router.post(
                    path, responses=GENERATED, response_model=None, include_in_schema=path == paths[0], **options
                )(function)
            return function

        return add

    return post


def _add_tools(router: APIRouter, context: ServiceContext) -> None:
    read = PictureReader(context)

    @router.post("/v1/tools/describe-image", response_model=schemas.Description, responses=REFUSALS)
    async def describe_image(
        image: Annotated[UploadFile, File()], image_type: PictureKind = None, type: PictureKind = None
    ) -> dict[str, str]:
        """A sentence (Photo) or tags (Anime) for a picture."""
        path = await read.needed(image, "image")
        kind = "anime" if "Anime" in (image_type, type) else "photo"
        return {"describe": await describe(context, Path(path), kind)}


def _add_jobs(router: APIRouter, generations: Generations) -> None:
    context, jobs = generations.context, generations.context.jobs

    @router.get("/v1/generation/query-job", response_model=schemas.JobState,
                responses={**REFUSALS, 404: {"model": schemas.JobState, "description": "An unknown id"}})  # fmt: skip
    async def query_job(request: Request, job_id: str, require_step_preview: bool = False) -> Response:
        """How far a job is; with its preview where asked for, and its result once it has ended."""
        job = await jobs.find(job_id, NAME)
        if job is None:
            return JSONReply(mapping.not_found(), status_code=404)
        return JSONReply(await generations.state(job, context.base_url(request), require_step_preview))

    async def job_queue() -> dict[str, Any]:
        """How many jobs wait or run, and how many have ended."""
        return {
            "running_size": len(jobs.active(NAME)), "finished_size": len(jobs.ended(NAME)),
            "last_job_id": generations.last_job_id,
        }  # fmt: skip

    for path in ("/v1/generation/job-queue", "/v1/engines/job-queue"):
        router.get(path, response_model=schemas.QueueState, responses={403: REFUSALS[403]})(job_queue)

    @router.get("/v1/generation/job-history", response_model=schemas.JobHistory | schemas.Message, responses=REFUSALS)
    async def job_history(
        request: Request,
        job_id: str | None = None,
        page: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        page_size: Annotated[int, Query(ge=1, le=1000)] = 20,
        delete: bool = False,
    ) -> Response:
        """The jobs that wait or run, and those that have ended; `delete` drops an ended one with its files."""
        if job_id and delete:
            return await deleted(job_id)
        waiting = [mapping.job_times(job) for job in jobs.active(NAME) if job_id in (None, "", job.id)]
        if context.args.persistent:
            history = await _records(generations, context.base_url(request), job_id, page, page_size)
        else:
            history = [mapping.job_times(job) for job in jobs.ended(NAME) if job_id in (None, "", job.id)]
        return JSONReply({"queue": waiting, "history": history})

    @router.delete("/v1/generation/job-history", response_model=schemas.Message, responses=REFUSALS)
    async def deleted(job_id: str) -> Response:
        """Drop an ended job with its files."""
        job = await jobs.find(job_id, NAME)
        is_deleted = job is not None and await context.in_thread(generations.delete, job)
        return JSONReply({"message": "Deleted" if is_deleted else "Not found"})

    @router.post("/v1/generation/stop", response_model=schemas.Stopped, responses={403: REFUSALS[403]})
    async def stop() -> dict[str, str]:
        """End the running job; those that wait stay."""
        for job in jobs.active(NAME):
            if job.stage == "running":
                await context.in_thread(jobs.cancel, job)
        return {"msg": "success"}


async def _records(
    generations: Generations, base_url: str, job_id: str | None, page: int, page_size: int
) -> list[dict[str, Any]]:
    """A page of the persistent history, newest first; of one job where an id is given."""
    jobs = generations.context.jobs
    if job_id:
        one = await jobs.find(job_id, NAME)
        found = [one] if one is not None and one.is_over else []
    else:
        found = await generations.context.in_thread(jobs.history, NAME, page_size, page * page_size)
    return [
        mapping.job_record(
            job,
            [generations.shelf.url(made.path, base_url) for made in job.made],
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.created)),
        )
        for job in found
    ]


def _add_engine(router: APIRouter, context: ServiceContext) -> None:
    add_tools(router, context, REFUSALS)
    forbidden: dict[int | str, dict[str, Any]] = {403: REFUSALS[403]}

    @router.post("/v1/engines/refresh-models", response_model=Models, responses=forbidden)
    async def refresh_models() -> dict[str, list[str]]:
        return await installed(context)

    @router.get("/v1/engines/clean_vram", response_model=schemas.Message, responses=forbidden)
    async def clean_vram() -> dict[str, str]:
        """Unload the model; the next job loads it again."""
        await context.in_thread(context.runtime.release_model)
        return {"message": "ok"}
