"""Where FLUX.1 Kontext and Fill differ from other picture pipelines."""

from __future__ import annotations

from typing import Any

from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.pictures import PicturePipeline


class FluxKontext(PicturePipeline):
    """FLUX.1 Kontext: edits a picture by words, or the masked part of one with another as the pattern."""

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`: the result has the size asked for."""
        arguments = super().arguments(window)
        arguments["max_area"] = window.width * window.height
        if window.source is not None:
            # The picture has the size of the result, so its pattern is brought to that too.
            arguments["_auto_resize"] = False
            if window.references:
                size = (window.width, window.height)
                arguments["image_reference"] = arguments["image_reference"].resize(size, Image.Resampling.LANCZOS)
        return arguments


class FluxFill(PicturePipeline):
    """FLUX.1 Fill: makes the masked part of a picture anew, from the text and what surrounds it."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        super().check(window)
        if window.mask is None or window.source is None:
            raise SettingsError("image_mask: it is missing. This model fills the white part of a mask.")
