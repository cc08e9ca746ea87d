"""What is done to finished frames before they are saved: frames in between, enlarging, film grain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import SettingsError
from shared.core.processors import Processors, SpatialUpsampler, TemporalUpsampler
from shared.engine.processors import find_processors
from shared.media.resize import MAX_UPSAMPLED_PIXELS, cover, upsampled_size

Frame = NDArray[np.uint8]

# Deviation of the grain, in 8-bit levels, at intensity 1 in mid grey.
GRAIN_LEVELS = 64.0

# A clip is handed to a temporal upsampler in parts of so many frames.
PART_FRAMES = 16


@dataclass(frozen=True)
class Postprocessing:
    """What was asked for: `scale` (1: none) by a method, film grain of an intensity and saturation of 0..1.

    `base` is the size (width, height) that frames are brought to before they are scaled; None: their own. `frames`
    is how many there shall be for each (1: no more) by the method `temporal`.
    """

    scale: float = 1.0
    spatial: SpatialUpsampler | None = None
    temporal: TemporalUpsampler | None = None
    frames: int = 1
    grain_intensity: float = 0.0
    grain_saturation: float = 0.5
    base: tuple[int, int] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the frames stay as they are."""
        return self.scale == 1.0 and self.base is None and self.grain_intensity <= 0 and self.temporal is None

    def fps(self, fps: float) -> float:
        """The frame rate that a clip of `fps` ends with."""
        return fps * self.frames

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size (width, height) that frames of width x height end with. Raises SettingsError for one too large."""
        own = self.base or (width, height)
        result = own if self.scale == 1.0 else upsampled_size(own, self.scale)
        if result[0] * result[1] > MAX_UPSAMPLED_PIXELS:
            raise SettingsError(
                f"spatial_upsampling: the result would have {result[0]}x{result[1]} pixels; at most "
                f"{MAX_UPSAMPLED_PIXELS / 1e6:.0f} million are made. Choose a smaller factor."
            )
        return result


def read_postprocessing(settings: Mapping[str, Any], processors: Processors | None = None) -> Postprocessing:
    """The postprocessing that settings ask for. Raises SettingsError for a method that is not among `processors`.

    Without them there is what the program itself has. A single picture is not smoothed.
    """
    known = find_processors() if processors is None else processors
    temporal = known.temporal_for(str(settings.get("temporal_upsampling") or ""))
    spatial = known.spatial_for(str(settings.get("spatial_upsampling") or ""))
    if settings.get("image_mode"):
        temporal = None
    return Postprocessing(
        scale=spatial[1] if spatial else 1.0,
        spatial=spatial[0] if spatial else None,
        temporal=temporal[0] if temporal else None,
        frames=temporal[1] if temporal else 1,
        grain_intensity=float(settings.get("film_grain_intensity") or 0),
        grain_saturation=float(settings.get("film_grain_saturation", 0.5)),
    )


def postprocess(
    frames: Iterable[Frame], wanted: Postprocessing, seed: int, checkpoint: Callable[[], None]
) -> Iterator[Frame]:
    """The frames (H,W,3) with what is wanted applied, one at a time; `checkpoint` is called before each, may raise."""
    random = np.random.default_rng(seed)
    checked = _checked(frames, checkpoint)
    for frame in _enlarged(_smoothed(checked, wanted), wanted):
        yield add_grain(frame, wanted, random) if wanted.grain_intensity > 0 else frame


def _checked(frames: Iterable[Frame], checkpoint: Callable[[], None]) -> Iterator[Frame]:
    for frame in frames:
        checkpoint()
        yield frame


def _smoothed(frames: Iterator[Frame], wanted: Postprocessing) -> Iterator[Frame]:
    """The frames with those in between."""
    if wanted.temporal is None:
        yield from frames
        return
    last: Any = None
    while part := list(islice(frames, PART_FRAMES)):
        made, last, _ = wanted.temporal.temporal_upsample(np.stack(part), last, 1.0, wanted.frames)
        yield from made


def _enlarged(frames: Iterator[Frame], wanted: Postprocessing) -> Iterator[Frame]:
    """The frames at the size wanted; the first tells the size of all."""
    first = next(frames, None)
    if first is None:
        return
    own = (first.shape[1], first.shape[0])
    size = wanted.size(*own)
    every = _with_first(first, frames)
    made = wanted.spatial.upsample(every, *size) if wanted.spatial is not None and size != own else every
    for frame in made:
        fits = (frame.shape[1], frame.shape[0]) == size
        yield frame if fits else np.asarray(cover(Image.fromarray(frame), *size))


def _with_first(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from rest


def add_grain(frame: Frame, wanted: Postprocessing, random: np.random.Generator) -> Frame:
    """A frame with grain: grey at saturation 0, coloured at 1, strongest in the mid tones and none in black and white.

    The grain is drawn anew each frame and is a little larger than a pixel, as on film.
    """
    height, width = frame.shape[:2]
    colour = _soften(random.standard_normal((height, width, 3), dtype=np.float32))
    grey = _soften(random.standard_normal((height, width, 1), dtype=np.float32))
    grain = wanted.grain_saturation * colour + (1 - wanted.grain_saturation) * grey
    tone = frame.astype(np.float32).mean(axis=2, keepdims=True) / 255
    weight = np.sqrt(np.clip(4 * tone * (1 - tone), 0, 1))
    grained = frame + wanted.grain_intensity * GRAIN_LEVELS * weight * grain
    return np.clip(np.rint(grained), 0, 255).astype(np.uint8)


def _soften(noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Noise of deviation 1 whose neighbours are alike: each value with half of those above and to the left."""
    mixed = noise + 0.5 * np.roll(noise, 1, axis=0) + 0.5 * np.roll(noise, 1, axis=1)
    return np.asarray(mixed / np.sqrt(1.5), np.float32)
