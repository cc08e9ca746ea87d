"""The guide of a task (its control picture or clip, its mask, its references) on the canvas of a scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import SettingsError
from shared.core.letters import uses_control, uses_source
from shared.core.model_def import ModelDef
from shared.core.units import parse_frame_positions, parse_kept_frames
from shared.diffusion.control import cut_out, preprocess
from shared.engine.canvas import Canvas
from shared.engine.generate_inputs import Clipping, Inputs, clip_of, on_canvas, values_of
from shared.engine.scene_control import (
    Margins,
    Process,
    binary,
    blanked,
    controlled,
    fitted,
    margins,
    on_margins,
    shaped_mask,
)
from shared.engine.window_plan import WindowPlan

Frames = NDArray[np.uint8]
Media = Image.Image | Clipping


@dataclass(frozen=True)
class Guide:
    """What steers a clip, frame 0 being its first new frame.

    `source` (F,H,W,3) is repainted where `source_mask` (F,H,W) is 255, or denoised from; `control` steers, and is made
    anew where `control_mask` is 255; `second` (F,h,w,3) is a further control. All stand still after their last frame.
    `injected` are pictures by frame, `references` and the picture prompts `pictures` in their own sizes.
    """

    source: Frames | None = None
    source_mask: Frames | None = None
    control: Frames | None = None
    control_mask: Frames | None = None
    second: Frames | None = None
    injected: Mapping[int, Frames] = field(default_factory=dict)
    references: tuple[Frames, ...] = ()
    pictures: tuple[Frames, ...] = ()


class GuideBuilder:
    """Makes the guides of one task; scenes of one canvas share what was read for it."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        model: ModelDef,
        inputs: Inputs,
        tell: Callable[[str], None],
        process: Process = preprocess,
    ) -> None:
        self._process = process
        self._settings, self._model, self._inputs, self._tell = settings, model, inputs, tell
        self._letters = str(settings.get("video_prompt_type") or "")
        self._is_picture = bool(settings.get("image_mode"))
        self._read: dict[tuple[str, Canvas], Frames] = {}
        self._pictures = tuple(np.asarray(picture) for picture in inputs.guides)
        self._uses_source = uses_source(self._letters, model)
        self._uses_control = uses_control(self._letters, model)

    def shape_of(self, start: Image.Image | None) -> tuple[int, int] | None:
        """The size (width, height) whose ratio the result takes, margins included; None for none."""
        shape = self._inputs.shape_of(start)
        if self._inputs.source is not None or start is not None:
            return shape
        grown = self._margins()
        return shape if grown is None or shape is None else grown.grown(shape)

    def length(self, canvas: Canvas) -> int | None:
        """Frames of the control clip on this canvas, where the result may be no longer; None where it may."""
        is_bounded = bool(self._model.get("control_video_trim")) or "|" in self._letters
        if not is_bounded or self._is_picture or not isinstance(self._inputs.control, Clipping):
            return None
        return self.count(canvas)

    def count(self, canvas: Canvas) -> int:
        """Frames of the control up to the last kept one."""
        return len(self._kept(len(self.frames("control", self._inputs.control, canvas))))

    def frames(self, name: str, media: Media | None, canvas: Canvas, keep: int | None = None) -> Frames:
        """Frames (F,H,W,3), or (F,H,W) of a mask picture, on the canvas; read once."""
        key = (name, canvas)
        if key not in self._read:
            clip = media.read(canvas, keep) if isinstance(media, Clipping) else on_canvas(_picture(media), canvas)[None]
            self._read[key] = clip
        return self._read[key]

    def build(self, canvas: Canvas, num_frames: int, plan: WindowPlan) -> Guide:
        """The guide of a clip of `num_frames`. Raises MediaError, SettingsError."""
        inputs = self._inputs
        injected, references = self._references(canvas, num_frames, plan)
        guide = Guide(injected=injected, references=references, pictures=self._pictures)
        if inputs.control is None or not (self._uses_source or self._uses_control):
            return guide
        raw, mask, kept = self._raw(canvas, num_frames)
        if plan.extension is None:
            raw, mask, kept = _cut(raw, mask, kept, max(window.start + window.num_frames for window in plan.windows))
        own = self._custom_clip(canvas)
        started_from = raw if own is None else own
        source, source_mask = self._source(started_from, mask, kept) if self._uses_source else (None, None)
        control, control_mask = self._control(raw, mask, kept, num_frames) if self._uses_control else (None, None)
        second = None if inputs.second_control is None else inputs.second_control.read_own_size(canvas.fps)
        return Guide(source, source_mask, control, control_mask, second, injected, references, self._pictures)

    def _raw(self, canvas: Canvas, num_frames: int) -> tuple[Frames, Frames | None, list[bool]]:
        """The control as it is, its mask (where the margins are, 255), and which frames are kept."""
        inputs = self._inputs
        grown = self._margins()
        box = (0, 0, canvas.width, canvas.height) if grown is None else grown.inner(canvas)
        inner = Canvas(box[2] - box[0], box[3] - box[1], canvas.fps)
        frames = self.frames("control", inputs.control, inner)
        kept = self._kept(len(frames))
        if not kept:
            raise SettingsError(
                f"keep_frames_video_guide: {inputs.kept_control_frames} keeps none of the {len(frames)} frames."
            )
        if 1 < len(kept) < num_frames and not self._is_picture:
            after = "the model is free after them" if self._is_blanked else "its last one stands still after them"
            self._tell(f"video_guide: it has {len(kept)} of {num_frames} frames; {after}.")
        frames = frames[: len(kept)]
        mask = None
        if inputs.mask is not None:
            mask = shaped_mask(_as_long(binary(self.frames("mask", inputs.mask, inner)), len(frames)),
                               self._letters, inputs.mask_expand)  # fmt: skip
        if grown is not None:
            mask = np.zeros(frames.shape[:3], np.uint8) if mask is None else mask
            frames, mask = on_margins(frames, canvas, box, 127), on_margins(mask, canvas, box, 255)
        return frames, mask, kept

    def _custom_clip(self, canvas: Canvas) -> Frames | None:
        """The clip that the mask belongs to, for a model that takes it beside the control."""
        clips = values_of(self._settings, "custom_guide") if self._model.get("masked_custom_guide") else []
        return self.frames("custom", clip_of("custom_guide", clips[0]), canvas) if clips else None

    def _margins(self) -> Margins | None:
        is_offered = bool(self._model.get("video_guide_outpainting"))
        return margins(self._settings, self._inputs.control_size) if is_offered else None

    @property
    def _is_blanked(self) -> bool:
        """Whether frames without a control are left to the model, which must know about masks."""
        return self._uses_control and bool(self._model.get("mask_preprocessing"))

    def _source(self, raw: Frames, mask: Frames | None, kept: list[bool]) -> tuple[Frames | None, Frames | None]:
        strength = self._inputs.denoising_strength
        if not all(kept) and (mask is not None or strength >= 1):
            mask = np.zeros((len(kept), *raw.shape[1:3]), np.uint8) if mask is None else mask.copy()
            mask[~np.array(kept)] = 255
        if mask is None and strength >= 1:
            self._tell("denoising_strength: at 1 nothing of the control picture or clip is left; lower it to use that.")
            return None, None
        return raw, mask

    def _control(
        self, raw: Frames, mask: Frames | None, kept: list[bool], num_frames: int
    ) -> tuple[Frames, Frames | None]:
        takes_mask = bool(self._model.get("mask_preprocessing")) or self._margins() is not None
        control, anew = controlled(raw, mask if takes_mask else None, self._letters, self._process)
        control, anew = blanked(control, anew, kept, self._is_blanked)
        if self._is_blanked and len(control) < num_frames and not self._is_picture:
            # One frame more, which stands still: whatever comes after the guide is the model's own.
            control = np.concatenate([control, np.full_like(control[:1], 127)])
            anew = None if anew is None else np.concatenate([anew, np.full_like(anew[:1], 255)])
        return control, anew

    def _kept(self, num_frames: int) -> list[bool]:
        if num_frames == 1:
            return [True]
        return parse_kept_frames(self._inputs.kept_control_frames, num_frames)

    def _references(
        self, canvas: Canvas, num_frames: int, plan: WindowPlan
    ) -> tuple[dict[int, Frames], tuple[Frames, ...]]:
        """The pictures at given frames, and the others as the model gets them."""
        inputs = self._inputs
        pictures = list(inputs.references)
        ends = [window.start + window.output - 1 for window in plan.windows]
        positions = parse_frame_positions(inputs.frames_positions, num_frames, ends)[: len(pictures)]
        beyond = [position + 1 for position in positions if position >= num_frames]
        if beyond:
            self._tell(f"frames_positions: {beyond[0]} lies beyond the clip ({num_frames} frames) and is not used.")
        placed = zip(positions, pictures, strict=False)
        injected = {position: on_canvas(picture, canvas) for position, picture in placed if position < num_frames}
        others = pictures[len(positions) :]
        is_filling = [inputs.has_background and number == 0 for number in range(len(others))]
        return injected, tuple(
            on_canvas(picture, canvas) if fills else self._reference(picture, canvas)
            for picture, fills in zip(others, is_filling, strict=True)
        )

    def _reference(self, picture: Image.Image, canvas: Canvas) -> Frames:
        percent = int(self._settings.get("image_refs_relative_size") or 100)
        is_sized = bool(self._model.get("any_image_refs_relative_size"))
        pixels = fitted(picture, canvas, percent) if is_sized else np.asarray(picture)
        is_cut = self._model.get("background_removal") and self._settings.get("remove_background_images_ref")
        return cut_out(pixels) if is_cut else pixels


def _cut(raw: Frames, mask: Frames | None, kept: list[bool], count: int) -> tuple[Frames, Frames | None, list[bool]]:
    """What no window reaches is left out: nothing is made of it."""
    return (
        (raw, mask, kept) if len(raw) <= count else (raw[:count], None if mask is None else mask[:count], kept[:count])
    )


def _as_long(mask: Frames, num_frames: int) -> Frames:
    """A mask of that many frames; its last one stands for those beyond it."""
    return mask[np.minimum(np.arange(num_frames), len(mask) - 1)]


def _picture(media: Media | None) -> Image.Image:
    if not isinstance(media, Image.Image):
        raise TypeError(f"a picture is needed, not {type(media).__name__}")
    return media
