"""A family without torch: frames drawn by numpy from prompt and seed, so that the engine can be tested whole."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from shared.core.contracts import LoadOptions, ModelFile, Step, WindowRequest, WindowResult
from shared.core.errors import Cancelled, DownloadError

ARCHITECTURE = "numpy_square"


class NumpyPipeline:
    """Draws a square that moves over a background; both colours come from the prompt, the place from the seed.

    `requests` keeps what was asked for; `fail_with` is raised at the first step; `step_s` is how long a step takes;
    `drift` is added to every level of a window that has a prefix, as an autoencoder's error would be. With `tone_rate`
    (Hz) each window has a sound of that sampling rate: its samples are the seconds since the window's start. A window
    without a size is one of sound alone.
    """

    def __init__(self) -> None:
        self.requests: list[WindowRequest] = []
        self.fail_with: Exception | None = None
        self.step_s = 0.0
        self.drift = 0
        self.tone_rate = 0
        self.asides: list[Step] = []
        """Told before decoding: notices and facts."""

    def components(self) -> dict[str, Any]:
        return {"transformer": self}

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        self.requests.append(window)
        on_step(Step("Encoding prompt"))
        if not window.width:
            on_step(Step("Denoising", window.num_inference_steps, window.num_inference_steps))
            seconds = float(window.settings.get("duration_seconds") or 1)
            return WindowResult((), ramp(seconds, self.tone_rate or 8000), self.tone_rate or 8000)
        frames = draw(window)
        for index in range(window.num_inference_steps):
            if self.fail_with is not None:
                raise self.fail_with
            if is_cancelled():
                raise Cancelled()
            time.sleep(self.step_s)
            on_step(Step("Denoising", index + 1, window.num_inference_steps, latents=frames.transpose(3, 0, 1, 2)))
        for aside in self.asides:
            on_step(aside)
        on_step(Step("VAE decoding"))
        result = condition(frames, window)
        if window.prefix is not None and self.drift:
            result = np.clip(result.astype(int) + self.drift, 0, 255).astype(np.uint8)
        made = [result.copy() for _ in range(window.batch_size)]
        if not self.tone_rate:
            return WindowResult(made)
        return WindowResult(made, ramp(window.num_frames / (window.fps or 1), self.tone_rate), self.tone_rate)

    def preview(self, latents: Any) -> Image.Image:
        return Image.fromarray(np.concatenate(list(latents.transpose(1, 2, 3, 0)), axis=1))


def ramp(seconds: float, rate: int) -> np.ndarray:
    """Sound (samples, 1) that rises from 0 by a tenth a second."""
    return (np.arange(round(seconds * rate), dtype=np.float32) / rate / 10)[:, None]


def draw(window: WindowRequest) -> np.ndarray:
    """Frames (F,H,W,3) of a prompt and a seed alone."""
    colours = np.random.default_rng(zlib.crc32(window.prompt.encode())).integers(0, 256, (2, 3), dtype=np.uint8)
    place = np.random.default_rng(window.seed).integers(0, window.height)
    frames = np.empty((window.num_frames, window.height, window.width, 3), np.uint8)
    frames[:] = colours[0]
    side = window.height // 4
    for number, frame in enumerate(frames):
        top, left = (place + 2 * number) % (window.height - side), (4 * number) % (window.width - side)
        frame[top : top + side, left : left + side] = colours[1]
    return frames


def condition(frames: np.ndarray, window: WindowRequest) -> np.ndarray:
    """What the request keeps, put over what was drawn."""
    frames = frames.copy()
    if window.source is not None:
        strength = 1.0 if window.mask is not None else window.denoising_strength
        frames = (strength * frames + (1 - strength) * window.source.astype(float)).astype(np.uint8)
        if window.mask is not None:
            mask = np.broadcast_to(np.asarray(window.mask), frames.shape[:3])
            frames = np.where(mask[..., None] > 127, frames, window.source)
    if window.image_start is not None:
        frames[0] = window.image_start
    if window.image_end is not None:
        frames[-1] = window.image_end
    if window.prefix is not None:
        frames[: len(window.prefix)] = window.prefix
    return frames


class NumpyFamily:
    """The handler; `pipelines` are those it has loaded.

    They raise `shortage` at the first step, but for the second, leaner attempt where `fits_leaner`.
    """

    name, label, order = "numpy_family", "Numpy", 1
    architectures = frozenset({ARCHITECTURE})

    def __init__(self, params: Sequence[Any] = ()) -> None:
        self.pipelines: list[NumpyPipeline] = []
        self.options: list[LoadOptions] = []
        self.has_files = True
        self.needed: tuple[ModelFile, ...] = ()
        self.shortage: Exception | None = None
        self.fits_leaner = False
        self._params = params

    def settings(self, model: Any) -> Sequence[Any]:
        return self._params

    def definition(self, architecture: str, block: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        return {}

    def files(self, model: Any, options: Any = None) -> Sequence[ModelFile]:
        return self.needed

    def problems(self, settings: Mapping[str, Any], model: Any) -> Sequence[str]:
        return ()

    def load(self, model: Any, roots: Sequence[str], options: LoadOptions) -> NumpyPipeline:
        if not self.has_files:
            raise DownloadError(f"{model.name}: its weights are not on disk.")
        self.options.append(options)
        self.pipelines.append(NumpyPipeline())
        self.pipelines[-1].fail_with = None if options.leaner and self.fits_leaner else self.shortage
        return self.pipelines[-1]
