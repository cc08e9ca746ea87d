"""The edit modes: finish a file that exists, without a model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from shared.core.errors import MediaError, SettingsError
from shared.core.processors import Processors
from shared.core.settings import DECLARATIONS, canonical
from shared.core.task import Task
from shared.engine.generate_inputs import is_picture, named, values_of
from shared.engine.generate_prepare import own_settings
from shared.engine.generate_report import Reporter
from shared.engine.output import OutputWriter, Product
from shared.engine.plan import resolve_seed
from shared.engine.postprocess import postprocess, read_postprocessing
from shared.engine.services import Services
from shared.engine.soundtrack import processed
from shared.media.audio import read_audio
from shared.media.images import load_image
from shared.media.video import iter_frames, probe

_NOTHING = "Nothing is asked for: set spatial_upsampling, film_grain_intensity or, for a clip, temporal_upsampling."
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
    processors = services.registry.processors
    if mode == POSTPROCESSING:
        product = _postprocessed(settings, report, processors)
    elif mode == REMUX:
        product = _remuxed(settings, report, processors)
    elif mode == AUDIO:
        product = _sound_processed(settings, report, processors)
    else:
        known = f"{POSTPROCESSING}, {REMUX} or {AUDIO}"
        raise SettingsError(f'mode: "{mode}" is not available in this version. Use {known}.')
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


def _postprocessed(settings: dict[str, Any], report: Reporter, processors: Processors) -> Product:
    wanted, started = read_postprocessing(settings, processors), time.monotonic()
    if wanted.is_nothing:
        raise SettingsError(_NOTHING)
    source, seed = _source(settings), resolve_seed(int(settings.get("seed", -1)))
    if is_picture(source):
        wanted = replace(wanted, temporal=None, frames=1)
        if wanted.is_nothing:
            raise SettingsError(_NOTHING)
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
    return Product(0, "video", frames, own, wanted.fps(info.fps), audio, time.monotonic() - started)


def _remuxed(settings: dict[str, Any], report: Reporter, processors: Processors) -> Product:
    """A clip with another sound: a soundtrack, or its own changed."""
    method, started = str(settings.get("postprocess_audio") or "custom"), time.monotonic()
    processor = processors.audio_for("postprocess_audio", method, ("soundtrack", "audio_edit"))
    if method == "custom" and not values_of(settings, "audio_source"):
        raise MediaError("audio_source: no sound is given for the clip.")
    source = _source(settings)
    info = named("video_source", lambda: probe(source))
    own = {**settings, "seed": resolve_seed(int(settings.get("seed", -1)))}
    sound = read_audio(source) if info.has_audio else None
    audio = processed(processor, sound, own, report, str(source))
    return Product(0, "video", iter_frames(source), own, info.fps, audio, time.monotonic() - started)


def _sound_processed(settings: dict[str, Any], report: Reporter, processors: Processors) -> Product:
    """A sound file, changed."""
    started = time.monotonic()
    processor = processors.audio_for("postprocess_audio", str(settings.get("postprocess_audio") or ""), ("audio_edit",))
    if processor is None:
        raise SettingsError("Nothing is asked for: set postprocess_audio.")
    sounds = values_of(settings, "audio_source")
    if not sounds:
        raise MediaError("audio_source: no sound is given.")
    own = {**settings, "seed": resolve_seed(int(settings.get("seed", -1)))}
    audio = processed(processor, named("audio_source", lambda: read_audio(sounds[0])), own, report)
    return Product(0, "audio", (), own, audio=audio, generation_s=time.monotonic() - started)
