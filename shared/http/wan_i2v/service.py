"""The Wan service between its routes and the core: pictures prepared, clips queued, told of, and cleaned up."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request

from shared.core.errors import ModelNotFound, QueueError, SettingsError
from shared.http.cleaning import Cleaner
from shared.http.context import fingerprint, new_job_id
from shared.http.inputs import FieldError
from shared.http.jobs import Job, QueueFull
from shared.http.replies import note
from shared.http.sizes import enlarged
from shared.http.wan_i2v.mapping import MAX_RATIO, SEEDS, BadShape, clip_size, to_reply, to_settings
from shared.http.wan_i2v.reasons import Language, image_trouble, say
from shared.http.wan_i2v.schemas import KNOWN_MODELS, StatusReply, SubmitRequest
from shared.media.images import load_image, save_image
from shared.media.resize import cover

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.http.context import ServiceContext

NAME = "wan_i2v"
VIDEOS = "videos"
PICTURES = "wan_pictures"
IMAGE_TIMEOUT_S = 15.0
IMAGE_BYTES = 50 * 2**20
_WEB = re.compile(r"(https?://|data:image/)", re.IGNORECASE)


class Refused(Exception):
    """A request that is not served; `reason` is for the client, in its language."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class WanService:
    """Takes requests, tells where clips stand, deletes finished ones after `--video-retention` seconds."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context
        self.shelf = context.shelf(VIDEOS, "save_path")
        self.pictures = context.runtime.queue.folder / PICTURES
        self.cleaner = Cleaner([self.shelf.folder, self.pictures], float(context.args.video_retention), self._is_needed)

    def close(self) -> None:
        """Delete nothing more."""
        self.cleaner.close()

    async def submit(self, request: Request, wish: SubmitRequest, language: Language) -> Job:
        """Queue a clip. Raises Refused."""
        model = self._model(wish.model, language)
        picture = await self._picture(wish.image_url, language)
        job_id = new_job_id(request, NAME).replace("-", "")
        try:
            prepared, size = await self.context.in_thread(self._prepared, picture, wish.image_size, job_id)
        except BadShape as error:
            raise Refused(400, say("bad_shape", language, size=error, limit=MAX_RATIO)) from None
        seed = random.randrange(SEEDS) if wish.seed is None else wish.seed
        sentence = enlarged(model, *size)
        note(request, sentence)
        settings = to_settings(wish, model.model_type, str(prepared), size, seed)
        try:
            return await self.context.queue(
                NAME, "image-to-video", {**settings, "output_filename": job_id}, job_id=job_id,
                note={"seed": seed, "enlarged": sentence, "fingerprint": fingerprint(request, wish.model_dump())},
                api={"output_dir": str(self.shelf.folder)}, most=int(self.context.args.queue_size),
            )  # fmt: skip
        except QueueFull:
            raise Refused(429, say("queue_full", language, count=self.context.args.queue_size)) from None
        except QueueError as error:
            raise Refused(500, str(error)) from error
        except SettingsError as error:
            raise Refused(400, str(error)) from error

    async def job(self, job_id: str, language: Language) -> Job:
        """The job with an id. Raises Refused where there is none."""
        job = await self.context.in_thread(self.context.jobs.get, job_id, NAME)
        if job is None:
            raise Refused(404, say("not_found", language, id=job_id))
        return job

    def reply(self, job: Job, request: Request, language: Language) -> StatusReply:
        """Where a clip stands; its address stays the same when the file has been deleted."""
        if sentence := job.note.get("enlarged"):
            note(request, sentence)
        name = Path(job.made[-1].path).name if job.made else f"{job.id}.mp4"
        url = f"{self.context.base_url(request)}/{VIDEOS}/{name}"
        return to_reply(job, max(self.context.jobs.position(job), 1), url, language)

    async def cancel(self, job: Job, language: Language) -> None:
        """Take a waiting clip out of the queue. Raises Refused when it no longer waits."""
        if job.is_over or not await self.context.in_thread(self.context.runtime.queue.remove, job.task_id):
            reply = to_reply(job, 1, "", language)
            status = "InProgress" if reply.status == "InQueue" else reply.status
            raise Refused(400, say("not_queued", language, status=status))

    def _model(self, name: str, language: Language) -> ModelDef:
        """The model that a request names: a Wan name stands for the configured one."""
        if name in KNOWN_MODELS:
            return self.context.i2v_model()
        try:
            model: ModelDef = self.context.runtime.registry.get(name)
        except ModelNotFound:
            model = None  # type: ignore[assignment]
        if model is None or "S" not in str(model.get("image_prompt_types_allowed") or ""):
            raise Refused(400, say("unknown_model", language, model=name[:80], known=", ".join(KNOWN_MODELS)))
        return model

    async def _picture(self, url: str, language: Language) -> Path:
        if not _WEB.match(url.strip()):
            raise Refused(400, say("bad_scheme", language, url=repr(url[:80])))
        try:
            path = await self.context.inputs.save(url, "image_url", timeout_s=IMAGE_TIMEOUT_S, max_bytes=IMAGE_BYTES)
        except FieldError as error:
            raise Refused(400, image_trouble(str(error), language)) from error
        if path is None:
            raise Refused(400, say("bad_scheme", language, url=repr(url[:80])))
        return path

    def _prepared(self, picture: Path, image_size: str, job_id: str) -> tuple[Path, tuple[int, int]]:
        """The picture in the clip's size, its shape kept, cut evenly at the edges; and that size."""
        image = load_image(picture)
        size = clip_size(image_size, image.size)
        self.pictures.mkdir(parents=True, exist_ok=True)
        path = self.pictures / f"{job_id}.png"
        save_image(cover(image, *size), path, "png")
        return path, size

    def _is_needed(self, path: Path) -> bool:
        return any(job.id == path.stem for job in self.context.jobs.active(NAME))
