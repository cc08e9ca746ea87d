"""One task from its settings to its files: the stages in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from shared.core.contracts import Control, Pipeline
from shared.core.errors import Cancelled, OutOfMemory, WanGPError
from shared.core.events import Event, Finished, MediaType, Stage
from shared.core.task import Task
from shared.engine.batching import together
from shared.engine.generate_download import fetch_missing
from shared.engine.generate_edit import edit_media, is_edit
from shared.engine.generate_job import Job, load_options, prepare_job
from shared.engine.generate_memory import check_budget, is_out_of_memory, shortage
from shared.engine.generate_picture import finished_picture, is_worked_on, ready_product
from shared.engine.generate_report import Reporter, Watchers
from shared.engine.generate_windows import Frames, SampleRun
from shared.engine.output import OutputWriter, Product
from shared.engine.picture_reading import read_picture, reads_a_picture
from shared.engine.plan import sample_seed
from shared.engine.postprocess import postprocess
from shared.engine.services import Services
from shared.engine.status import Position
from shared.engine.tiled_pipeline import TiledPipeline


def run_task(
    task: Task,
    emit: Callable[[Event], None],
    control: Control,
    services: Services,
    watchers: Watchers | None = None,
) -> Finished:
    """Run a task to its end and say how it ended; its other events go to `emit`, the user's wishes come by `control`.

    Never raises for what the task does (bad settings, bad media, a full disk, too little memory, the user's abort);
    an error of the program itself comes through.
    """
    report = Reporter(task, emit, control, watchers)
    stage: Stage = "validation"
    services.config.refresh()
    try:
        if is_edit(task.params):
            stage = "generation"
            edit_media(task, services, report)
            return Finished(task.id, task.client_id, "done")
        if reads_a_picture(task.params):
            stage = "generation"
            read_picture(task, services, report)
            return Finished(task.id, task.client_id, "done")
        job = prepare_job(task, services, report)
        stage = "generation"
        if job.scenes or job.settings.get("enhance"):
            _fetch(job)
            _run(job)
        else:
            _save_ready(job)
        return Finished(task.id, task.client_id, "done")
    except Cancelled as cancelled:
        return Finished(task.id, task.client_id, "cancelled", str(cancelled), "cancelled")
    except OutOfMemory as error:
        told = str(error)  # the error itself would hold on to the tensors of its frames
    except WanGPError as error:
        return Finished(task.id, task.client_id, "failed", str(error), stage)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        told = str(shortage(task, services, error))
    if stage == "generation":
        services.models.release()
    return Finished(task.id, task.client_id, "failed", told, stage)


def _fetch(job: Job) -> None:
    """Download what is missing; what the model takes in memory is known only then."""
    model, services = job.resolved.model, job.services
    options = load_options(job.settings, model, services)
    if fetch_missing(model, job.settings, options, services, job.report):
        check_budget(job.settings, model, job.scenes, options, services)


def _run(job: Job) -> None:
    """Make everything; when memory runs out, once more with as little of it held at once as can be."""
    try:
        _make(job, _acquire(job))
        return
    except (OutOfMemory, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    # Outside the handler nothing holds the tensors of the failed attempt any more.
    models, model = job.services.models, job.resolved.model
    if not models.make_leaner(model, replace(load_options(job.settings, model, job.services), leaner=True)):
        models.release()
    job.report.checkpoint()
    job.report.info(
        f"Memory ran out ({reason}). Trying once more with weights streamed and pictures decoded in small tiles."
    )
    try:
        _make(job, _acquire(job, leaner=True))
    except OutOfMemory as error:
        raise shortage(job.task, job.services, error) from error


def _acquire(job: Job, *, leaner: bool = False) -> Pipeline:
    models, model = job.services.models, job.resolved.model
    if job.lora_files:
        job.report.checkpoint()
    options = replace(load_options(job.settings, model, job.services), leaner=leaner)
    job.report.move_to(_position(job, 0, 1, job.samples))
    if not models.is_loaded(model, options):
        job.report.phase(f"Loading model {model.name}")
    pipeline = models.acquire(model, options)
    job.report.clock.begin_generating()
    return pipeline


def _make(job: Job, pipeline: Pipeline) -> None:
    """Make every sample of every clip; the files that an earlier run of the task has made are not made again."""
    writer = OutputWriter(job.task, job.services, job.report, job.resolved.model)
    planned = len(job.clips) * job.samples
    extra_index = planned
    writer.expect(planned)
    pipeline = together(pipeline, job.settings)
    for clip_no in range(len(job.clips)):
        for number in _sample_numbers(job):
            index = clip_no * job.samples + number - 1
            if number > job.samples:
                index, extra_index = extra_index, extra_index + 1
                writer.expect(extra_index)
            if not writer.is_made(index):
                with job.report.sample():
                    _make_sample(job, pipeline, writer, (clip_no, number, index))
            if job.report.shall_stop_early():
                writer.expect(index + 1)
                return


def _sample_numbers(job: Job) -> Iterator[int]:
    """1, 2, ... up to the samples planned and those that the user asks for meanwhile."""
    yield from range(1, job.samples + 1)
    number = job.samples
    while job.report.takes("extra_orders"):
        number += 1
        yield number


def _position(job: Job, clip_no: int, number: int, samples: int, window_no: int = 1, windows: int = 1) -> Position:
    return Position(clip_no + 1, len(job.clips), number, samples, window_no, windows)


def _make_sample(job: Job, pipeline: Pipeline, writer: OutputWriter, place: tuple[int, int, int]) -> None:
    clip_no, number, index = place
    seed, started = _seed(job, number), time.monotonic()
    written = job.writer(job.clips[clip_no].prompts, seed, number - 1)
    if not job.scenes:
        picture = finished_picture(job, None, written, seed, pipeline)
        writer.save(replace(ready_product(job, picture, seed), index=index, generation_s=time.monotonic() - started))
        return
    scene = replace(job.scenes[clip_no], lora_files=job.lora_files, prompts=written.units)
    keeps_sound = bool(job.resolved.model.get("output_audio_is_input_audio"))
    work = job.plan.work
    making = {**job.settings, **work.changes, "negative_prompt": written.negative}
    maker = TiledPipeline(pipeline, work.tile) if work.tile else pipeline
    run = SampleRun(scene, making, seed, maker, job.report, keeps_sound)
    media_type = _media_type(job)
    picture: Frames | None = None
    job.report.facts.clear()

    def product() -> Product:
        settings = {**_own_settings(job, clip_no, seed, run.num_frames), **written.changes}
        made = run.frames() if picture is None else picture
        frames = () if media_type == "audio" else _finished(job, clip_no, made, seed)
        spent_s = time.monotonic() - started
        pictures, fps = job.clips[clip_no].pictures(), job.finishings[clip_no].fps(scene.canvas.fps)
        return Product(
            index, media_type, frames, settings, fps, run.sound(), spent_s, pictures, run.layers, written.told,
        )  # fmt: skip

    def on_window(window_no: int) -> None:
        if window_no > 1 and job.settings.get("keep_intermediate_sliding_windows"):
            writer.save_partial(product())
        windows = max(run.total_windows, window_no)
        samples = max(job.samples, number) + job.report.pending("extra_orders")
        job.report.move_to(_position(job, clip_no, number, samples, window_no, windows))

    run(on_window)
    if is_worked_on(job):
        picture = finished_picture(job, run.frames()[0], written, seed, pipeline)[None]
    job.report.phase("Saving output")
    writer.save(product())


def _save_ready(job: Job) -> None:
    """Save the picture that needed no model."""
    writer = OutputWriter(job.task, job.services, job.report, job.resolved.model)
    writer.expect(1)
    if not writer.is_made(0):
        job.report.phase("Saving output")
        writer.save(ready_product(job))


def _seed(job: Job, number: int) -> int:
    return job.seed if job.settings.get("fixed_seed") else sample_seed(job.seed, number)


def _finished(job: Job, clip_no: int, frames: Frames, seed: int) -> Iterable[Frames]:
    return postprocess(frames, job.finishings[clip_no], seed, job.report.checkpoint)


def _media_type(job: Job) -> MediaType:
    if job.resolved.model.get("audio_only"):
        return "audio"
    return "image" if job.settings.get("image_mode") else "video"


def _own_settings(job: Job, clip_no: int, seed: int, num_frames: int) -> dict[str, Any]:
    """The settings that make this one file again."""
    settings = {**job.settings, "seed": seed, "repeat_generation": 1, "batch_size": 1}
    units = job.clips[clip_no].prompts
    if len(job.clips) > 1 and len(units) == 1:
        settings["prompt"] = units[0].source or units[0].text
    has_commands = any(unit.commands for unit in units)
    if _media_type(job) == "video" and not has_commands:
        settings["video_length"] = num_frames
    return settings
