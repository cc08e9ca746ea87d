"""Where HiDream's pipeline differs from other picture pipelines."""

from __future__ import annotations

import math
from typing import Any

from shared.core.contracts import WindowRequest
from shared.diffusion.pictures import PicturePipeline

# Keeps a side from being rounded down to the next multiple by the last bit of a square root.
_ROUNDING = 1 + 1e-9


class HiDream(PicturePipeline):
    """HiDream-I1: from a text, by four text encoders."""

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`.

        The pipeline scales every size to its own area, that of `default_sample_size`: it becomes the one asked for.
        """
        side = math.sqrt(window.width * window.height) / self.pipe.vae_scale_factor
        self.pipe.default_sample_size = side * _ROUNDING
        return super().arguments(window)
