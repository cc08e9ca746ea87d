"""HunyuanVideo 1.5's Pipeline: its guidance comes from a part of the pipeline, its size from the picture."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor

from shared.core.contracts import WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.guidance_plan import pipeline_guidance

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

# What a section adds to a clip, and what it counts in the pipeline's `num_frames`.
_SECTION_FRAMES, _COUNTED_FRAMES = 36, 33

# It calls guiders experimental each time it makes one.
logging.getLogger("diffusers.guiders.guider_utils").setLevel(logging.ERROR)


class HunyuanVideo15(DiffusersPipeline):
    """A loaded HunyuanVideo 1.5 model (see core.contracts.Pipeline)."""

    def __init__(self, pipe: Any, model: ModelDef, *, keeps_weights: bool = True) -> None:
        super().__init__(pipe, model, keeps_weights=keeps_weights)
        self._guider = pipe.guider
        pipe.tokenizer_max_length = int(model.get("text_length") or pipe.tokenizer_max_length)
        pipe.video_processor = _PictureSized.from_config(pipe.video_processor.config)

    def pipe_for(self, window: WindowRequest) -> Any:
        """See DiffusersPipeline; it gets a fresh guider with the guidance of this window."""
        pipe = super().pipe_for(window)
        pipe.guider = self._guider.new(guidance_scale=pipeline_guidance(window))
        return pipe


class Framepack(DiffusersPipeline):
    """A loaded FramePack model: sections of a clip, the last one first."""

    def check(self, window: WindowRequest) -> None:
        """See DiffusersPipeline."""
        super().check(window)
        if window.image_start is None:
            raise SettingsError("image_start: it is missing. This model starts from a picture.")


    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """See DiffusersPipeline; the pipeline counts 33 frames a section, of which it makes 36 of the clip."""
        sections = max(1, (window.num_frames - 1) // _SECTION_FRAMES)
        return super().arguments(window) | {"num_frames": sections * _COUNTED_FRAMES}


class _PictureSized(HunyuanVideo15ImageProcessor):
    """The clip has the size of the picture, which lies on the canvas, rather than one of the sizes trained for."""

    def calculate_default_height_width(self, height: int, width: int, target_size: int) -> tuple[int, int]:
        """The size of the picture itself."""
        return height, width
