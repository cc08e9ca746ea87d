"""Work on finished clips and pictures: single frames, another speed, two side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import MediaError
from shared.core.units import parse_frame_positions
from shared.media.audio import read_audio
from shared.media.images import load_image, save_image
from shared.media.names import numbered
from shared.media.resize import cover
from shared.media.sniff import is_video_file
from shared.media.video import frame_at, iter_frames, probe, read_frames, write_video

Frame = NDArray[np.uint8]
OnFrame = Callable[[int, int], None]
MOST_FRAMES_TAKEN = 500
SPEEDS = (0.1, 10.0)
LINE_PX = 2


def free_name(folder: Path, source: str, what: str, extension: str) -> Path:
    """A name in the folder that is not taken yet: the source's, with what was done to it."""
    path, number = folder / f"{Path(source).stem[:60]}_{what}{extension}", 0
    free = path
    while free.exists():
        number += 1
        free = numbered(path, number)
    return free


def take_frames(source: str, positions: str, folder: Path) -> list[Path]:
    """Pictures of a clip's frames, by their places: `1 25 -1`, `2.5s`, `L` for the last, as in the settings.

    `all` takes every frame. Raises SettingsError for a place that is none, MediaError for more than 500 frames.
    """
    info = probe(source)
    text = positions.strip()
    numbers = range(info.num_frames) if text.lower() == "all" else parse_frame_positions(text, info.num_frames)
    if len(numbers) > MOST_FRAMES_TAKEN:
        raise MediaError(f"{len(numbers)} frames are too many at once; take {MOST_FRAMES_TAKEN} at most.")
    return [
        save_image(frame_at(source, number), free_name(folder, source, f"frame{number:05d}", ".png"), "png")
        for number in numbers
    ]


def at_speed(source: str, speed: float, backwards: bool, folder: Path, on_frame: OnFrame = lambda *done: None) -> Path:
    """The clip played `speed` times as fast at its own frame rate, or backwards, without its sound.

    Frames between two of the source are mixed of both. Raises MediaError for a speed beyond 0.1 to 10.
    """
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise MediaError(f"speed: {speed:g} times is not within {SPEEDS[0]:g} to {SPEEDS[1]:g}.")
    info = probe(source)
    frames = read_frames(source)[0]
    if backwards:
        frames = frames[::-1]
    count = max(1, round(info.num_frames / speed))

    def made() -> Iterator[Frame]:
        for number in range(count):
            on_frame(number, count)
            place = min(number * speed, info.num_frames - 1)
            before, share = int(place), place % 1
            if share < 1e-6:
                yield frames[before]
            else:
                yield cv2.addWeighted(frames[before], 1 - share, frames[before + 1], share, 0).astype(np.uint8)

    what = f"x{speed:g}{'_backwards' if backwards else ''}"
    return write_video(made(), free_name(folder, source, what, ".mp4"), info.fps)


def side_by_side(left: str, right: str, folder: Path, on_frame: OnFrame = lambda *done: None) -> Path:
    """Two results in one: a picture of two pictures, else a clip as long as the longer one, with the left one's sound.

    The right one is scaled to the height of the left one; a picture stands still beside a clip.
    """
    if not is_video_file(left) and not is_video_file(right):
        pictures = np.asarray(load_image(left)), np.asarray(load_image(right))
        return save_image(_beside(*pictures), free_name(folder, left, "compared", ".png"), "png")
    sides = [_Side(source) for source in (left, right)]
    fps = max(side.fps for side in sides)
    seconds = max(side.duration_s for side in sides)
    count = max(1, round(seconds * fps))

    def made() -> Iterator[Frame]:
        for number in range(count):
            on_frame(number, count)
            yield _beside(*(side.at(number / fps) for side in sides))

    sound = read_audio(left).cut(seconds) if sides[0].has_audio else None
    return write_video(made(), free_name(folder, left, "compared", ".mp4"), fps, audio=sound)


class _Side:
    """One half of the picture: a clip read forwards, or a picture that stands still."""

    def __init__(self, source: str) -> None:
        info = probe(source) if is_video_file(source) else None
        self.fps = info.fps if info else 0.0
        self.duration_s = info.duration_s if info else 0.0
        self.has_audio = bool(info and info.has_audio)
        self._frames = iter_frames(source) if info else iter([np.asarray(load_image(source))])
        self._number, self._frame = 0, next(self._frames)

    def at(self, second: float) -> Frame:
        """The frame that is shown at a time; times must not go back."""
        while self._number < int(second * self.fps + 1e-6):
            following = next(self._frames, None)
            if following is None:
                break
            self._number, self._frame = self._number + 1, following
        return self._frame


def _beside(left: Frame, right: Frame) -> Frame:
    height = left.shape[0]
    width = max(1, round(right.shape[1] * height / right.shape[0]))
    fitted = right if right.shape[0] == height else np.asarray(cover(Image.fromarray(right), width, height))
    line = np.full((height, LINE_PX, 3), 255, np.uint8)
    return np.concatenate([left, line, fitted], axis=1)
