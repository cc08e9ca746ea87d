"""The pictures, clips and masks of a task: loaded, checked, brought to the size and speed of the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.conditions import makes_own_mask
from shared.core.errors import MediaError, SettingsError
from shared.core.units import parse_kept_source
from shared.core.virtual_path import strip_virtual_media_suffix
from shared.engine.canvas import Canvas
from shared.media.images import load_image, load_mask
from shared.media.resize import cover
from shared.media.sniff import sniff_file
from shared.media.video import VideoInfo, probe, read_frames

Frames = NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True)
class Clipping:
    """A clip that a setting names: where it is, and what is known of it before its frames are read."""

    name: str
    source: Any
    info: VideoInfo

    def read(self, canvas: Canvas, keep: int | None = None) -> Frames:
        """The first `keep` frames (all: None) as (F,H,W,3) at the size and speed of the canvas."""
        size = (canvas.width, canvas.height)
        frames, own_fps = named(self.name, lambda: read_frames(self.source, max_frames=keep, size=size))
        return at_fps(frames, own_fps, canvas.fps)

    def read_own_size(self, fps: float) -> Frames:
        """All frames (F,h,w,3) at a speed, in the clip's own size."""
        frames, own_fps = named(self.name, lambda: read_frames(self.source))
        return at_fps(frames, own_fps, fps)


@dataclass(frozen=True)
class Inputs:
    """The media of a task, each checked; frames of clips are read when a canvas is known.

    `control` is what is repainted or denoised from, or what steers the result; `mask` where (255: made anew); each is
    a picture or a clip. `second_control` is a further clip for models that take two. `references` are in the order
    given; the first of them stand at the `frames_positions`; with `has_background` the first of the others fills the
    canvas. `guides` are picture prompts.
    """

    starts: tuple[Image.Image, ...] = ()
    ends: tuple[Image.Image, ...] = ()
    source: Clipping | None = None
    keep: int | None = None
    control: Image.Image | Clipping | None = None
    mask: Image.Image | Clipping | None = None
    mask_expand: int = 0
    denoising_strength: float = 1.0
    kept_control_frames: str = ""
    second_control: Clipping | None = None
    references: tuple[Image.Image, ...] = ()
    frames_positions: str = ""
    has_background: bool = False
    guides: tuple[Image.Image, ...] = ()

    def shape_of(self, start: Image.Image | None) -> tuple[int, int] | None:
        """The size (width, height) whose ratio the result takes: source clip, start image, control, place, or none."""
        if self.source is not None:
            return self.source.info.width, self.source.info.height
        if start is not None:
            return start.size
        if self.control is not None:
            return self.control_size
        fills_canvas = bool(self.references) and (self.has_background or bool(self.frames_positions.strip()))
        return self.references[0].size if fills_canvas else None

    @property
    def control_size(self) -> tuple[int, int] | None:
        """The size (width, height) of the control picture or clip."""
        if isinstance(self.control, Clipping):
            return self.control.info.width, self.control.info.height
        return None if self.control is None else self.control.size

    @cached_property
    def source_fps(self) -> float | None:
        """Speed of the clip that is continued."""
        return self.source.info.fps if self.source is not None else None

    @cached_property
    def control_fps(self) -> float | None:
        """Speed of the control clip."""
        return self.control.info.fps if isinstance(self.control, Clipping) else None


def load_inputs(settings: Mapping[str, Any], last_video: Callable[[], str | None]) -> Inputs:
    """Load what the flag letters of the settings use. Raises MediaError that names the setting.

    `last_video` finds the clip that the letter L continues.
    """
    letters, control_letters = settings.get("image_prompt_type") or "", settings.get("video_prompt_type") or ""
    is_image = bool(settings.get("image_mode"))
    source = None if is_image else _source(settings, letters, last_video)
    control, mask = _control(settings, control_letters, is_image), None
    has_starts = "S" in letters and source is None and not is_image
    starts = _pictures("image_start", settings) if has_starts else ()
    has_mask_file = any(values_of(settings, name) for name in ("image_mask", "video_mask"))
    if "A" in control_letters and control is not None and (has_mask_file or not makes_own_mask(settings)):
        mask = _mask(settings, is_image)
    return Inputs(
        starts=starts,
        ends=_pictures("image_end", settings) if "E" in letters and not is_image else (),
        source=source,
        keep=_kept(settings, source) if source is not None else None,
        control=control,
        mask=mask,
        mask_expand=int(settings.get("mask_expand") or 0),
        denoising_strength=float(settings.get("denoising_strength", 1.0)),
        kept_control_frames=str(settings.get("keep_frames_video_guide") or ""),
        second_control=_second_control(settings) if "+" in control_letters and not is_image else None,
        references=_pictures("image_refs", settings) if "I" in control_letters else (),
        frames_positions=_positions(settings, control_letters, is_image),
        has_background="K" in control_letters,
        guides=tuple(_loaded("guide_pictures", one, load_image) for one in values_of(settings, "guide_pictures")),
    )


