"""The scene of each clip: its media on a canvas of the right size and speed, its windows planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.core.units import FrameRule, parse_kept_frames
from shared.diffusion.windows import Window
from shared.engine.canvas import Canvas, CanvasMode, plan_fps, plan_length, plan_size
from shared.engine.generate_inputs import Clipping, Frames, Inputs, named, on_canvas
from shared.engine.generate_windows import Scene
from shared.engine.plan import Clip
from shared.engine.window_plan import WindowPlan, plan_clip, window_limits
from shared.media.audio import AudioClip, read_audio


class SceneBuilder:
    """Builds the scenes of one task; clips of one size share the frames that were read for it."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        model: ModelDef,
        inputs: Inputs,
        fit_canvas: CanvasMode,
        tell: Callable[[str], None],
    ) -> None:
        self._settings, self._model, self._inputs, self._fit_canvas = settings, model, inputs, fit_canvas
        self._told: set[str] = set()
        self._tell_user = tell
        self._read: dict[tuple[str, Canvas], Frames] = {}
        self._fps = plan_fps(settings.get("force_fps"), model.fps, inputs.source_fps, inputs.control_fps, self._tell)
        self._length = plan_length(settings, model, self._fps, self._tell)
        self._limits = window_limits(settings, model, self._tell)

    def build(self, clip: Clip) -> Scene:
        """The scene of a clip. Raises MediaError for media that cannot be read, SettingsError where nothing fits."""
        inputs, settings = self._inputs, self._settings
        shape = inputs.shape_of(clip.image_start)
        size = plan_size(str(settings["resolution"]), self._model, shape, self._fit_canvas, self._tell)
        canvas = Canvas(size.width, size.height, self._fps)
        source = None if inputs.source is None else self._frames("source", inputs.source, canvas, inputs.keep)
        plan = plan_clip(
            clip.prompts,
            self._length,
            self._limits,
            fps=self._fps,
            source_frames=0 if source is None else len(source),
        )
        if not plan.windows:
            raise SettingsError(
                f"video_length: {self._length} frames add nothing to the clip that is continued. Ask for a longer one."
            )
        self._tell_unused(clip, plan)
        control = self._control(canvas)
        mask = None if control is None else self._mask(canvas, len(control))
        if control is not None and mask is None and inputs.denoising_strength >= 1:
            self._tell("denoising_strength: at 1 nothing of the control picture or clip is left; lower it to use that.")
            control = None
        return Scene(
            canvas=canvas,
            enlarged_to=size.enlarged_to,
            audio=None if source is None else self._sound(len(source)),
            windows=_ending_on_images(plan.windows, len(clip.image_ends), self._model.frame_rule),
            extension=plan.extension,
            prompts=plan.prompts,
            image_start=None if clip.image_start is None or source is not None else on_canvas(clip.image_start, canvas),
            image_ends=tuple(on_canvas(end, canvas) for end in clip.image_ends),
            source=source,
            control=control,
            mask=mask,
            denoising_strength=inputs.denoising_strength if control is not None else 1.0,
        )

    def _tell(self, text: str) -> None:
        """Tell each thing once, however many clips it is true for."""
        if text not in self._told:
            self._told.add(text)
            self._tell_user(text)

    def _tell_unused(self, clip: Clip, plan: WindowPlan) -> None:
        """Say which prompts and end images no window is there for."""
        windows = len(plan.windows)
        if self._limits.size is None and any(unit.commands for unit in clip.prompts):
            self._tell("prompt: window commands have no effect, this model makes a clip in one go.")
        elif len(clip.prompts) > windows:
            self._tell(
                f"prompt: {windows} of {len(clip.prompts)} prompts are used, one for each sliding window; "
                f"a longer video_length has more windows."
            )
        if len(clip.image_ends) > windows:
            self._tell(f"image_end: {windows} of {len(clip.image_ends)} images are used, one for each sliding window.")

    def _sound(self, num_frames: int) -> AudioClip | None:
        """The sound of the continued clip, as long as its kept frames."""
        source = self._inputs.source
        if source is None or not source.info.has_audio:
            return None
        return named("video_source", lambda: read_audio(source.source)).cut(num_frames / self._fps)

    def _frames(self, name: str, media: Image.Image | Clipping, canvas: Canvas, keep: int | None = None) -> Frames:
        """Frames (F,H,W,3), or (F,H,W) of a mask picture, on the canvas; read once."""
        key = (name, canvas)
        if key not in self._read:
            frames = media.read(canvas, keep) if isinstance(media, Clipping) else on_canvas(media, canvas)[None]
            self._read[key] = frames
        return self._read[key]

    def _control(self, canvas: Canvas) -> Frames | None:
        """The control frames, up to the last kept one."""
        if self._inputs.control is None:
            return None
        frames = self._frames("control", self._inputs.control, canvas)
        kept = self._kept(len(frames))
        if not kept:
            raise SettingsError(
                f"keep_frames_video_guide: {self._inputs.kept_control_frames} keeps none of the {len(frames)} frames."
            )
        if 1 < len(kept) < self._length and not self._settings.get("image_mode"):
            self._tell(
                f"video_guide: it has {len(kept)} of {self._length} frames; its last one stands still after them."
            )
        return frames[: len(kept)]

    def _kept(self, num_frames: int) -> list[bool]:
        if num_frames == 1:
            return [True]
        return parse_kept_frames(self._inputs.kept_control_frames, num_frames)

    def _mask(self, canvas: Canvas, num_frames: int) -> Frames | None:
        """Where (F,H,W) the control is made anew: 255; None for nowhere in particular."""
        inputs = self._inputs
        kept = np.array(self._kept(num_frames)[:num_frames])
        if inputs.mask is None:
            if kept.all() or inputs.denoising_strength < 1:
                return None
            mask = np.zeros((len(kept), canvas.height, canvas.width), np.uint8)
        else:
            mask = _binary(self._frames("mask", inputs.mask, canvas))
            mask = grow(255 - mask if inputs.is_mask_inverted else mask, inputs.mask_expand)
        if not kept.all():
            mask = mask[np.minimum(np.arange(len(kept)), len(mask) - 1)].copy()
            mask[~kept] = 255
        return mask


