"""Wan Animate: a person from a picture, moved by a pose clip and a face clip, alone or in place of one in a clip."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from models.wan.pipeline_patch import replaced
from shared.core.contracts import Step, WindowRequest, WindowResult
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline

_SEGMENTS = "prepare_prev_segment_cond_latents"


class WanAnimate(DiffusersPipeline):
    """A loaded Animate model on a WanAnimatePipeline; a window is one segment of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # It warns of each picture that it brings to its size, as it is meant to.
        logging.getLogger(type(self.pipe).__module__).setLevel(logging.ERROR)

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if not window.references:
            raise SettingsError("image_refs: it is missing. This model needs a picture of the person.")
        for name, media in (("video_guide", window.control), ("video_guide2", window.control2)):
            if media is None:
                raise SettingsError(f"{name}: it is missing. This model follows a pose clip and a face clip.")
        if window.mask is not None and window.source is None:
            raise SettingsError("custom_guide: it is missing. It is the clip whose person is replaced.")
        if window.prefix is not None and len(window.prefix) > 1:
            raise SettingsError("sliding_window_overlap: this model continues from 1 frame, no more.")

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window. Raises Cancelled, SettingsError, OutOfMemory."""
        with _continuing(self.pipe, window.prefix):
            return super().__call__(window, on_step, is_cancelled)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """The person and the clips, beside what every pipeline takes."""
        is_replacing = window.mask is not None
        return {
            **super().arguments(window),
            "image": Image.fromarray(window.references[0]),
            "pose_video": _pictures(window.control, window.num_frames),
            "face_video": _pictures(window.control2, window.num_frames),
            "background_video": _pictures(window.source, window.num_frames) if is_replacing else None,
            "mask_video": _pictures(window.mask, window.num_frames) if is_replacing else None,
            "mode": "replace" if is_replacing else "animate",
            "segment_frame_length": window.num_frames,
            "prev_segment_conditioning_frames": 1,
        }

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """The frames, the given one first as it is."""
        result = super().result(output, window)
        if window.prefix is not None:
            for clip in result.frames:
                clip[: len(window.prefix)] = window.prefix
        return result

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """The latents without the first, which stands for the person's picture."""
        return super().preview_latents(latents[:, :, 1:], window)


@contextmanager
def _continuing(pipe: Any, prefix: np.ndarray | None) -> Iterator[None]:
    """Within it, the first segment of `pipe` goes on from the last frame of `prefix`, as its later ones do."""
    if prefix is None:
        yield
        return
    prepare = getattr(pipe, _SEGMENTS)
    names = list(inspect.signature(prepare).parameters)
    last = torch.from_numpy(np.array(prefix[-1:])).permute(3, 0, 1, 2)[None].float() / 127.5 - 1.0

    def from_prefix(*positional: Any, **named: Any) -> torch.Tensor:
        given = {**dict(zip(names, positional, strict=False)), **named}
        video = last.to(given.get("device") or pipe._execution_device)
        latents: torch.Tensor = prepare(**{**given, "prev_segment_cond_video": video, "start_frame": 1})
        return latents

    with replaced(pipe, _SEGMENTS, from_prefix):
        yield


def _pictures(frames: np.ndarray, count: int) -> list[Image.Image]:
    """`count` frames as pictures; the last one stands for those beyond it."""
    last = len(frames) - 1
    return [Image.fromarray(frames[min(number, last)]) for number in range(count)]
