"""The OpenAI-compatible service between its routes and the core."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from shared.core.errors import MediaError, SettingsError
from shared.http.choosing import choose_model
from shared.http.context import fingerprint, new_job_id
from shared.http.files import Shelf, name_template, picture
from shared.http.inputs import FieldError
from shared.http.jobs import Job
from shared.http.openai import mapping
from shared.http.openai.schemas import EditRequest, PictureRequest, RemixRequest, VideoRequest
from shared.http.replies import note, warn
from shared.http.sizes import enlarged
from shared.media.edit_masks import edit_mask
from shared.media.images import encode_image, load_image
from shared.media.resize import cover

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.http.context import ServiceContext

NAME = "openai"
FOLDER = "openai"
FILES = "v1/images/files"
PICTURES, VIDEO = "pictures", "video"
MOST_PICTURES = 16

Source = UploadFile | str


class OpenAIService:
    """Queues what is asked for, and tells of it."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context
        self.pictures = Shelf(context.runtime.config.folder_path("image_save_path") / FOLDER, FILES)
        self.videos = context.shelf(FOLDER, "save_path")

    def close(self) -> None:
        """Nothing is held."""

    async def generate(self, request: Request, wish: PictureRequest) -> Job:
        """Queue pictures from a prompt."""
        model = self._image_model(request, wish.model)
        settings = mapping.picture_settings(wish, model.default_settings())
        return await self._queue_pictures(request, wish, model, settings)

    async def edit(self, request: Request, wish: EditRequest, sources: Sequence[Source], mask: Source | None) -> Job:
        """Queue an edit of pictures. Raises FieldError for a picture, or one too many, that cannot be used."""
        if not 1 <= len(sources) <= MOST_PICTURES:
            raise FieldError("image", f"From 1 to {MOST_PICTURES} pictures can be edited; {len(sources)} were sent.")
        model = self._image_model(request, wish.model)
        defaults = model.default_settings()
        size = mapping.size_of({"resolution": wish.size}) if wish.size != "auto" else None
        paths = [await self._picture(source, "image", size) for source in sources]
        mask_path = await self._mask(mask, paths[0]) if mask is not None else ""
        inputs = self.context.runtime.catalogue.metadata(model)["media_inputs"]["image"]
        try:
            settings = mapping.edit_settings(wish, defaults, inputs, paths, mask_path)
        except ValueError as error:
            raise FieldError("image", str(error).removeprefix("image: ")) from error
        return await self._queue_pictures(request, wish, model, settings, [paths, mask_path])

    async def make_video(self, request: Request, wish: VideoRequest, reference: Source | None) -> Job:
        """Queue a clip."""
        model, told = choose_model(self.context, wish.model, self._video_model(has_start=reference is not None))
        warn(request, told if wish.model else "")
        if model.fps <= 0 or model.get("image_outputs") or model.get("audio_only"):
            raise FieldError("model", f"The model {model.model_type} makes no videos.")
        size = mapping.size_of({"resolution": wish.size}) if wish.size != "auto" else None
        start = await self._picture(reference, "input_reference", size) if reference is not None else ""
        settings = mapping.video_settings(wish, model.default_settings(), start)
        return await self._queue_video(request, settings, {"seconds": f"{wish.seconds:g}"}, model)

    async def remix(self, request: Request, video_id: str, wish: RemixRequest) -> Job | None:
        """Queue a clip like another one, to another prompt; None where there is no such clip."""
        video = await self.video(video_id)
        if video is None:
            return None
        settings = await self.context.in_thread(self._settings_of, video)
        model = self.context.runtime.registry.model_for(settings)
        own = {name: value for name, value in settings.items() if name not in ("client_id", "output_filename")}
        told = {"remixed_from": video_id, "seconds": video.note.get("seconds")}
        return await self._queue_video(request, {**own, "prompt": wish.prompt}, told, model)

    async def video(self, video_id: str) -> Job | None:
        """A clip by its id."""
        job = await self.context.in_thread(self.context.jobs.get, video_id, NAME)
        return job if job is not None and job.kind == VIDEO else None

    def videos_newest_first(self, most: int) -> list[Job]:
        """The clips that wait, run or have ended."""
        active = self.context.jobs.active(NAME)[::-1]
        known = {job.id for job in active}
        ended = [job for job in self.context.jobs.history(NAME, most) if job.id not in known]
        found = [job for job in [*active, *ended] if job.kind == VIDEO]
        return sorted(found, key=lambda job: -job.created)

    def reply(self, job: Job) -> dict[str, Any]:
        """A clip as clients read it. Reads the disk."""
        return mapping.video_reply(job, self._settings_of(job)).model_dump()

    def delete(self, job: Job) -> None:
        """End a clip that is being made; drop one that is there, with its file."""
        if not job.is_over:
            self.context.jobs.cancel(job)
            return
        for made in job.made:
            self.videos.remove(made.path)
        self.context.jobs.forget(job)

    async def encoded(self, wish: PictureRequest, path: str) -> str:
        """A finished picture in base64, compressed as asked for. Raises MediaError."""
        if codec := mapping.codec_of(wish):
            data = await self.context.in_thread(encode_image, path, codec)
        else:
            data = await picture(path, mapping.MIME_TYPES[wish.output_format])
        return base64.b64encode(data).decode()

    def _settings_of(self, job: Job) -> Mapping[str, Any]:
        task = self.context.runtime.queue.find(job.id)
        return task.params if task is not None else {}

    def _image_model(self, request: Request, name: str | None) -> ModelDef:
        model, told = choose_model(self.context, name, self.context.image_model())
        warn(request, told)
        if not model.makes_images:
            raise FieldError("model", f"The model {model.model_type} makes no pictures.")
        return model

    def _video_model(self, *, has_start: bool) -> ModelDef:
        return self.context.i2v_model() if has_start else self.context.t2v_model()

    async def _picture(self, source: Source | None, field: str, size: tuple[int, int] | None) -> str:
        """A picture as a local file, cut to a size where one is asked for."""
        path = await self.context.inputs.save(source, field)
        if path is None:
            raise FieldError(field, "A picture is needed: a file, a data URI or an http(s) address.")
        if size is None:
            return str(path)
        fitted = await self.context.in_thread(lambda: encode_image(cover(load_image(path), *size), "png"))
        return str(await self.context.inputs.save(fitted, field))

    async def _mask(self, source: Source, pictured: str) -> str:
        """The mask in the size of the picture, white where it is made anew."""
        path = await self.context.inputs.save(source, "mask")
        if path is None:
            raise FieldError("mask", "A picture is needed.")
        try:
            made = await self.context.in_thread(lambda: edit_mask(path.read_bytes(), load_image(pictured).size))
        except MediaError as error:
            raise FieldError("mask", str(error)) from error
        return str(await self.context.inputs.save(made, "mask"))

    async def _queue_pictures(
        self,
        request: Request,
        wish: PictureRequest,
        model: ModelDef,
        settings: dict[str, Any],
        inputs: Any = None,
    ) -> Job:
        note(request, enlarged(model, *mapping.size_of(settings)))
        job_id = new_job_id(request, NAME)
        return await self.context.queue(
            NAME, PICTURES, {**settings, "output_filename": name_template("", job_id)}, job_id=job_id,
            note={"fingerprint": fingerprint(request, [wish.model_dump(), inputs])},
            api={"output_dir": self.pictures.today()}, most=int(self.context.args.queue_size),
        )  # fmt: skip

    async def _queue_video(
        self, request: Request, settings: dict[str, Any], told: Mapping[str, Any], model: ModelDef
    ) -> Job:
        note(request, enlarged(model, *mapping.size_of(settings)))
        job_id = "video_" + new_job_id(request, NAME).replace("-", "")
        return await self.context.queue(
            NAME, VIDEO, {**settings, "output_filename": job_id}, job_id=job_id,
            note={**told, "fingerprint": fingerprint(request, settings)},
            api={"output_dir": self.videos.today()}, most=int(self.context.args.queue_size),
        )  # fmt: skip


def refusal_of(job: Job) -> SettingsError:
    """Why a job made nothing."""
    return SettingsError(job.error or "Nothing was made.")
