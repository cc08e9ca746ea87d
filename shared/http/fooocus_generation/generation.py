"""One generation of Fooocus-API from a checked request to its reply: queued, awaited, told."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from shared.core.errors import MediaError
from shared.core.styles import style_names
from shared.core.units import parse_resolution
from shared.http.choosing import choose_loras, choose_model
from shared.http.context import ServiceContext, fingerprint, new_job_id
from shared.http.files import IMAGE_TYPES, picture
from shared.http.fooocus_generation import mapping
from shared.http.fooocus_generation.mapping import Chosen, Pictures
from shared.http.fooocus_generation.schemas import TextToImage
from shared.http.inputs import FieldError
from shared.http.jobs import Job, QueueFull
from shared.http.replies import JSONReply, note, unknown_in, warn
from shared.http.sizes import enlarged

NAME = "fooocus_generation"
PNG = "image/png"


class Generations:
    """Runs requests, tells what became of jobs, and keeps to the limits of `--queue-size` and `--queue-history`."""

    def __init__(self, context: ServiceContext) -> None:
        self.context, self.shelf = context, context.shelf("files")
        self.last_job_id: str | None = None
        context.jobs.on_end(self._told)

    async def answer(
        self, request: Request, wish: TextToImage, kind: str, pictures: Pictures | None = None
    ) -> Response:
        """The reply to a generation: the job at once, or when it has ended its pictures or the one as PNG."""
        wants_png = self._accept(request) == PNG
        if wants_png:
            wish = wish.model_copy(update={"image_number": 1})
        warn(request, *unknown_in(wish))
        try:
            job = await self._queue(request, wish, kind, pictures or Pictures())
        except QueueFull:
            return self._queue_full(wish, kind, wants_png)
        self.last_job_id = job.id
        if wish.async_process:
            return JSONReply(mapping.job_state(job))
        job = await self.context.jobs.ended_job(job)
        return await self._png(job) if wants_png else JSONReply(await self.rows(job, self.context.base_url(request)))

    async def rows(self, job: Job, base_url: str) -> list[dict[str, Any]]:
        """The result of an ended job, with base64 where the request wanted it."""
        urls = [self.shelf.url(made.path, base_url) for made in job.made]
        wants_base64 = bool(job.note.get("base64"))
        pictures = [await self._data_uri(made.path) if wants_base64 else None for made in job.made]
        return mapping.rows_of(job, urls, pictures)

    async def state(self, job: Job, base_url: str, has_preview: bool) -> dict[str, Any]:
        """A job as query-job tells it."""
        rows = await self.rows(job, base_url) if job.is_over else None
        preview = await self._preview(job) if has_preview else None
        return mapping.job_state(job, rows, preview)

    def delete(self, job: Job) -> bool:
        """Drop an ended job with its files."""
        if not self.context.jobs.forget(job):
            return False
        for made in job.made:
            self.shelf.remove(made.path)
        return True

    def _chosen(self, wish: TextToImage) -> tuple[Chosen, list[str]]:
        """What the names of a request stand for, and a sentence for each that is not there; reads folders."""
        context = self.context
        wanted = wish.base_model_name if "base_model_name" in wish.model_fields_set else None
        model, missing = choose_model(context, wanted, context.image_model())
        refiner, no_refiner = choose_model(context, wish.refiner_model_name, model)
        loras, no_loras = choose_loras(
            context, model, [(one.model_name, one.weight) for one in wish.loras if one.enabled]
        )
        seed = mapping.resolved_seed(wish.image_seed, secrets.randbelow(mapping.SEEDS))
        params = context.runtime.registry.params(model)
        own = refiner.model_type if refiner is not model else ""
        told = [missing, no_refiner, *(no_loras if "loras" in wish.model_fields_set else ())]
        return Chosen(model.model_type, params, seed, own, loras), told

    async def _queue(self, request: Request, wish: TextToImage, kind: str, pictures: Pictures) -> Job:
        _check_webhook(wish.webhook_url)
        chosen, missing = await self.context.in_thread(self._chosen, wish)
        settings, warnings = mapping.settings_of(wish, pictures, chosen, style_names())
        warn(request, *missing, *warnings)
        self._check(settings)
        job_id = new_job_id(request, NAME)
        if not (settings.get("image_guide") or settings.get("guide_pictures")):
            model = self.context.runtime.registry.get(settings["model_type"])
            note(request, enlarged(model, *parse_resolution(settings["resolution"])))
        return await self.context.queue(
            NAME, kind, {**settings, **mapping.file_settings(wish, job_id)}, job_id=job_id,
            note=self._note(request, wish, chosen.seed), api={"output_dir": self.shelf.today()},
            most=self.context.args.queue_size,
        )  # fmt: skip

    def _check(self, settings: Mapping[str, Any]) -> None:
        """Say in the words of this API what is missing, or what the model lacks. Raises FieldError."""
        if settings.get("enhance") == []:
            raise FieldError(
                "enhance_ctrlnets", "Nothing is asked for: enable a pass, or choose an enhance_uov_method."
            )
        registry = self.context.runtime.registry
        model = registry.get(settings["model_type"])
        if settings.get("guide_pictures") and "guide_pictures" not in registry.params(model):
            message = f"The model {model.name} takes no pictures beside the prompt; an SDXL model does (--image-model)."
            raise FieldError("image_prompts", message)

    def _note(self, request: Request, wish: TextToImage, seed: int) -> dict[str, Any]:
        """What is needed to tell of the job later."""
        return {
            "seed": str(seed),
            "increments": not wish.advanced_params.disable_seed_increment,
            "base64": wish.require_base64,
            "has_preview": not wish.advanced_params.disable_preview,
            "webhook_url": wish.webhook_url or str(self.context.args.webhook_url or ""),
            "base_url": self.context.base_url(request),
            "request": mapping.request_record(wish),
            "fingerprint": fingerprint(request, mapping.request_record(wish)),
        }

    @staticmethod
    def _accept(request: Request) -> str:
        wished = request.query_params.get("accept") or request.headers.get("accept", "")
        return wished.strip().lower()

    @staticmethod
    def _queue_full(wish: TextToImage, kind: str, wants_png: bool) -> Response:
        if wish.async_process:
            return JSONReply(mapping.queue_full_job(kind))
        if wants_png:
            return PlainTextResponse("QUEUE_IS_FULL", 409)
        return JSONReply(mapping.QUEUE_FULL_ROWS)

    async def _png(self, job: Job) -> Response:
        try:
            if job.made:
                return Response(await picture(job.made[0].path, PNG), media_type=PNG)
        except MediaError:
            pass
        if job.stage == "cancelled":
            return PlainTextResponse("USER_CANCEL", 400)
        return PlainTextResponse("ERROR", 500)

    async def _data_uri(self, path: str) -> str | None:
        try:
            content = await self.context.in_thread(Path(path).read_bytes)
        except OSError:
            return None
        kind = IMAGE_TYPES.get(Path(path).suffix.lower(), PNG)
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"

    async def _preview(self, job: Job) -> bytes | None:
        if not job.preview or not job.note.get("has_preview", True):
            return None
        try:
            return await picture(job.preview, PNG)
        except MediaError:
            return None

    def _told(self, job: Job) -> None:
        """A job has ended: tell the webhook, and let go of the oldest."""
        if job.service != NAME:
            return
        url = str(job.note.get("webhook_url") or "")
        if url:
            urls = [self.shelf.url(made.path, str(job.note.get("base_url") or "")) for made in job.made]
            self.context.webhooks.tell(
                url, mapping.webhook_message(job, mapping.rows_of(job, urls, [None] * len(urls)))
            )
        most = int(self.context.args.queue_history or 0)
        if most > 0:
            for old in self.context.jobs.ended(NAME)[:-most]:
                self.delete(old)


def _check_webhook(url: str | None) -> None:
    if url and not url.lower().startswith(("http://", "https://")):
        raise FieldError("webhook_url", f"{url[:80]!r} is no http or https address.")
