"""What every service has in its hands: runtime, jobs, inputs, webhooks, models, addresses."""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.http.cleaning import Cleaner
from shared.http.files import Shelf
from shared.http.inputs import Inputs
from shared.http.jobs import Job, JobBook
from shared.http.metrics import Metrics
from shared.http.webhooks import Webhooks
from shared.media.inputs import Limits

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
FALLBACK_MODEL = "starter"
INPUT_FOLDER = "http_inputs"
INPUTS_KEPT_S = 24 * 3600.0

Value = TypeVar("Value")


class ServiceContext:
    """One for all services of a runtime. `args` are the program's flags, `key` that of `--apikey` ("": none)."""

    def __init__(self, runtime: Any, args: argparse.Namespace) -> None:
        self.runtime, self.args, self.key = runtime, args, str(args.apikey or "")
        is_private_allowed = bool(args.allow_private_urls)
        self.metrics = Metrics()
        self.jobs = JobBook(runtime)
        self.jobs.on_end(self._count)
        self.webhooks = Webhooks(self.key, str(args.webhook_url or ""), allow_private=is_private_allowed)
        self.inputs = Inputs(runtime.queue.folder / INPUT_FOLDER, Limits(allow_private=is_private_allowed))
        self._cleaner = Cleaner([self.inputs.folder], INPUTS_KEPT_S, self._is_in_use)
        self._threads = ThreadPoolExecutor(4, "wangp-http")
        self._own: dict[str, Any] = {}

    def _count(self, job: Job) -> None:
        self.metrics.count("wangp_jobs_total", service=job.service, outcome=job.stage)
        self.metrics.count("wangp_outputs_total", len(job.made), service=job.service)
        if job.started and job.finished:
            self.metrics.observe("wangp_job_seconds", job.finished - job.started, service=job.service)
            self.metrics.observe("wangp_job_wait_seconds", job.started - job.created, service=job.service)

    def shelf(self, name: str, setting: str = "image_save_path") -> Shelf:
        """A folder of results below one of the program's output folders; `name` is also the path of its addresses."""
        return Shelf(self.runtime.config.folder_path(setting) / name, name)

    def _is_in_use(self, path: Path) -> bool:
        """Whether a task that waits, runs or can be tried again has a file among its settings."""
        return any(path.name in json.dumps(task.params) for task in self.runtime.queue.tasks())

    def once(self, service: str, make: Callable[[], Value]) -> Value:
        """What `make` gives, made once however many ports a service has; its `close` is called at the end."""
        if service not in self._own:
            self._own[service] = make()
        value: Value = self._own[service]
        return value

    def base_url(self, request: Request) -> str:
        """What addresses in a reply begin with: `--base-url`, else how the client itself reached the server."""
        if self.args.base_url:
            return str(self.args.base_url).rstrip("/")
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            server = request.scope.get("server") or ("127.0.0.1", None)
            host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
        return f"{request.url.scheme}://{host}"

    async def in_thread(self, work: Callable[..., Value], *args: Any, **kwargs: Any) -> Value:
        """The result of a function that waits for the disk."""
        call = functools.partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def queue(self, service: str, kind: str, settings: Mapping[str, Any], **options: Any) -> Job:
        """Check settings and queue them as one job; options as of `JobBook.submit`.

        Raises SettingsError with everything that keeps them from being run, and what `JobBook.submit` raises.
        """
        problems = await self.in_thread(self.runtime.problems, settings)
        if problems:
            raise SettingsError(" ".join(problems).replace(f"{self.inputs.folder}{os.sep}", ""))
        return await self.in_thread(self.jobs.submit, service, kind, settings, **options)

    def image_model(self) -> ModelDef:
        """The model of the image services: `--image-model`, else the best SDXL on disk, else the embedded one."""
        return self._model(self.args.image_model, lambda model: model.family == "sdxl" and model.architecture == "sdxl")

    def i2v_model(self) -> ModelDef:
        """The model of the Wan service: `--i2v-model`, else an image-to-video Wan on disk, else the embedded one."""
        return self._model(self.args.i2v_model, _is_image_to_video)

    def t2v_model(self) -> ModelDef:
        """The model for clips from a prompt alone: a text-to-video Wan on disk, else the embedded one."""
        return self._model("", lambda model: model.family == "wan" and model.fps > 0 and "t2v" in model.architecture)

    def _model(self, wanted: str, fits: Callable[[ModelDef], bool]) -> ModelDef:
        registry = self.runtime.registry
        if wanted:
            model: ModelDef = registry.get(wanted)
            return model
        fitting = [model for model in registry.models().values() if fits(model)]
        installed = [model for model in fitting if registry.availability(model) == "available"]
        # A finetune is there because the user wants it; a distilled one gives up quality for speed.
        installed.sort(
            key=lambda model: (int(model.defaults.get("num_inference_steps") or 0) < 12, not model.is_finetune)
        )
        best: ModelDef = installed[0] if installed else registry.get(FALLBACK_MODEL)
        return best

    def close(self) -> None:
        """End the helpers' threads and what services hold."""
        for own in self._own.values():
            own.close()
        self.jobs.close()
        self.webhooks.close()
        self.inputs.close()
        self._cleaner.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _is_image_to_video(model: ModelDef) -> bool:
    return (
        model.family == "wan"
        and "S" in str(model.get("image_prompt_types_allowed") or "")
        and model.fps > 0
        and ("i2v" in model.architecture)
    )


def new_job_id(request: Request, service: str) -> str:
    """A random UUID, or with the header Idempotency-Key always the same one for the same key."""
    key = request.headers.get("idempotency-key", "").strip()
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"wangp:{service}:{key}") if key else uuid.uuid4())


def fingerprint(request: Request, body: Any) -> str:
    """What tells two requests with the same idempotency key apart; goes into a job's note. "" without a key."""
    if not request.headers.get("idempotency-key", "").strip():
        return ""
    text = json.dumps([request.url.path, body], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def outputs_of(job: Job) -> list[Path]:
    """The files of a job that are still there."""
    return [Path(made.path) for made in job.made if Path(made.path).is_file()]
