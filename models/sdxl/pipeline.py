"""Runs Stable Diffusion XL: samplers by name, ControlNet, IP-Adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from models.sdxl.pipeline_guides import adapter_arguments, control_arguments, follows_pictures, guided
from models.sdxl.pipeline_refiner import add_refiner, as_picture, can_hand_over, refiner_of, switch_level
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


def add_parts(pipe: Any, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> None:
    """Put the IP-Adapters, the definition's `preload_URLs`, into the network, and load its `refined_by`."""
    add_refiner(pipe, model, roots, options)
    paths = list(find_weights(model, roots, options).preload.values())
    if paths:
        pipe.load_ip_adapter(
            [str(path.parent) for path in paths], subfolder=[""] * len(paths),
            weight_name=[path.name for path in paths], image_encoder_folder=None, local_files_only=True,
        )  # fmt: skip


class SdxlPipeline(PicturePipeline):
    """See PicturePipeline. Definition keys: `control_modes`, the number that a union ControlNet has for each letter of
    video_prompt_type; `ip_adapter`, whether references go to an IP-Adapter; `refined_by`, the definition of a second
    model, which makes the last steps."""

    def __init__(self, pipe: Any, model: ModelDef, *, keeps_weights: bool = True) -> None:
        super().__init__(pipe, model, keeps_weights=keeps_weights)
        self._handing: dict[str, Any] = {}

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """See Pipeline; tells of samplers and schedules that something near takes the place of."""
        for note in sampler_notes(window.sample_solver, str(window.settings.get("noise_schedule") or "")):
            on_step(Step("", notice=note))
        return super().__call__(window, on_step, is_cancelled)

    def _run(
        self, pipe: Any, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        with guided(pipe, self.model, window):
            if refiner_of(self.pipe) is None:
                return super()._run(pipe, window, on_step, is_cancelled)
            return self._refined(pipe, window, on_step, is_cancelled)

    def _refined(
        self, pipe: Any, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """The first steps by this network, the last by the refiner."""
        part, swap = float(window.settings.get("refiner_switch") or 0.8), window.settings.get("refiner_swap")
        level = switch_level(self.scheduler(window), window, part)
        if level is None or not can_hand_over(pipe):
            on_step(Step("", notice="refiner_model: it has no step to make here, or cannot take over in this way."))
            return super()._run(pipe, window, on_step, is_cancelled)
        own_end = level if swap in (None, "", "joint") else None
        self._handing = {"denoising_end": own_end, "output_type": "latent"}
        try:
            handed = super()._run(pipe, window, on_step, is_cancelled).frames[0]
        finally:
            self._handing = {}
        given = as_picture(handed, pipe) if swap == "vae" else handed
        start = {"denoising_start": level} if own_end is not None else {"strength": 1 - part}
        refiner = _Refiner(refiner_of(self.pipe), self.model, {"image": given, **start})
        return refiner._run(refiner.pipe_for(window), replace(window, guides=(), control=None), on_step, is_cancelled)

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """The picture; as it is, where it is handed on to a refiner."""
        return WindowResult([output.images]) if self._handing else super().result(output, window)

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
        return arguments | self._handing

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


class _Refiner(SdxlPipeline):
    """The refiner at work on what it is handed: `given` are arguments in place of its own."""

    def __init__(self, pipe: Any, model: ModelDef, given: dict[str, Any]) -> None:
        plain = {name: value for name, value in model.model.items() if name not in _OF_THE_FIRST}
        super().__init__(pipe, replace(model, model=MappingProxyType(plain)))
        self._given = given

    def pipe_for(self, window: WindowRequest) -> Any:
        """The pipeline that starts from a picture, or repaints one."""
        name = "StableDiffusionXLInpaintPipeline" if window.mask is not None else "StableDiffusionXLImg2ImgPipeline"
        return self.sibling(name)

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        return {**super().arguments(window), **self._given}


_OF_THE_FIRST = ("refined_by", "guide_adapters", "ip_adapter", "references_maximum")
