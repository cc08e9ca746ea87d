"""The served page with a fake engine in its own process: small files at once, so that many tasks can be run.

`python -m tests.fakes.page_program` with the flags of wgp.py. In the prompt "slow" makes each step take a quarter of
a second, "fail" fails the task, and its first other word is a colour where Pillow knows it.
"""

from __future__ import annotations

import dataclasses
import io
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image, ImageColor

from shared.api import Runtime
from shared.cli import read_flags
from shared.core.contracts import Control
from shared.core.errors import Cancelled, SettingsError
from shared.core.events import Event, Finished, Output, Preview, Progress
from shared.core.task import Task
from shared.engine.executors.local import LocalExecutor
from shared.engine.executors.spec import RunnerSpec
from shared.media.images import save_image
from shared.media.names import output_path
from shared.media.video_write import write_video
from shared.ui.app import serve
from tests.fakes.runner import FakeServices

ROOT = Path(__file__).resolve().parents[2]
STEP_S = 0.01
SLOW_STEP_S = 0.25
SIZE = 64


def run_task(task: Task, emit: Callable[[Event], None], control: Control, services: FakeServices) -> Finished:
    """Make every sample that is asked for, also those ordered meanwhile."""
    made = 0
    while made < int(task.params.get("repeat_generation") or 1) + control.get("extra_orders", 0):
        _make(task, made, emit, control, services)
        made += 1
        if control.get("early_stop"):
            break
    return Finished(task.id, task.client_id, "done")


def _make(
    task: Task, index: int, emit: Callable[[Event], None], control: Control, services: FakeServices
) -> None:
    params, ids, started = task.params, (task.id, task.client_id), time.monotonic()
    prompt = str(params.get("prompt") or "")
    colour, steps = _colour(prompt), int(params.get("num_inference_steps") or 4)
    for step in range(1, steps + 1):
        while control.get("pause") and not control.get("abort"):
            time.sleep(0.02)
        if control.get("abort"):
            raise Cancelled
        emit(Progress(*ids, f"Denoising | {step}", "Denoising", step, steps))
        emit(Preview(*ids, _strip(colour, step / steps)))
        time.sleep(SLOW_STEP_S if "slow" in prompt else STEP_S)
    if "fail" in prompt:
        raise SettingsError("resolution: this is too large for the fake engine.")
    settings = {**params, "type": "WanGP fake", "seed": max(0, int(params.get("seed") or 0)) + index}
    settings |= {"generation_time": round(time.monotonic() - started, 2)}
    is_picture = bool(params.get("image_mode"))
    path = output_path(services.output_dir, settings, ".png" if is_picture else ".mp4").resolve()
    if is_picture:
        save_image(np.full((SIZE, SIZE, 3), colour, np.uint8), path, "png", settings)
    else:
        frames = int(params.get("video_length") or 9)
        ramp = np.linspace(0.5, 1, frames)[:, None, None, None]
        pixels = (np.full((frames, SIZE, SIZE, 3), colour, np.float32) * ramp).astype(np.uint8)
        write_video(pixels, path, 8, metadata=settings)
    emit(Output(*ids, str(path), "image" if is_picture else "video", settings, None, index))


def _colour(prompt: str) -> tuple[int, ...]:
    for word in prompt.split():
        try:
            return ImageColor.getrgb(word)
        except ValueError:
            continue
    return (90, 90, 120)


def _strip(colour: tuple[int, ...], share: float) -> bytes:
    buffer = io.BytesIO()
    shade = tuple(int(part * share) for part in colour)
    Image.new("RGB", (32 * 5, 32), shade).save(buffer, "JPEG")
    return buffer.getvalue()


def build_services(root: Path, config_dir: Path, device: str, *_: Any) -> FakeServices:
    """Results go below the configuration's folder."""
    return FakeServices(Path(config_dir) / "outputs", device, None)


def _executor(spec: RunnerSpec, device: str, hooks: Mapping[str, Callable[..., Any]]) -> LocalExecutor:
    module = "tests.fakes.page_program"
    fake = dataclasses.replace(spec, run_task=f"{module}:run_task", build_services=f"{module}:build_services")
    return LocalExecutor(fake, "cpu", hooks)


def _routes(runtime: Runtime) -> APIRouter:
    """What the form does, for sessions that have no browser."""
    router = APIRouter(prefix="/fake")

    @router.post("/submit")
    async def submit(request: Request) -> dict[str, int]:
        told = await request.json()
        return {"id": (await run_in_threadpool(runtime.submit, told["settings"], client_id=told["client_id"])).id}

    return router


def main() -> None:
    """Serve until Ctrl-C."""
    given = sys.argv[1:]
    flags = read_flags(given)
    runtime = Runtime.open(ROOT, flags.config, given, _executor, True)
    try:
        serve(runtime, flags, _routes(runtime).routes)
    finally:
        runtime.close()


if __name__ == "__main__":
    main()
