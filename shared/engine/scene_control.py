"""The control clip of a scene: placed on the canvas, processed inside and outside its mask, as its letters say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import SettingsError
from shared.core.letters import INSIDE, OUTSIDE
from shared.core.units import outpainted_size, parse_outpainting
from shared.diffusion.control import BLANK, bounding_boxes, preprocess
from shared.engine.canvas import Canvas

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Margins:
    """How far a guide grows at the top, bottom, left and right, in percent of its own size."""

    top: float
    bottom: float
    left: float
    right: float

    def grown(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size (width, height) of the guide with its margins."""
        return outpainted_size(*size, (self.top, self.bottom, self.left, self.right))

    def inner(self, canvas: Canvas) -> tuple[int, int, int, int]:
        """Where the guide itself lies on a canvas: left, top, right, bottom in pixels."""
        across, down = 100 + self.left + self.right, 100 + self.top + self.bottom
        left, top = round(canvas.width * self.left / across), round(canvas.height * self.top / down)
        right = canvas.width - round(canvas.width * self.right / across)
        bottom = canvas.height - round(canvas.height * self.bottom / down)
        if right <= left or bottom <= top:
            raise SettingsError("video_guide_outpainting: nothing is left of the picture. Use smaller percentages.")
        return left, top, right, bottom


def margins(settings: Mapping[str, Any], size: tuple[int, int] | None) -> Margins | None:
    """The margins asked for by `video_guide_outpainting`, or by its ratio, of a guide of `size`; None for none."""
    given = parse_outpainting(str(settings.get("video_guide_outpainting") or ""))
    if given is None or size is None:
        return None
    if min(given) < 0:
        raise SettingsError("video_guide_outpainting: a picture grows by percentages of 0 or more.")
    if any(given):
        return Margins(*given)
    shape = str(settings.get("video_guide_outpainting_ratio") or "").strip()
    if not shape:
        return None
    across, down = (float(side) for side in shape.split(":"))
    if across <= 0 or down <= 0:
        raise SettingsError(f'video_guide_outpainting_ratio: "{shape}" is no shape. Use one such as "16:9".')
    wanted, own = across / down, size[0] / size[1]
    wider, taller = max(wanted / own - 1, 0) * 50, max(own / wanted - 1, 0) * 50
    return Margins(taller, taller, wider, wider) if wider or taller else None


def inside_process(letters: str, has_mask: bool) -> str:
    """What is made of the guide where the result follows it; without a letter, a masked part is blanked."""
    named = [INSIDE[letter] for letter in INSIDE if letter in letters]
    if len(named) > 1:
        raise SettingsError(f'video_prompt_type: "{letters}" asks for {" and ".join(named)} at once. Choose one.')
    return named[0] if named else "inpaint" if has_mask else "raw"


Process = Callable[[Frames, str], Frames]


def controlled(
    frames: Frames, mask: Frames | None, letters: str, process: Process = preprocess
) -> tuple[Frames, Frames | None]:
    """The control (F,H,W,3) and where it is made anew (F,H,W; None: everywhere) of raw frames and their mask.

    `frames` have as many pictures as `mask`. Outside the mask the frames are kept as they are, or processed by a
    letter of their own and made anew as well.
    """
    inside = process(frames, inside_process(letters, mask is not None))
    if mask is None:
        return inside, None
    outside_kinds = [OUTSIDE[letter] for letter in OUTSIDE if letter in letters]
    outside = process(frames, outside_kinds[0]) if outside_kinds else frames
    control = np.where(mask[..., None] > 127, inside, outside)
    return control, None if outside_kinds else mask


def shaped_mask(mask: Frames, letters: str, expand: int) -> Frames:
    """A black and white mask (F,H,W) as the letters want it: its boxes (H), turned round (N), grown."""
    mask = bounding_boxes(mask) if "H" in letters else mask
    return grow(255 - mask if "N" in letters else mask, expand)


def on_margins(frames: Frames, canvas: Canvas, box: tuple[int, int, int, int], fill: int) -> Frames:
    """Frames (F,h,w,...) of the size of the box, put into it on a canvas of one level."""
    left, top, right, bottom = box
    placed = np.full((len(frames), canvas.height, canvas.width, *frames.shape[3:]), fill, np.uint8)
    placed[:, top:bottom, left:right] = frames
    return placed


def blanked(frames: Frames, mask: Frames | None, kept: Sequence[bool], blank: bool) -> tuple[Frames, Frames | None]:
    """The control where `kept` is False left to the model: blanked, where the model takes masks made anew."""
    gone = ~np.array(kept, bool)
    if not gone.any() or not blank:
        return frames, mask
    frames = frames.copy()
    frames[gone] = BLANK
    if mask is not None:
        mask = mask.copy()
        mask[gone] = 255
    return frames, mask


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


def binary(mask: Frames) -> Frames:
    """Black and white of a mask picture (F,H,W) or clip (F,H,W,3)."""
    brightness = mask if mask.ndim == 3 else mask.mean(axis=3)
    return np.where(brightness > 127, 255, 0).astype(np.uint8)


def fitted(picture: Image.Image, canvas: Canvas, percent: int) -> Frames:
    """A picture in its own shape, as large as fits into `percent` of the canvas's sides."""
    scale = min(canvas.width / picture.width, canvas.height / picture.height) * percent / 100
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
