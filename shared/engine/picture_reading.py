"""The modes that read a picture instead of making one: what it shows in words, where something is in it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from shared.core.errors import MediaError, SettingsError
from shared.core.events import Output
from shared.core.paths import write_atomic
from shared.core.settings import DECLARATIONS, canonical
from shared.core.task import Task
from shared.engine.annotate import annotator_folder
from shared.engine.generate_inputs import named, values_of
from shared.engine.generate_prepare import own_settings
from shared.engine.generate_report import Reporter
from shared.engine.output import OutputWriter, Product
from shared.engine.picture_parts import MaskFinder
from shared.engine.services import Services
from shared.media.images import load_image
from shared.media.names import output_path
from shared.media.regions import grown

DESCRIBE, MAKE_MASK = "describe", "make_mask"

# Words that say nothing by themselves, left out of a list of tags.
_SMALL_WORDS = (
    "a", "an", "the", "is", "are", "was", "were", "be", "being", "been", "of", "in", "on", "at", "to", "for", "with",
    "and", "or", "by", "from", "as", "that", "this", "there", "its", "his", "her", "their", "it", "he", "she", "they",
)  # fmt: skip


def reads_a_picture(params: Mapping[str, Any]) -> bool:
    """Whether settings ask for one of these modes."""
    return params.get("mode") in (DESCRIBE, MAKE_MASK)


def read_picture(task: Task, services: Services, report: Reporter) -> None:
    """Run such a task. Raises SettingsError, MediaError, DownloadError, NothingFound."""
    settings = canonical(own_settings(task.params))
    _check(settings)
    pictures = values_of(settings, "image_guide") or values_of(settings, "image_start")
    if not pictures:
        raise MediaError(f"image_guide: no picture is given to {str(settings['mode']).replace('_', ' a ')}.")
    picture = np.asarray(named("image_guide", lambda: load_image(pictures[0])))
    if settings["mode"] == DESCRIBE:
        _describe(task, settings, picture, services, report)
    else:
        _save_mask(task, settings, MaskFinder(settings, services, report)(picture), services, report)


def tags_of(sentence: str) -> str:
    """The words of a sentence that name something, as a list: "a red fox in the snow" is "red fox, snow"."""
    groups = re.split(r"[^\w\- ]+|\b(?:" + "|".join(_SMALL_WORDS) + r")\b", sentence.lower())
    return ", ".join(dict.fromkeys(" ".join(group.split()) for group in groups if group.strip()))


def _describe(
    task: Task, settings: Mapping[str, Any], picture: np.ndarray, services: Services, report: Reporter
) -> None:
    from shared.diffusion.caption import caption_of

    folder = annotator_folder("caption", services, report)
    report.phase("Describing the picture")
    text = caption_of(picture, folder, services.device)
    if settings.get("describe_kind") == "anime":
        report.info("describe_kind: the tags are the words of the sentence; there is no model for tags here.")
        text = tags_of(text)
    own = {"mode": DESCRIBE, "prompt": text, "describe_kind": settings.get("describe_kind") or "photo"}
    path = output_path(services.output_folder("image", task), {**settings, "prompt": text}, ".txt").resolve()
    write_atomic(path, text.encode("utf-8"))
    told = {**own, "client_id": task.client_id} if task.client_id else own
    report.emit(Output, path=str(path), media_type="text", settings=told, index=0)


def _save_mask(
    task: Task, settings: dict[str, Any], mask: np.ndarray, services: Services, report: Reporter
) -> None:
    started = time.monotonic()
    mask = grown(mask, int(settings.get("mask_expand") or 0))
    mask = 255 - mask if settings.get("invert_mask") else mask
    writer = OutputWriter(task, services, report, None)
    writer.expect(1)
    own = {**settings, "image_format": "png", "metadata_scheme": "none", "seed": 0}
    frame = np.asarray(Image.fromarray(mask).convert("RGB"))
    writer.save(Product(0, "image", [frame], own, generation_s=time.monotonic() - started))


def _check(settings: Mapping[str, Any]) -> None:
    problems = [
        problem
        for name, value in settings.items()
        if name in DECLARATIONS and not DECLARATIONS[name].is_media and (problem := DECLARATIONS[name].check(value))
    ]
    if problems:
        raise SettingsError("\n".join(problems))
