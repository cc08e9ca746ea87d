"""A stand-in for generate: does what a task's settings say, without a model. Found by import path, also in a child."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from shared.core.contracts import Control
from shared.core.errors import Cancelled, SettingsError
from shared.core.events import Event, Finished, Info, Output, Preview, Progress, Status
from shared.core.task import Task
from shared.engine.executors.spec import RunnerSpec
from shared.engine.ledger import OutputLedger


@dataclass
class FakeServices:
    """What the fake runner needs."""

    output_dir: Path
    device: str
    ledger: OutputLedger | None
    runs: int = 0
    before_metadata_save: list[Callable[..., Any]] = field(default_factory=list)


def build_services(
    root: Path,
    config_dir: Path,
    device: str,
    output_dir: str | None,
    ledger: OutputLedger | None,
    overrides: Mapping[str, Any],
) -> FakeServices:
    """Services of the fake runner."""
    return FakeServices(Path(output_dir or root), device, ledger)


def spec(folder: Path, database: Path | None = None) -> RunnerSpec:
    """A spec whose tasks write into `folder`."""
    return RunnerSpec(
        root=str(folder),
        config_dir=str(folder),
        output_dir=str(folder / "outputs"),
        database=str(database) if database else None,
        run_task="tests.fakes.runner:run_task",
        build_services="tests.fakes.runner:build_services",
        warm=(),
    )


def run_task(task: Task, emit: Callable[[Event], None], control: Control, services: FakeServices) -> Finished:
    """Follow the settings: steps, step_s, count, print, error, die, artifact_mb, wait_for_abort, linger_s."""
    params = task.params
    services.runs += 1
    ids = (task.id, task.client_id)
    for text in params.get("print", []):
        sys.stdout.write(text)
    for text in params.get("print_error", []):
        sys.stderr.write(text)
    steps = params.get("steps", 3)
    emit(Status(*ids, f"run {services.runs} in {os.getpid()}"))
    for step in range(steps):
        if control.get("abort"):
            raise Cancelled
        if control.get("early_stop"):
            break
        emit(Progress(*ids, f"Denoising | {step}", "Denoising", step + 1, steps))
        emit(Preview(*ids, b"jpeg%d" % step))
        _misbehave(params, step)
        time.sleep(params.get("step_s", 0.0))
    for index in range(params.get("count", 1) + control.get("extra_orders", 0)):
        _make_output(task, index, emit, services)
    for name in ("extra_windows", "pause"):
        if name in params.get("report", []):
            emit(Info(*ids, f"{name}={control.get(name)}"))
    return Finished(*ids, "done")


def _make_output(task: Task, index: int, emit: Callable[[Event], None], services: FakeServices) -> None:
    ledger = services.ledger
    made = ledger.made(task.id) if ledger else {}
    path = services.output_dir / f"task{task.id}_{index}_{time.time_ns()}.txt"
    settings: dict[str, Any] = {"prompt": task.params.get("prompt", ""), "seed": 7, "model_type": "fake"}
    if "odd" in task.params:
        settings["odd"] = Decimal(1)
    for hook in services.before_metadata_save:
        settings = hook(settings, task.plugin_data, "fake")
    if index in made:
        path = Path(made[index])
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".tmp")
        part.write_text(f"{task.id} {index}", encoding="utf-8")
        if ledger:
            ledger.reserve(task.id, index, path, part, settings=settings)
        time.sleep(task.params.get("linger_s", 0.0))
        os.replace(part, path)
        time.sleep(task.params.get("linger_s", 0.0))
        if ledger:
            ledger.commit(task.id, index)
    emit(Output(task.id, task.client_id, str(path), "video", settings, _artifact(task), index))


def _artifact(task: Task) -> dict[str, Any] | None:
    megabytes = task.params.get("artifact_mb")
    if megabytes is None:
        return None
    frames = np.arange(megabytes * (1 << 20), dtype=np.uint32).astype(np.uint8)
    artifact: dict[str, Any] = {"client_id": task.client_id, "video_tensor_uint8": frames, "fps": 16.0}
    if task.params.get("as_tensor"):
        import torch

        artifact["video_tensor_uint8"] = torch.from_numpy(frames)
    return artifact


def _misbehave(params: dict[str, Any], step: int) -> None:
    if step != params.get("at_step", 0):
        return
    if params.get("wait_for_abort"):
        threading.Event().wait(60.0)
    if (text := params.get("error")) is not None:
        raise SettingsError(text)
    if (text := params.get("bug")) is not None:
        raise KeyError(text)
    marker = params.get("only_once")
    if marker is not None:
        if Path(marker).exists():
            return
        Path(marker).write_text("x", encoding="utf-8")
    match params.get("die"):
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segv":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
