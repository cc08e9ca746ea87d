"""HunyuanVideo 1.5's Pipeline: its guidance comes from a part of the pipeline, its size from the picture."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor

from shared.core.contracts import WindowRequest
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.guidance_plan import pipeline_guidance

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

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


class _PictureSized(HunyuanVideo15ImageProcessor):
    """The clip has the size of the picture, which lies on the canvas, rather than one of the sizes trained for."""

    def calculate_default_height_width(self, height: int, width: int, target_size: int) -> tuple[int, int]:
        """The size of the picture itself."""
        return height, width
