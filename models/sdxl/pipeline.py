"""Runs Stable Diffusion XL: samplers by name, ControlNet, IP-Adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from models.sdxl.pipeline_guides import adapter_arguments, control_arguments, follows_pictures, guided
from models.sdxl.pipeline_samplers import make_sampler
from models.sdxl.pipeline_text import encode, needs_own_encoding
from shared.core.contracts import LoadOptions, Step, WindowRequest, WindowResult
from shared.core.custom_settings import custom_values
from shared.core.sampler_names import sampler_notes
from shared.core.weights import find_weights
from shared.diffusion.pictures import PicturePipeline

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_ADAPTER_SIDE_PX = 224
_USUAL_LAYER = 2


def add_ip_adapters(pipe: Any, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> None:
    """Put the IP-Adapters, the definition's `preload_URLs`, into the network; none where there are none."""
    paths = list(find_weights(model, roots, options).preload.values())
    if paths:
        pipe.load_ip_adapter(
            [str(path.parent) for path in paths], subfolder=[""] * len(paths),
            weight_name=[path.name for path in paths], image_encoder_folder=None, local_files_only=True,
        )  # fmt: skip


class SdxlPipeline(PicturePipeline):
    """See PicturePipeline. Definition keys: `control_modes`, the number that a union ControlNet has for each letter of
    video_prompt_type; `ip_adapter`, whether references go to an IP-Adapter."""

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """See Pipeline; tells of samplers and schedules that something near takes the place of."""
        for note in sampler_notes(window.sample_solver, str(window.settings.get("noise_schedule") or "")):
            on_step(Step("", notice=note))
        with guided(self.pipe, self.model, window):
            return super().__call__(window, on_step, is_cancelled)

    def pipe_for(self, window: WindowRequest) -> Any:
        """The pipeline for this window, on the same weights."""
        if not follows_pictures(window):
            return super().pipe_for(window)
        key = "pipeline"
        if window.mask is not None:
            key = "pipeline_repaint_with_control"
        elif window.source is not None:
            key = "pipeline_from_picture_with_control"
        return self.sibling(str(self.model.get(key)))

    def scheduler(self, window: WindowRequest) -> Any:
        """A fresh scheduler: the sampler and the noise schedule that the settings name."""
        return make_sampler(self._scheduler, window.sample_solver, str(window.settings.get("noise_schedule") or ""))

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        own = custom_values(window.settings, self.model)
        arguments = {**super().arguments(window), "guidance_rescale": own.get("guidance_rescale"), **self._text(window)}
        if follows_pictures(window):
            arguments |= self._control(window, arguments)
        if self.model.get("guide_adapters"):
            arguments |= adapter_arguments(window, self.model.get("guide_adapters"))
        if self.model.get("ip_adapter"):
            arguments["ip_adapter_image"] = self._references(window)
        if window.source is None and not follows_pictures(window):
            arguments["image"] = None
        return arguments

    def _text(self, window: WindowRequest) -> dict[str, Any]:
        """The prompts as tensors, where the pipeline's own way of reading them does not do."""
        layer = int(window.settings.get("clip_skip") or _USUAL_LAYER)
        texts = (window.prompt, window.negative_prompt)
        if layer == _USUAL_LAYER and not needs_own_encoding(self.pipe, texts):
            return {}
        return {**encode(self.pipe, *texts, layer), "prompt": None, "negative_prompt": None}

    def _control(self, window: WindowRequest, arguments: dict[str, Any]) -> dict[str, Any]:
        if "Union" not in str(self.model.get("pipeline")):
            # The one-control ControlNet from a text has its control picture under the name `image`.
            return {} if window.source is not None else {"image": arguments["control_image"]}
        modes = self.model.get("control_modes") or {}
        letters = str(window.settings.get("video_prompt_type") or "")
        letter = next((letter for letter in letters if letter in modes), "")
        own = []
        if window.control is not None:
            weight = window.settings.get("control_net_weight")
            own.append((arguments["control_image"], modes.get(letter), 1.0 if weight is None else float(weight)))
        return control_arguments(window, self.model.get("guide_kinds") or {}, own)

    def _references(self, window: WindowRequest) -> list[Any]:
        """The pictures of the one adapter; without any, its strength is 0."""
        strength = float(window.settings.get("alt_scale") or 0.6) if window.references else 0.0
        self.pipe.set_ip_adapter_scale(strength)
        blank = np.zeros((_ADAPTER_SIDE_PX, _ADAPTER_SIDE_PX, 3), np.uint8)
        pictures = [Image.fromarray(picture) for picture in window.references] or [Image.fromarray(blank)]
        return [pictures if len(pictures) > 1 else pictures[0]]