def _ending_on_images(windows: tuple[Window, ...], image_ends: int, rule: FrameRule) -> tuple[Window, ...]:
    """The windows, none of whose last frames is dropped where an end image stands: it would be lost."""
    ends = {len(windows) - 1} if image_ends == 1 else set(range(image_ends))
    return tuple(
        replace(window, num_frames=rule.round_up(window.overlap + window.output)) if window.index in ends else window
        for window in windows
    )


def grow(mask: Frames, pixels: int) -> Frames:
    """A mask (F,H,W) widened by that many pixels on all sides; shrunk by a negative number."""
    if pixels == 0:
        return mask
    if pixels < 0:
        return 255 - grow(255 - mask, -pixels)
    for axis in (1, 2):
        widened = mask.copy()
        length = mask.shape[axis]
        for shift in range(1, min(pixels, length - 1) + 1):
            ahead = [slice(None)] * 3
            behind = [slice(None)] * 3
            ahead[axis], behind[axis] = slice(shift, None), slice(None, length - shift)
            np.maximum(widened[tuple(ahead)], mask[tuple(behind)], out=widened[tuple(ahead)])
            np.maximum(widened[tuple(behind)], mask[tuple(ahead)], out=widened[tuple(behind)])
        mask = widened
    return mask


def _binary(mask: Frames) -> Frames:
    """Black and white of a mask picture (F,H,W) or clip (F,H,W,3)."""
    brightness = mask if mask.ndim == 3 else mask.mean(axis=3)
    return np.where(brightness > 127, 255, 0).astype(np.uint8)
