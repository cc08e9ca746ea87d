"""The edit modes: finish a file that exists, without a model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.core.errors import MediaError, SettingsError
from shared.core.params import shown
from shared.core.settings import DECLARATIONS, canonical
from shared.core.task import Task
from shared.engine.generate_inputs import is_picture, named, values_of
from shared.engine.generate_prepare import own_settings
from shared.engine.generate_report import Reporter
from shared.engine.output import OutputWriter, Product
from shared.engine.plan import resolve_seed
from shared.engine.postprocess import postprocess, read_postprocessing
from shared.engine.services import Services
from shared.media.audio import read_audio
from shared.media.images import load_image
from shared.media.video import iter_frames, probe

POSTPROCESSING, REMUX, AUDIO = "edit_postprocessing", "edit_remux", "edit_audio"


def is_edit(params: Mapping[str, Any]) -> bool:
    """Whether settings ask for an edit mode."""
    return str(params.get("mode") or "").startswith("edit_")


def edit_media(task: Task, services: Services, report: Reporter) -> None:
    """Run an edit task. Raises SettingsError for a mode or method that is not here, MediaError for a bad file."""
    settings = canonical(own_settings(task.params))
    mode = settings["mode"]
    _check(settings)
    writer = OutputWriter(task, services, report, None)
    writer.expect(1)
    if writer.is_made(0):
        return
    if mode == POSTPROCESSING:
        product = _postprocessed(settings, report)
    elif mode == REMUX:
        product = _remuxed(settings, report)
    else:
        raise SettingsError(f'mode: "{mode}" is not available in this version. Use {POSTPROCESSING} or {REMUX}.')
    report.phase("Saving output")
    writer.save(product)


def _check(settings: Mapping[str, Any]) -> None:
    problems = [
        problem
        for name, value in settings.items()
        if name in DECLARATIONS and not DECLARATIONS[name].is_media and (problem := DECLARATIONS[name].check(value))
    ]
    if problems:
        raise SettingsError("\n".join(problems))


def _source(settings: Mapping[str, Any]) -> Any:
    clips = values_of(settings, "video_source")
    if not clips:
        raise MediaError("video_source: no clip is given to edit.")
    return clips[0]


def _postprocessed(settings: dict[str, Any], report: Reporter) -> Product:
    wanted, started = read_postprocessing(settings), time.monotonic()
    if wanted.is_nothing:
        raise SettingsError("Nothing is asked for: set spatial_upsampling or film_grain_intensity.")
    source, seed = _source(settings), resolve_seed(int(settings.get("seed", -1)))
    own, done = {**settings, "seed": seed}, 0
    if is_picture(source):
        picture = np.asarray(named("video_source", lambda: load_image(source)))
        return Product(0, "image", postprocess([picture], wanted, seed, report.checkpoint), own)
    info = named("video_source", lambda: probe(source))

    def tell_frame() -> None:
        nonlocal done
        report.phase("Upsampling" if wanted.scale != 1 else "Film grain", done, info.num_frames)
        done += 1

    frames = postprocess(iter_frames(source), wanted, seed, tell_frame)
    audio = read_audio(source) if info.has_audio else None
    return Product(0, "video", frames, own, info.fps, audio, time.monotonic() - started)


def _remuxed(settings: dict[str, Any], report: Reporter) -> Product:
    method, started = settings.get("postprocess_audio") or "custom", time.monotonic()
    if method != "custom":
        raise SettingsError(
            f'postprocess_audio: {shown(method)} is not available in this version. Use "custom" with an audio_source.'
        )
    sounds = values_of(settings, "audio_source")
    if not sounds:
        raise MediaError("audio_source: no sound is given for the clip.")
    source = _source(settings)
    info = named("video_source", lambda: probe(source))
    audio = named("audio_source", lambda: read_audio(sounds[0]))
    report.phase("Audio remuxing")
    own = {**settings, "seed": resolve_seed(int(settings.get("seed", -1)))}
    return Product(0, "video", iter_frames(source), own, info.fps, audio, time.monotonic() - started)
