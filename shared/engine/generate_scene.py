"""The scene of each clip: its media on a canvas of the right size and speed, its windows planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.core.units import FrameRule
from shared.diffusion.control import preprocess
from shared.diffusion.windows import Window
from shared.engine.canvas import Canvas, CanvasMode, Size, plan_fps, plan_length, plan_size
from shared.engine.generate_inputs import Inputs, named, on_canvas
from shared.engine.generate_windows import Scene
from shared.engine.plan import Clip
from shared.engine.scene_control import Process
from shared.engine.scene_guide import GuideBuilder
from shared.engine.soundtrack import load_sound
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
        process: Process = preprocess,
        size: Size | None = None,
    ) -> None:
        """`size` is what is made, whatever `resolution` says; None follows that."""
        self._settings, self._model, self._inputs, self._fit_canvas = settings, model, inputs, fit_canvas
        self._size = size
        self._told: set[str] = set()
        self._tell_user = tell
        self._guides = GuideBuilder(settings, model, inputs, self._tell, process)
        self._sound = load_sound(settings, model)
        self._fps = plan_fps(settings.get("force_fps"), model.fps, inputs.source_fps, inputs.control_fps, self._tell)
        self._length = plan_length(settings, model, self._fps, self._tell)
        self._limits = window_limits(settings, model, self._tell)

    def build(self, clip: Clip) -> Scene:
        """The scene of a clip. Raises MediaError for media that cannot be read, SettingsError where nothing fits."""
        inputs, settings = self._inputs, self._settings
        if self._model.get("audio_only"):
            return self._sound_scene(clip)
        shape = self._guides.shape_of(clip.image_start)
        size = self._size or plan_size(str(settings["resolution"]), self._model, shape, self._fit_canvas, self._tell)
        canvas = Canvas(size.width, size.height, self._fps)
        source = None if inputs.source is None else self._guides.frames("source", inputs.source, canvas, inputs.keep)
        num_frames = self._bounded_length(canvas)
        plan = plan_clip(
            clip.prompts, num_frames, self._limits, fps=self._fps, source_frames=0 if source is None else len(source)
        )
        if not plan.windows:
            raise SettingsError(
                f"video_length: {num_frames} frames add nothing to the clip that is continued. Ask for a longer one."
            )
        self._tell_unused(clip, plan)
        guide = self._guides.build(canvas, num_frames, plan)
        return Scene(
            canvas=canvas,
            enlarged_to=size.enlarged_to,
            audio=None if source is None else self._sound_of_source(len(source)),
            sound=self._sound,
            windows=_ending_on_images(plan.windows, len(clip.image_ends), self._model.frame_rule),
            extension=plan.extension,
            prompts=plan.prompts,
            image_start=None if clip.image_start is None or source is not None else on_canvas(clip.image_start, canvas),
            image_ends=tuple(on_canvas(end, canvas) for end in clip.image_ends),
            source=source,
            guide=guide,
            denoising_strength=inputs.denoising_strength if guide.source is not None else 1.0,
        )

    def _sound_scene(self, clip: Clip) -> Scene:
        """The scene of a model that makes sound alone: one window without a picture."""
        return Scene(
            canvas=Canvas(0, 0, 0.0),
            windows=(Window(0, 0, 0, 1, 1),),
            extension=None,
            prompts=clip.prompts,
            sound=self._sound,
        )

    def _bounded_length(self, canvas: Canvas) -> int:
        """Frames to make: no more than the control clip has, for a model that cannot do without it."""
        longest = self._guides.length(canvas)
        if longest is None or longest >= self._length:
            return self._length
        length = self._model.frame_rule.round_down(longest)
        self._tell(f"video_length: {self._length} becomes {length} frames, as many as the control clip has.")
        return length

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

    def _sound_of_source(self, num_frames: int) -> AudioClip | None:
        """The sound of the continued clip, as long as its kept frames."""
        source = self._inputs.source
        if source is None or not source.info.has_audio:
            return None
        return named("video_source", lambda: read_audio(source.source)).cut(num_frames / self._fps)


def _ending_on_images(windows: tuple[Window, ...], image_ends: int, rule: FrameRule) -> tuple[Window, ...]:
    """The windows, none of whose last frames is dropped where an end image stands: it would be lost."""
    ends = {len(windows) - 1} if image_ends == 1 else set(range(image_ends))
    return tuple(
        replace(window, num_frames=rule.round_up(window.overlap + window.output)) if window.index in ends else window
        for window in windows
    )
