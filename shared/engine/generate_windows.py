"""One sample, window after window: each starts from the last frames of the one before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.contracts import Pipeline, WindowRequest
from shared.core.lora_multipliers import override_user_side
from shared.core.prompts import PromptUnit
from shared.diffusion.color import match_colors
from shared.diffusion.windows import Window
from shared.engine.canvas import Canvas
from shared.engine.generate_report import Reporter
from shared.engine.plan import window_seed
from shared.engine.scene_guide import Guide
from shared.engine.soundtrack import Soundtrack, excerpt
from shared.media.audio import AudioClip

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """A clip's media on its canvas, the same for all its samples.

    `source` (F,H,W,3) is continued, `audio` its sound; `guide` steers what is new, and so does `sound`, from the first
    new frame on. `windows` is the plan, `prompts` and `image_ends` go with it; `extension` is what one more window
    would be (None: this clip cannot be extended). The finished frames are brought to the size `enlarged_to`.
    """

    canvas: Canvas
    windows: tuple[Window, ...]
    extension: Window | None
    prompts: tuple[PromptUnit, ...]
    image_start: Frames | None = None
    image_ends: tuple[Frames, ...] = ()
    source: Frames | None = None
    guide: Guide = field(default_factory=Guide)
    denoising_strength: float = 1.0
    enlarged_to: tuple[int, int] | None = None
    audio: AudioClip | None = None
    sound: AudioClip | None = None
    lora_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def frames_bytes(self) -> int:
        """Memory that the finished frames take, as the model makes them."""
        num_frames = sum(window.output for window in self.windows) + (0 if self.source is None else len(self.source))
        return num_frames * self.canvas.width * self.canvas.height * 3

    def prompt(self, number: int) -> PromptUnit:
        """Prompt of a window (from 0); the last one repeats."""
        return self.prompts[min(number, len(self.prompts) - 1)]

    def image_end(self, number: int) -> Frames | None:
        """End image of a window (from 0): a single one ends the clip, several end the windows in turn."""
        if len(self.image_ends) == 1:
            return self.image_ends[0] if number == len(self.windows) - 1 else None
        return self.image_ends[number] if number < len(self.image_ends) else None


class SampleRun:
    """Makes the frames of one sample."""

    def __init__(
        self,
        scene: Scene,
        settings: Mapping[str, Any],
        seed: int,
        pipeline: Pipeline,
        report: Reporter,
        keeps_sound: bool = False,
    ) -> None:
        """With `keeps_sound` the sound that drives the clip becomes its soundtrack."""
        self.scene, self._settings, self._seed, self._pipeline, self._report = scene, settings, seed, pipeline, report
        self._keeps_sound = keeps_sound
        self._made: list[Frames] = [] if scene.source is None else [scene.source]
        self._new_frames = 0
        self.layers: tuple[Frames, ...] = ()
        self._extra_windows = 0
        kept = 0 if scene.source is None else len(scene.source)
        self._soundtrack = Soundtrack(scene.canvas.fps, scene.audio, kept)

    def __call__(self, on_window: Callable[[int], None]) -> Frames:
        """All frames (F,H,W,3), the continued source first. `on_window` hears the number of each window, from 1."""
        for number, window in self._windows():
            on_window(number + 1)
            self._report.checkpoint()
            self._add(number, window)
            if self._report.shall_stop_early():
                break
        return self.frames()

    def frames(self) -> Frames:
        """What there is so far; no frames from a model that makes sound alone."""
        if not self._made:
            return np.zeros((0, 0, 0, 3), np.uint8)
        return self._made[0] if len(self._made) == 1 else np.concatenate(self._made)

    def sound(self) -> AudioClip | None:
        """The sound so far: what the model made, or the given one where that becomes the result's."""
        letters = str(self._settings.get("audio_prompt_type") or "")
        given = self.scene.sound
        if given is None or not ("R" in letters or self._keeps_sound):
            return self._soundtrack.clip()
        before = 0 if self.scene.source is None else len(self.scene.source)
        return excerpt(given, -before, before + self._new_frames, self.scene.canvas.fps)

    @property
    def num_frames(self) -> int:
        """Frames so far as video_length counts them: the last frame of a continued source is the first of them."""
        return self._new_frames + (0 if self.scene.source is None else 1)

    @property
    def total_windows(self) -> int:
        """Windows planned and asked for since."""
        return len(self.scene.windows) + self._extra_windows

    def _windows(self) -> Iterator[tuple[int, Window]]:
        yield from enumerate(self.scene.windows)
        while self.scene.extension is not None and self._report.takes("extra_windows"):
            self._extra_windows += 1
            yield self.total_windows - 1, self.scene.extension

    def _add(self, number: int, window: Window) -> None:
        prefix = self._tail(window.overlap) if self._made and window.overlap else None
        request = self._request(number, window, prefix)
        on_step = self._report.step_listener(self._pipeline)
        result = self._pipeline(request, on_step, self._report.is_cancelled)
        audio = result.audio[0] if isinstance(result.audio, (list, tuple)) else result.audio
        if not len(result.frames):
            self._soundtrack.add(audio, result.audio_sampling_rate, 0, 0)
            return
        frames, self.layers = result.frames[0], tuple(result.layers)
        kept = 0 if prefix is None else len(prefix)
        if prefix is None and number > 0:
            kept = int(self._settings.get("sliding_window_trim_first_frames") or 0)
        new = frames[kept : kept + window.output]
        strength = float(self._settings.get("sliding_window_color_correction_strength") or 0)
        if prefix is not None and strength > 0:
            new = match_colors(new, prefix, strength, frames[:kept])
        self._soundtrack.add(audio, result.audio_sampling_rate, kept, len(new))
        self._made.append(np.ascontiguousarray(new))
        self._new_frames += len(new)

    def _tail(self, count: int) -> Frames:
        """The last `count` frames made (fewer where there are no more)."""
        parts: list[Frames] = []
        missing = count
        for part in reversed(self._made):
            parts.insert(0, part[-missing:])
            missing -= len(parts[0])
            if missing <= 0:
                break
        return np.concatenate(parts)

    def _request(self, number: int, window: Window, prefix: Frames | None) -> WindowRequest:
        scene, settings, unit = self.scene, self._settings, self.scene.prompt(number)
        if unit.commands.loras_mult is not None:
            given = str(settings.get("loras_multipliers") or "")
            settings = {**settings, "loras_multipliers": override_user_side(given, unit.commands.loras_mult)}
        trimmed = 0 if prefix is not None or number == 0 else int(settings.get("sliding_window_trim_first_frames") or 0)
        request = WindowRequest(
            prompt=unit.text,
            negative_prompt=str(settings.get("negative_prompt") or ""),
            width=scene.canvas.width,
            height=scene.canvas.height,
            num_frames=window.num_frames,
            num_inference_steps=int(settings["num_inference_steps"]),
            guidance_scale=float(settings["guidance_scale"]),
            seed=window_seed(self._seed, number + 1),
            flow_shift=None if settings.get("flow_shift") is None else float(settings["flow_shift"]),
            sample_solver=str(settings.get("sample_solver") or ""),
            image_start=scene.image_start if number == 0 and prefix is None else None,
            image_end=scene.image_end(number),
            prefix=prefix,
            denoising_strength=scene.denoising_strength,
            overlap_noise=float(settings.get("sliding_window_overlap_noise") or 0) if number > 0 else 0.0,
            image_mode=bool(settings.get("image_mode")),
            settings=settings,
            references=scene.guide.references,
            guides=scene.guide.pictures,
            fps=scene.canvas.fps or None,
            lora_files=scene.lora_files,
        )
        first = self._new_frames - (0 if prefix is None else len(prefix)) - trimmed
        return self._guided(request, first)

    def _guided(self, request: WindowRequest, first: int) -> WindowRequest:
        """The request with what steers it; its frame 0 is frame `first` of the clip's new frames."""
        guide, sound, num_frames = self.scene.guide, self.scene.sound, request.num_frames
        shown = np.arange(first, first + num_frames)
        if sound is not None:
            is_whole = not self.scene.canvas.fps or "F" in str(self._settings.get("audio_prompt_type") or "")
            sound = sound if is_whole else excerpt(sound, first, num_frames, self.scene.canvas.fps)
        return replace(
            request,
            source=_at(guide.source, shown),
            mask=_at(guide.source_mask, shown),
            control=_at(guide.control, shown),
            control_mask=_at(guide.control_mask, shown),
            control2=_at(guide.second, shown),
            injected={n - first: frame for n, frame in guide.injected.items() if first <= n < first + num_frames},
            audio=None if sound is None else sound.samples,
            audio_sampling_rate=None if sound is None else sound.sampling_rate,
        )


def _at(frames: Frames | None, numbers: NDArray[np.int_]) -> Frames | None:
    """Frames by number; those before the first and after the last stand still."""
    return None if frames is None else frames[np.clip(numbers, 0, len(frames) - 1)]
