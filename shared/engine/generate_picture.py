"""A picture after the model has made it: put back into the one given, its parts improved pass after pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.contracts import Pipeline
from shared.core.prompts import parse_unit
from shared.core.sample_prompts import JOINT, SampleNumbers, styled
from shared.engine.generate_inputs import load_inputs
from shared.engine.generate_job import Job, plan_scenes
from shared.engine.generate_prompts import Written
from shared.engine.generate_windows import SampleRun
from shared.engine.output import Product
from shared.engine.picture_parts import NothingFound
from shared.engine.postprocess import postprocess
from shared.engine.tiled_pipeline import TiledPipeline

Frame = NDArray[np.uint8]

# What a pass has of its own unless it says otherwise: the task's is for the picture as a whole.
_OF_THE_WHOLE: Mapping[str, Any] = {
    "enhance": [], "vary_upscale": "", "mask_model": "", "image_mask": None, "image_start": None,
    "guide_pictures": None, "video_guide_outpainting": "#", "image_refs": None, "video_prompt_type": "V",
    "image_prompt_type": "",
    "denoising_strength": 0.5, "inpaint_field": 0.618, "mask_expand": 0, "invert_mask": 0, "image_mode": 1,
    "repeat_generation": 1, "batch_size": 1, "styles": [], "paste_back": 0,
}  # fmt: skip


def is_worked_on(job: Job) -> bool:
    """Whether what the model makes is not yet the result."""
    return job.plan.work.finish is not None or bool(job.settings.get("enhance"))


def finished_picture(job: Job, made: Frame | None, written: Written, seed: int, pipeline: Pipeline) -> Frame:
    """The result (H,W,3) of a picture that the model has made, or of the one given where that is worked on alone."""
    work = job.plan.work
    picture = work.ready if made is None else made if work.finish is None else work.finish(made)
    assert picture is not None
    for number, wanted in enumerate(job.settings.get("enhance") or (), start=1):
        picture = _improved(job, picture, wanted, number, (written, seed, pipeline))
    return picture


def ready_product(job: Job, picture: Frame | None = None, seed: int | None = None) -> Product:
    """What is saved of a picture (by default the one that needed no model)."""
    frame = job.plan.work.ready if picture is None else picture
    assert frame is not None
    own = {**job.settings, "seed": job.seed if seed is None else seed, "repeat_generation": 1, "batch_size": 1}
    finishing = job.finishings[0]
    return Product(0, "image", postprocess([frame], finishing, own["seed"], job.report.checkpoint), own)


def pass_settings(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one pass of `enhance`: its own, over those of the task that are not for the whole picture."""
    own = {**settings, **_OF_THE_WHOLE, **wanted}
    if not own["vary_upscale"]:
        own |= {"paste_back": 1, "mask_model": own["mask_model"] or "sam"}
    return own


def _improved(
    job: Job, picture: Frame, wanted: Mapping[str, Any], number: int, sample: tuple[Written, int, Pipeline]
) -> Frame:
    written, seed, pipeline = sample
    model, report = job.resolved.model, job.report
    own = pass_settings(job.settings, wanted) | {"image_guide": Image.fromarray(picture), "prompt": ""}
    words, own["negative_prompt"] = _words(job, wanted, written, seed)
    try:
        plan = plan_scenes(own, model, load_inputs(own, lambda: None), job.services, report)
    except NothingFound as nothing:
        report.info(f"enhance: pass {number} is left out. {nothing}")
        return picture
    if plan.work.ready is not None:
        return plan.work.ready
    scene = replace(plan.scenes[0], lora_files=job.lora_files, prompts=(parse_unit(words),))
    maker = TiledPipeline(pipeline, plan.work.tile) if plan.work.tile else pipeline
    making = {**own, **plan.work.changes}
    made = SampleRun(scene, making, seed, maker, report)(lambda window: None)[0]
    return made if plan.work.finish is None else plan.work.finish(made)


def _words(job: Job, wanted: Mapping[str, Any], written: Written, seed: int) -> tuple[str, str]:
    """Prompt and negative prompt of a pass: its own with the task's styles, else those of the sample."""
    own, avoided = str(wanted.get("prompt") or ""), str(wanted.get("negative_prompt") or "")
    if not own:
        return "\n".join(unit.text for unit in written.units), avoided or written.negative
    given = avoided or str(job.settings.get("negative_prompt") or "")
    parts = styled(own, given, job.settings, SampleNumbers(seed))
    return JOINT.join(parts.positive), JOINT.join(parts.negative)