def named(setting: str, read: Callable[[], T]) -> T:
    """What `read` gives; the name of the setting is put before its MediaError."""
    try:
        return read()
    except MediaError as exc:
        raise MediaError(f"{setting}: {exc}") from exc


def values_of(settings: Mapping[str, Any], name: str) -> list[Any]:
    """The media of a setting as a list: it may hold nothing, one, or several; an item may be (path, caption)."""
    value = settings.get(name)
    if value is None or (isinstance(value, (str, list, tuple)) and not len(value)):
        return []
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [item[0] if isinstance(item, tuple) else item for item in values]


def is_picture(value: Any) -> bool:
    """Whether a media value is a picture rather than a clip: by what the file holds, whatever its name says."""
    if not isinstance(value, (str, PathLike)):
        return True
    path = strip_virtual_media_suffix(str(value))
    if path.startswith("data:image/"):
        return True
    return os.path.isfile(path) and sniff_file(path).kind == "image"


def on_canvas(picture: Image.Image, canvas: Canvas) -> Frames:
    """A picture (H,W,3), or a mask (H,W), scaled to fill the canvas and cut evenly."""
    return np.asarray(cover(picture, canvas.width, canvas.height))


def at_fps(frames: Frames, own_fps: float, fps: float) -> Frames:
    """The same clip at another speed of frames: as long in seconds, frames repeated or left out."""
    if abs(own_fps - fps) < 0.01 * fps:
        return frames
    count = max(1, round(len(frames) * fps / own_fps))
    return frames[np.minimum((np.arange(count) * own_fps / fps).astype(int), len(frames) - 1)]


def _source(settings: Mapping[str, Any], letters: str, last_video: Callable[[], str | None]) -> Clipping | None:
    if "V" in letters or ("L" in letters and values_of(settings, "video_source")):
        clips = values_of(settings, "video_source")
        if not clips:
            raise MediaError("video_source: no clip is given to continue (V in image_prompt_type asks for one).")
        return clip_of("video_source", clips[0])
    if "L" in letters:
        path = last_video()
        if path is None:
            raise MediaError("image_prompt_type: L continues the last clip made, but there is none yet.")
        return clip_of("video_source", path)
    return None


def _control(settings: Mapping[str, Any], letters: str, is_image: bool) -> Image.Image | Clipping | None:
    if "V" not in letters:
        return None
    names = ("image_guide", "video_guide") if is_image else ("video_guide", "image_guide")
    found = _picture_or_clip(names, settings, load_image)
    if found is None:
        raise MediaError(f"{names[0]}: nothing is given (V in video_prompt_type asks for it).")
    return found


def _second_control(settings: Mapping[str, Any]) -> Clipping:
    clips = values_of(settings, "video_guide2")
    if not clips:
        raise MediaError("video_guide2: no clip is given (+ in video_prompt_type asks for one).")
    return clip_of("video_guide2", clips[0])


def _positions(settings: Mapping[str, Any], letters: str, is_image: bool) -> str:
    return str(settings.get("frames_positions") or "") if "F" in letters and not is_image else ""


def _mask(settings: Mapping[str, Any], is_image: bool) -> Image.Image | Clipping:
    names = ("image_mask", "video_mask") if is_image else ("video_mask", "image_mask")
    found = _picture_or_clip(names, settings, load_mask)
    if found is None:
        raise MediaError(f"{names[0]}: no mask is given (A in video_prompt_type asks for one).")
    return found


def _picture_or_clip(
    names: Sequence[str], settings: Mapping[str, Any], load: Callable[[Any], Image.Image]
) -> Image.Image | Clipping | None:
    """The first of the settings that is given."""
    for name in names:
        for value in values_of(settings, name):
            if name.startswith("video_") and not is_picture(value):
                return clip_of(name, value)
            return _loaded(name, value, load)
    return None


def _loaded(name: str, value: Any, load: Callable[[Any], Image.Image]) -> Image.Image:
    return named(name, lambda: load(value))


def clip_of(name: str, source: Any) -> Clipping:
    """The clip that a setting names. Raises MediaError for what is none."""
    return Clipping(name, source, named(name, lambda: probe(source)))


def _pictures(name: str, settings: Mapping[str, Any]) -> tuple[Image.Image, ...]:
    pictures = tuple(_loaded(name, value, load_image) for value in values_of(settings, name))
    if not pictures:
        flag = {"image_start": "S in image_prompt_type", "image_end": "E in image_prompt_type"}
        raise MediaError(f"{name}: no picture is given ({flag.get(name, 'I in video_prompt_type')} asks for one).")
    return pictures


def _kept(settings: Mapping[str, Any], source: Clipping) -> int:
    total = source.info.num_frames
    text = str(settings.get("keep_frames_video_source") or "")
    count = parse_kept_source(text, total)
    if count == 0:
        raise SettingsError(
            f"keep_frames_video_source: {text.strip()} leaves none of the {total} frames of {source.source}. "
            f"Keep at least one, or leave it empty."
        )
    return count
