"""A task whose settings and media are sound, its clips planned: everything short of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from shared.core.contracts import LoadOptions
from shared.core.model_def import ModelDef
from shared.core.prompts import PromptUnit, split_clips
from shared.core.task import Task
from shared.engine.annotate import ControlMaker
from shared.engine.canvas import Canvas
from shared.engine.generate_inputs import Inputs, load_inputs
from shared.engine.generate_memory import check_budget, check_frames
from shared.engine.generate_prepare import Resolved, check, own_settings, resolve, tell_ignored
from shared.engine.generate_prompts import PromptWriter
from shared.engine.generate_report import Reporter
from shared.engine.generate_scene import SceneBuilder
from shared.engine.generate_windows import Scene
from shared.engine.loras import lora_files
from shared.engine.output import last_file
from shared.engine.picture_parts import Enlarger, MaskFinder
from shared.engine.picture_work import PictureWork, plan_picture_work
from shared.engine.plan import Clip, plan_clips, resolve_seed
from shared.engine.postprocess import Postprocessing, read_postprocessing
from shared.engine.services import Services, media_type_of

VIDEO_EXTENSIONS = (".mp4", ".mov", ".mkv")


@dataclass(frozen=True)
class Plan:
    """What is made of settings and media: the work on a given picture, the clips and their scenes."""

    work: PictureWork
    clips: tuple[Clip, ...]
    scenes: tuple[Scene, ...]


@dataclass(frozen=True)
class Job:
    """See the module."""

    task: Task
    services: Services
    report: Reporter
    resolved: Resolved
    plan: Plan
    finishings: tuple[Postprocessing, ...]
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """The whole settings, as they are kept."""
        return self.resolved.settings

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips."""
        return self.plan.clips

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """A scene a clip."""
        return self.plan.scenes

    @cached_property
    def lora_files(self) -> dict[str, str]:
        """The file of each LoRA. Raises SettingsError for one that is not there or is none."""
        return lora_files(self.resolved.model, self.settings, self.resolved.lora_folder, self.services.root)

    @cached_property
    def writer(self) -> PromptWriter:
        """Writes the prompts of each sample."""
        return PromptWriter(self.settings, self.services, self.report)

    @property
    def samples(self) -> int:
        """Samples of each clip, as planned; a picture that is ready is one."""
        if not self.scenes and not self.settings.get("enhance"):
            return 1
        return int(self.settings["repeat_generation"]) * int(self.settings["batch_size"])


def prepare_job(task: Task, services: Services, report: Reporter) -> Job:
    """The job that a task asks for. Raises SettingsError, MediaError, OutOfMemory for what cannot be made."""
    given = own_settings(task.params)
    resolved = resolve(given, services.registry)
    check(resolved)
    tell_ignored(resolved, given, report.info)
    settings = resolved.settings
    inputs = load_inputs(settings, last_file(services.output_folder("video", task), VIDEO_EXTENSIONS))
    plan = plan_scenes(settings, resolved.model, inputs, services, report)
    if plan.scenes:
        check_frames(plan.scenes)
        check_budget(
            settings, resolved.model, _as_made(plan), load_options(settings, resolved.model, services), services
        )
    return Job(
        task=task,
        services=services,
        report=report,
        resolved=resolved,
        plan=plan,
        finishings=tuple(_finishing(resolved, scene, plan.work) for scene in plan.scenes or (None,)),
        seed=resolve_seed(int(settings["seed"])),
    )


def plan_scenes(
    settings: Mapping[str, Any], model: ModelDef, inputs: Inputs, services: Services, report: Reporter
) -> Plan:
    """The work on the given picture, and the scene of each clip; no scenes where the work needs no model."""
    finder = MaskFinder(settings, services, report)
    work = plan_picture_work(settings, model, inputs, Enlarger(services, report), finder)
    mode = str(settings["multi_prompts_gen_type"])
    clips = plan_clips(
        split_clips(str(settings["prompt"]), mode) or [[PromptUnit("")]],
        work.inputs.starts,
        work.inputs.ends,
        mode=mode,
        pairwise=int(settings["multi_images_gen_type"]) == 1,
    )
    if work.ready is not None:
        return Plan(work, tuple(clips[:1]), ())
    fit_canvas, process = services.config.get("fit_canvas"), ControlMaker(services, report)
    making = {**settings, **work.changes}
    builder = SceneBuilder(making, model, work.inputs, fit_canvas, report.info, process, work.size)
    return Plan(work, tuple(clips), tuple(builder.build(clip) for clip in clips))


def load_options(settings: Mapping[str, Any], model: ModelDef, services: Services) -> LoadOptions:
    """How to load the model for these settings."""
    return services.load_options(settings, media_type_of(settings, model))


def _finishing(resolved: Resolved, scene: Scene | None, work: PictureWork) -> Postprocessing:
    settings, model, processors = resolved.settings, resolved.model, resolved.processors
    base = None if scene is None or work.size is not None else scene.enlarged_to
    finishing = replace(read_postprocessing(settings, processors), base=base)
    if model.get("audio_only"):
        return finishing
    if work.result_size is not None:
        finishing.size(*work.result_size)
    elif scene is not None:
        finishing.size(scene.canvas.width, scene.canvas.height)
    return finishing


def _as_made(plan: Plan) -> tuple[Scene, ...]:
    """The scenes at the size that the model makes at once."""
    tile = plan.work.tile
    return tuple(
        replace(scene, canvas=Canvas(tile, tile, scene.canvas.fps)) if tile else scene for scene in plan.scenes
    )
