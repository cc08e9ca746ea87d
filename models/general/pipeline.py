"""Runs a pipeline that the program knows by nothing but its signature."""

from __future__ import annotations

from typing import Any

from PIL import Image

from models.general.arguments import AUDIO_LENGTH, FRAMES, REFERENCES
from models.general.handler import signature_of
from shared.core.contracts import WindowRequest
from shared.core.custom_settings import custom_values
from shared.diffusion.driver import DiffusersPipeline


class GeneralPipeline(DiffusersPipeline):
    """See DiffusersPipeline: the usual arguments, and the model's own settings under their own names."""

    @property
    def output_type(self) -> str:  # type: ignore[override]
        """The form that every pipeline of this kind can give."""
        return str(self.model.get("output_type") or ("np" if self.model.get("audio_only") else "pt"))

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """The usual arguments, those that other pipelines call otherwise, and the custom settings."""
        usual = super().arguments(window)
        duration = float(window.settings.get("duration_seconds") or 0) or None
        rate = window.fps or self.model.fps
        signature = signature_of(self.model)
        return {
            **usual,
            **dict.fromkeys(FRAMES, window.num_frames),
            **dict.fromkeys(AUDIO_LENGTH, duration),
            "frame_rate": rate,
            "fps": int(rate) if isinstance(signature.default("fps"), int) else rate,
            "controlnet_conditioning_scale": window.settings.get("control_net_weight"),
            **self._media(window, usual),
            **custom_values(window.settings, self.model),
        }

    def _media(self, window: WindowRequest, usual: dict[str, Any]) -> dict[str, Any]:
        """References, a control picture, a clip to start from: where the pipeline reads them."""
        references = [Image.fromarray(picture) for picture in window.references]
        signature, media = signature_of(self.model), dict.fromkeys(REFERENCES, references or None)
        if window.control is not None and "control_image" not in signature:
            media["image"] = usual["control_image"]
        if window.source is not None and "video" in signature:
            media["video"] = [Image.fromarray(frame) for frame in window.source]
        return media
