"""Runs any diffusers pipeline as the program's `Pipeline`, by what the signature of its `__call__` says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import diffusers
import numpy as np
import torch
from PIL import Image

from shared.core.contracts import LoadOptions, Step, WindowRequest, WindowResult
from shared.core.errors import Cancelled, SettingsError
from shared.diffusion.abilities import branching_of
from shared.diffusion.guard import cancellable, networks_of, told_as_memory
from shared.diffusion.guidance_plan import pipeline_guidance
from shared.diffusion.latents import encoded_picture, unpacked
from shared.diffusion.leaner import make_leaner
from shared.diffusion.outputs import frames_of, sampling_rate_of, sounds_of
from shared.diffusion.preview import LatentPreview
from shared.diffusion.room import has_room
from shared.diffusion.run import prepared
from shared.diffusion.samplers import make_scheduler
from shared.diffusion.text_cache import remember_prompts
from shared.diffusion.watch import watched

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_SAMPLES = ("num_images_per_prompt", "num_videos_per_prompt", "num_waveforms_per_prompt")


class DiffusersPipeline:
    """A loaded diffusers pipeline (see core.contracts.Pipeline); without `keeps_weights` its weights move as it runs.

    A family overrides `check`, `pipe_for`, `arguments`, `result`, `preview_latents` or `encode_picture`
    where its pipelines differ from the usual.
    """

    output_type = "pt"

    def __init__(self, pipe: Any, model: ModelDef, *, keeps_weights: bool = True) -> None:
        self.pipe, self.model = pipe, model
        self._scheduler: Any = getattr(pipe, "scheduler", None)
        self._siblings: dict[str, Any] = {}
        self._preview: LatentPreview | None = None
        # Weights that move must not become inference tensors, which later changes (a LoRA) could not touch.
        self._no_gradients: Any = torch.inference_mode if keeps_weights else torch.no_grad

    def components(self) -> dict[str, Any]:
        """The torch modules by name."""
        return networks_of(self.pipe)

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window; sample i of a batch has the seed `window.seed + i`.

        Raises Cancelled, SettingsError, OutOfMemory.
        """
        self.check(window)
        pipe = self.pipe_for(window)
        samples = 1 if self._takes_batches(pipe, window) else window.batch_size
        with told_as_memory(), self._no_gradients():
            results = [
                self._run(pipe, one, on_step, is_cancelled)
                for one in (_single(window, index) if samples > 1 else window for index in range(samples))
            ]
        return results[0] if len(results) == 1 else _joined(results)

    def make_leaner(self, options: LoadOptions) -> bool:
        """Hold less memory at once from now on; False where the model must be loaded anew for that."""
        self._no_gradients = torch.no_grad
        return make_leaner(self.pipe, options)

    def makes_batches(self, window: WindowRequest) -> bool:
        """Whether the samples of `window` are made at once: the pipeline can, and there is room for all of them."""
        return self._takes_batches(self.pipe_for(window), window)

    def preview(self, latents: torch.Tensor) -> Image.Image:
        """Latents (C,T,H,W) as a strip of small frames."""
        with torch.no_grad():
            if self._preview is None:
                self._preview = LatentPreview(self.encode_picture, self._space_scale())
            return self._preview(latents)

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this pipeline cannot do."""
        side = self.model.block_size
        if not self.model.get("audio_only") and (window.width % side or window.height % side):
            raise SettingsError(
                f"resolution: {window.width}x{window.height} does not fit this model. Use multiples of {side}."
            )

    def pipe_for(self, window: WindowRequest) -> Any:
        """The pipeline for this window, on the same weights: `pipeline_repaint` of the definition where there is a
        mask, `pipeline_from_picture` where there is a picture to start from."""
        keys = []
        if window.mask is not None:
            keys.append("pipeline_repaint")
        if window.source is not None or window.image_start is not None:
            keys.append("pipeline_from_picture")
        for key in keys:
            if self.model.get(key):
                return self.sibling(str(self.model.get(key)))
        return self.pipe

    def sibling(self, class_name: str) -> Any:
        """A pipeline of another class of diffusers with the same parts; optional ones that are not there are None."""
        if class_name == type(self.pipe).__name__:
            return self.pipe
        if class_name not in self._siblings:
            pipeline_class = getattr(diffusers, class_name)
            known = {**dict(self.pipe.config), **self.pipe.components}
            names = [name for name in inspect.signature(pipeline_class.__init__).parameters if name in known]
            sibling = pipeline_class(**{name: known[name] for name in names})
            sibling.set_progress_bar_config(disable=True)
            self._siblings[class_name] = sibling
        return self._siblings[class_name]

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`; what it does not take is left out afterwards."""
        return {
            "prompt": window.prompt,
            "negative_prompt": window.negative_prompt,
            "width": window.width,
            "height": window.height,
            "num_frames": window.num_frames,
            "num_inference_steps": window.num_inference_steps,
            "max_sequence_length": self.model.get("text_length"),
            **self._guidance(window),
            **self._pictures(window),
            **self._samples(window),
            "output_type": self.output_type,
        }

    def scheduler(self, window: WindowRequest) -> Any:
        """A fresh scheduler for this window: nothing of an earlier run is left in it."""
        if self.model.get("sample_solvers") or self.model.get("flow_shift"):
            shift = window.flow_shift if self.model.get("flow_shift") else None
            return make_scheduler(self._scheduler, window.sample_solver, shift)
        return type(self._scheduler).from_config(self._scheduler.config)

    def result(self, output: Any, window: WindowRequest) -> WindowResult:
        """What the pipeline returned, as frames and sound."""
        sounds = sounds_of(output)
        frames = [] if self.model.get("audio_only") else [clip[: window.num_frames] for clip in frames_of(output)]
        rate = sampling_rate_of(self.pipe) if sounds else None
        return WindowResult(frames, (sounds[0] if len(sounds) == 1 else sounds) if sounds else None, rate)

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """Latents of the first sample (1, ...), as the scheduler sees them, as (C,T,h,w); None: no preview."""
        return unpacked(self.pipe, latents, window)

    def encode_picture(self, picture: np.ndarray) -> torch.Tensor:
        """uint8 (1,H,W,3) as latents (1,C,1,h,w), to fit the preview's colours."""
        return encoded_picture(self.pipe.vae, picture)

    def _run(
        self, pipe: Any, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        def check() -> None:
            if is_cancelled():
                raise Cancelled()

        if self._scheduler is not None:
            pipe.scheduler = self.scheduler(window)
        remember_prompts(pipe)
        with _seeded(pipe, window.seed), cancellable(pipe, is_cancelled), prepared(pipe, self.model, window, on_step):
            on_step(Step("Encoding prompt"))
            accepted = inspect.signature(type(pipe).__call__).parameters
            arguments = {name: value for name, value in self.arguments(window).items() if name in accepted}
            given = {name: value for name, value in arguments.items() if value is not None}
            with watched(pipe, on_step, check, lambda latents: self.preview_latents(latents, window)):
                output = pipe(**given)
        return self.result(output, window)

    def _guidance(self, window: WindowRequest) -> Mapping[str, Any]:
        """Where the guidance goes. A network that has learned guidance as an input reads that from `guidance_scale`
        (`embedded_guidance` of the definition: a setting of its own) and the true one from `true_cfg_scale`. For some
        pipelines 0 is no guidance (`guidance_from_zero`), where in the settings it is 1."""
        scale = 1.0 if self.model.get("guidance_max_phases") == 0 else pipeline_guidance(window)
        branching = branching_of(type(self.pipe).__name__)
        if self.model.get("guidance_from_zero") or (branching is not None and branching.from_cond):
            scale = max(scale - 1.0, 0.0)
        if self.model.get("embedded_guidance"):
            embedded = window.settings.get("embedded_guidance_scale")
            return {"guidance_scale": embedded, "true_cfg_scale": scale}
        accepted = inspect.signature(type(self.pipe).__call__).parameters
        network = getattr(self.pipe, "transformer", None)
        is_embedded = network is None or getattr(network.config, "guidance_embeds", True)
        if "true_cfg_scale" in accepted and not ("guidance_scale" in accepted and is_embedded):
            return {"true_cfg_scale": scale}
        return {"guidance_scale": scale}

    def _pictures(self, window: WindowRequest) -> dict[str, Any]:
        """The media of the window under the names that most pipelines use."""
        first = window.prefix[-1] if window.prefix is not None else window.image_start
        if first is None and window.source is not None and not self.model.makes_video:
            first = window.source[0] if window.source.ndim == 4 else window.source
        references = [Image.fromarray(picture) for picture in window.references]
        image: Any = _picture(first)
        if image is None and references:
            image = references if len(references) > 1 else references[0]
        mask = window.mask[0] if window.mask is not None and window.mask.ndim == 3 else window.mask
        strength = window.denoising_strength if window.source is not None else None
        return {"image": image, "last_image": _picture(window.image_end), "mask_image": _picture(mask),
                "control_image": _clip(window.control), "strength": strength}  # fmt: skip

    def _samples(self, window: WindowRequest) -> dict[str, Any]:
        generators = [torch.Generator("cpu").manual_seed(window.seed + index) for index in range(window.batch_size)]
        count = dict.fromkeys(_SAMPLES, window.batch_size) if window.batch_size > 1 else {}
        return {"generator": generators if len(generators) > 1 else generators[0], **count}

    def _takes_batches(self, pipe: Any, window: WindowRequest) -> bool:
        """Repainting, diffusers draws once for all samples what each draws for itself when it is made alone."""
        if window.mask is not None:
            return False
        accepted = inspect.signature(type(pipe).__call__).parameters
        can = not self.model.get("one_by_one") and any(name in accepted for name in _SAMPLES)
        return can and (window.batch_size == 1 or has_room(pipe, window, window.batch_size))

    def _space_scale(self) -> int:
        latents = self.encode_picture(np.zeros((1, 128, 128, 3), np.uint8))
        return 128 // int(latents.shape[-1])


@contextmanager
def _seeded(pipe: Any, seed: int) -> Iterator[None]:
    """Within it, what a pipeline draws without its generator (some VAEs do) comes from the seed as well."""
    device = torch.device(pipe._execution_device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _single(window: WindowRequest, index: int) -> WindowRequest:
    """Sample `index` of a batch by itself."""
    return replace(window, batch_size=1, seed=window.seed + index)


def _joined(results: list[WindowResult]) -> WindowResult:
    sounds = [result.audio for result in results if result.audio is not None]
    frames = [clip for result in results for clip in result.frames]
    return WindowResult(frames, sounds or None, results[0].audio_sampling_rate)


def _picture(pixels: Any) -> Image.Image | None:
    return None if pixels is None else Image.fromarray(pixels)


def _clip(frames: Any) -> Any:
    """One picture, or the list of a clip's frames."""
    if frames is None:
        return None
    pictures = [Image.fromarray(frame) for frame in (frames if frames.ndim == 4 else frames[None])]
    return pictures[0] if len(pictures) == 1 else pictures
