"""One task from its settings to its files: the stages in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from shared.core.contracts import Control, LoadOptions, Pipeline
from shared.core.errors import Cancelled, OutOfMemory, WanGPError
from shared.core.events import Event, Finished, MediaType, Stage
from shared.core.model_def import ModelDef
from shared.core.prompts import PromptUnit, split_clips
from shared.core.task import Task
from shared.engine.annotate import ControlMaker
from shared.engine.generate_download import fetch_missing
from shared.engine.generate_edit import edit_media, is_edit
from shared.engine.generate_inputs import load_inputs
from shared.engine.generate_memory import check_budget, check_frames, is_out_of_memory, shortage
from shared.engine.generate_prepare import Resolved, check, own_settings, resolve, tell_ignored
from shared.engine.generate_prompts import PromptWriter
from shared.engine.generate_report import Reporter, Watchers
from shared.engine.generate_scene import SceneBuilder
from shared.engine.generate_windows import Frames, SampleRun, Scene
from shared.engine.loras import lora_files
from shared.engine.output import OutputWriter, Product, last_file
from shared.engine.plan import Clip, plan_clips, resolve_seed, sample_seed
from shared.engine.postprocess import Postprocessing, postprocess, read_postprocessing
from shared.engine.services import Services, media_type_of
from shared.engine.status import Position

VIDEO_EXTENSIONS = (".mp4", ".mov", ".mkv")


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
        job = _prepare(task, services, report)
        stage = "generation"
        _fetch(job)
        _run(job)
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
    options = _load_options(job.settings, model, services)
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
    job.services.models.release()
    job.report.checkpoint()
    job.report.info(
        f"Memory ran out ({reason}). Trying once more with weights streamed and pictures decoded in small tiles."
    )
    try:
        _make(job, _acquire(job, leaner=True))
    except OutOfMemory as error:
        raise shortage(job.task, job.services, error) from error


@dataclass(frozen=True)
class Job:
    """A task whose settings and media are sound, its clips planned."""

    task: Task
    services: Services
    report: Reporter
    resolved: Resolved
    clips: tuple[Clip, ...]
    scenes: tuple[Scene, ...]
    finishings: tuple[Postprocessing, ...]
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """The whole settings."""
        return self.resolved.settings

    @cached_property
    def lora_files(self) -> dict[str, str]:
        """The file of each LoRA. Raises SettingsError for one that is not there or is none."""
        return lora_files(
            self.resolved.model, self.settings, self.resolved.lora_folder, self.services.root
        )

    @cached_property
    def writer(self) -> PromptWriter:
        """Writes the prompts of each sample."""
        return PromptWriter(self.settings, self.services, self.report)

    @property
    def samples(self) -> int:
        """Samples of each clip, as planned."""
        return int(self.settings["repeat_generation"]) * int(self.settings["batch_size"])


def _prepare(task: Task, services: Services, report: Reporter) -> Job:
    given = own_settings(task.params)
    resolved = resolve(given, services.registry)
    check(resolved)
    tell_ignored(resolved, given, report.info)
    settings = resolved.settings
    inputs = load_inputs(settings, last_file(services.output_folder("video", task), VIDEO_EXTENSIONS))
    mode = str(settings["multi_prompts_gen_type"])
    clips = plan_clips(
        split_clips(str(settings["prompt"]), mode) or [[PromptUnit("")]],
        inputs.starts,
        inputs.ends,
        mode=mode,
        pairwise=int(settings["multi_images_gen_type"]) == 1,
    )
    fit_canvas, process = services.config.get("fit_canvas"), ControlMaker(services, report)
    builder = SceneBuilder(settings, resolved.model, inputs, fit_canvas, report.info, process)
    scenes = tuple(builder.build(clip) for clip in clips)
    check_frames(scenes)
    check_budget(settings, resolved.model, scenes, _load_options(settings, resolved.model, services), services)
    return Job(
        task=task,
        services=services,
        report=report,
        resolved=resolved,
        clips=tuple(clips),
        scenes=scenes,
        finishings=tuple(_finishing(settings, scene, resolved.model) for scene in scenes),
        seed=resolve_seed(int(settings["seed"])),
    )


def _finishing(settings: Mapping[str, Any], scene: Scene, model: ModelDef) -> Postprocessing:
    finishing = replace(read_postprocessing(settings), base=scene.enlarged_to)
    if model.get("audio_only"):
        return finishing
    finishing.size(scene.canvas.width, scene.canvas.height)
    return finishing


def _load_options(settings: Mapping[str, Any], model: ModelDef, services: Services) -> LoadOptions:
    return services.load_options(settings, media_type_of(settings, model))


def _acquire(job: Job, *, leaner: bool = False) -> Pipeline:
    models, model = job.services.models, job.resolved.model
    if job.lora_files:
        job.report.checkpoint()
    options = replace(_load_options(job.settings, model, job.services), leaner=leaner)
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
    written = job.writer(job.scenes[clip_no].prompts, seed, number - 1)
    scene = replace(job.scenes[clip_no], lora_files=job.lora_files, prompts=written.units)
    keeps_sound = bool(job.resolved.model.get("output_audio_is_input_audio"))
    run = SampleRun(
        scene, {**job.settings, "negative_prompt": written.negative}, seed, pipeline, job.report, keeps_sound
    )
    media_type = _media_type(job)
    job.report.facts.clear()

    def product() -> Product:
        settings = {**_own_settings(job, clip_no, seed, run.num_frames), **written.changes}
        frames = () if media_type == "audio" else _finished(job, clip_no, run.frames(), seed)
        spent_s = time.monotonic() - started
        pictures = job.clips[clip_no].pictures()
        return Product(
            index, media_type, frames, settings, scene.canvas.fps, run.sound(), spent_s, pictures, run.layers,
            written.told,
        )  # fmt: skip

    def on_window(window_no: int) -> None:
        if window_no > 1 and job.settings.get("keep_intermediate_sliding_windows"):
            writer.save_partial(product())
        windows = max(run.total_windows, window_no)
        samples = max(job.samples, number) + job.report.pending("extra_orders")
        job.report.move_to(_position(job, clip_no, number, samples, window_no, windows))

    run(on_window)
    job.report.phase("Saving output")
    writer.save(product())


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
