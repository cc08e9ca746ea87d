"""FooocusAPI between its routes and the core: pictures kept by their hash, tasks queued, records written."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import random
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from shared.core.errors import MediaError, WanGPError
from shared.core.paths import write_atomic
from shared.core.picture_presets import PRESETS
from shared.http.choosing import NONE, choose_loras, choose_model
from shared.http.context import fingerprint, new_job_id
from shared.http.files import Shelf, name_template, picture
from shared.http.fooocus import to_settings
from shared.http.fooocus_engine import mapping
from shared.http.fooocus_engine.mapping import Chosen, Pictures
from shared.http.fooocus_engine.records import Record, RecordStore
from shared.http.fooocus_engine.schemas import GenerateRequest
from shared.http.inputs import FieldError
from shared.http.jobs import Job
from shared.http.replies import note, unknown_in, warn
from shared.http.sizes import enlarged
from shared.media.images import encode_image, load_image

if TYPE_CHECKING:
    from shared.http.context import ServiceContext

NAME = "fooocus_engine"
SEEDS = 2**63

log = logging.getLogger(__name__)


class EngineService:
    """Takes requests, keeps a record of each, tells where they stand."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context
        folder = context.runtime.config.folder_path("image_save_path")
        self.outputs, self.inputs = Shelf(folder, "outputs"), Shelf(folder.parent / "inputs", "inputs")
        self.records = RecordStore(folder)
        self._skipped: set[str] = set()
        self._ending = threading.Lock()
        self._settle()
        context.jobs.on_end(self._ended)

    def close(self) -> None:
        """Close the records."""
        self.records.close()

    async def queue(self, request: Request, wish: GenerateRequest) -> tuple[Job, Record]:
        """Queue a task and keep its record. Raises as `ServiceContext.queue`, FieldError for a picture."""
        warn(request, *unknown_in(wish), *mapping.no_effect(wish))
        preset = self._preset(request, wish)
        model, told = choose_model(
            self.context, wish.base_model_name or preset.get("model_type"), self.context.image_model()
        )
        warn(request, told if wish.base_model_name else "")
        pictures, params = await self._pictures(request, wish)
        seed = wish.image_seed if wish.image_seed >= 0 else secrets.randbelow(SEEDS)
        chosen = self._chosen(request, wish, model, seed)
        known = self.context.runtime.registry.params(model)
        settings, warnings = to_settings(mapping.to_wishes(wish, pictures, chosen), model.model_type, known)
        warn(request, *warnings)
        settings = mapping.with_preset(settings, preset, wish, known)
        note(request, enlarged(model, *map(int, settings["resolution"].split("x"))))
        job_id = new_job_id(request, NAME).replace("-", "")
        params |= {"image_seed": seed}
        webhook_url = wish.webhook_url or str(self.context.args.webhook_url or "")
        job = await self.context.queue(
            NAME, "generate", {**settings, "output_filename": self._file_name(wish)}, job_id=job_id,
            note={
                "base_url": self.context.base_url(request), "webhook_url": webhook_url,
                "shows_preview": not wish.disable_preview, "fingerprint": fingerprint(request, wish.model_dump()),
            },
            api={"output_dir": self.outputs.today()}, most=int(self.context.args.queue_size),
        )  # fmt: skip
        return job, await self.context.in_thread(self._kept, job, params, wish.webhook_url or "")

    def urls(self, job: Job) -> list[str]:
        """The addresses of what a task has made."""
        base = str(job.note.get("base_url") or "")
        return [url for made in job.made if (url := self.outputs.url(made.path, base)) is not None]

    async def preview(self, job: Job) -> str | None:
        """The picture as it stands, a PNG in base64; None where there is none."""
        if not job.preview or not job.note.get("shows_preview", True):
            return None
        try:
            return base64.b64encode(await picture(job.preview, "image/png")).decode()
        except MediaError:
            return None

    async def current(self) -> list[dict[str, Any]]:
        """The running task."""
        found = []
        for job in self.context.jobs.active(NAME):
            if job.stage == "running":
                record = await self.context.in_thread(self._record, job)
                found.append(mapping.running_task(record, job, await self.preview(job)))
        return found[:1]

    def pending(self) -> list[dict[str, Any]]:
        """The tasks that wait, in their order."""
        waiting = [job for job in self.context.jobs.active(NAME) if job.stage == "waiting"]
        return [self._record(job).as_dict() for job in waiting]

    async def task(self, task_id: str) -> dict[str, Any] | None:
        """One task by its id."""
        for running in await self.current():
            if running["task_id"] == task_id:
                return running
        record = await self.context.in_thread(self.records.get, task_id)
        return None if record is None else record.as_dict()

    def stop(self, *, only_this_picture: bool) -> bool:
        """End the running task, or its present picture alone; False when none runs."""
        running = next((job for job in self.context.jobs.active(NAME) if job.stage == "running"), None)
        if running is None:
            return False
        if not only_this_picture:
            return self.context.jobs.cancel(running)
        self._skipped.add(running.id)
        control = self.context.runtime.queue.control(running.task_id)
        control.set("skips", int(control.get("skips", 0)) + 1)
        return True

    def remove(self, start_mills: int, end_mills: int) -> int:
        """Delete the ended tasks that were queued in a range, with the files they made; returns their number."""
        records = self.records.between(start_mills, end_mills)
        for record in records:
            for url in record.result or ():
                if (path := self.outputs.find(*url.rsplit("/", 2)[-2:])) is not None:
                    self.outputs.remove(str(path))
        return self.records.remove(records)

    def _file_name(self, wish: GenerateRequest) -> str:
        if wish.save_name and wish.save_name.strip():
            return name_template(wish.save_name, "")
        return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{random.randint(1000, 9999)}"

    def _preset(self, request: Request, wish: GenerateRequest) -> Mapping[str, Any]:
        """The settings of the preset; none for `initial`, which is what requests have by default."""
        if wish.preset in ("", "initial"):
            return {}
        if wish.preset not in PRESETS:
            warn(request, f"The preset {wish.preset[:80]!r} is not known and has no effect.")
        return PRESETS.get(wish.preset, {})

    def _chosen(self, request: Request, wish: GenerateRequest, model: Any, seed: int) -> Chosen:
        wanted = [(lora.model_name, lora.weight) for lora in wish.loras if lora.enabled]
        loras, missing = choose_loras(self.context, model, wanted)
        refiner = ""
        if wish.refiner_model_name.strip().lower() not in NONE:
            found, told = choose_model(self.context, wish.refiner_model_name, model)
            refiner = "" if found.model_type == model.model_type else found.model_type
            missing.append(told.replace(f"{model.model_type} is used", "no refiner is used"))
        warn(request, *(missing if {"loras", "refiner_model_name"} & set(mapping.changed(wish)) else ()))
        return Chosen(seed, refiner, tuple(loras))

    async def _pictures(self, request: Request, wish: GenerateRequest) -> tuple[Pictures, dict[str, Any]]:
        """The pictures as files, and what the record says of the request with their addresses."""
        base = self.context.base_url(request)
        given: dict[Any, str | None] = {name: getattr(wish, name) for name in mapping.IMAGE_FIELDS}
        given |= {("controlnet_image", n, "cn_img"): one.cn_img for n, one in enumerate(wish.controlnet_image)}
        saved = await asyncio.gather(*(self.context.inputs.save(source, name) for name, source in given.items()))
        files = {name: str(path) for name, path in zip(given, saved, strict=True) if path is not None}
        if wish.uov_method != "Disabled" and "uov_input_image" not in files:
            raise FieldError("uov_input_image", f"A picture is needed for {wish.uov_method}.")
        urls = {name: await run_in_threadpool(self._keep, Path(path), base) for name, path in files.items()}
        size = (0, 0)
        if wish.outpaint_selections and "inpaint_input_image" in files:
            size = (await run_in_threadpool(load_image, files["inpaint_input_image"])).size
        keys = [("controlnet_image", number, "cn_img") for number in range(len(wish.controlnet_image))]
        params = mapping.record_params(wish, -1, urls, [urls.get(key, "") for key in keys])
        return Pictures(files, [files.get(key, "") for key in keys], size), params

    def _keep(self, path: Path, base_url: str) -> str:
        """Keep an input for good under the hash of what was sent, as PNG; its address."""
        data = path.read_bytes()
        kept = self.inputs.folder / f"{hashlib.sha256(data).hexdigest()}.png"
        if not kept.is_file():
            write_atomic(kept, data if path.suffix.lower() == ".png" else encode_image(data, "png"))
        return f"{base_url}/inputs/{kept.name}"

    def _kept(self, job: Job, params: Mapping[str, Any], webhook_url: str) -> Record:
        """The record of a task that was just queued; it may have ended already."""
        known = self.records.get(job.id)
        if known is not None:
            return known
        record = self.records.add(mapping.new_record(job.id, params, webhook_url, job.created))
        if job.is_over:
            self._ended(job)
        return record

    def _record(self, job: Job) -> Record:
        return self.records.get(job.id) or mapping.new_record(job.id, {}, "", job.created)

    def _ended(self, job: Job) -> None:
        """Write down how a task ended, and tell its webhook."""
        if job.service != NAME:
            return
        with self._ending:
            record = self.records.get(job.id)
            if record is None or record.finish_mills is not None:
                return
            ended = mapping.ended_record(record, job, self.urls(job), was_skipped=job.id in self._skipped)
            self._skipped.discard(job.id)
            self.records.finish(ended)
        if url := str(job.note.get("webhook_url") or ""):
            self.context.webhooks.tell(url, ended.as_dict())

    def _settle(self) -> None:
        """Give an end to the records whose tasks ended while the program was not looking."""
        for record in self.records.unfinished():
            job = self.context.jobs.get(record.task_id, NAME)
            if job is not None and not job.is_over:
                continue
            try:
                lost = Job(record.task_id, NAME, "generate", {}, record.in_queue_mills / 1000, stage="failed")
                self.records.finish(mapping.ended_record(record, job or lost, self.urls(job or lost)))
            except WanGPError as error:
                log.warning("The record of task %s could not be settled: %s", record.task_id, error)
