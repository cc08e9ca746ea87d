"""The Wan family's Pipeline: diffusers' Wan pipelines, and our own loop where they end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from models.wan.pipeline_denoise import DenoisePlan, KnownTokens, denoise
from models.wan.pipeline_experts import second_guidance, set_boundary
from models.wan.pipeline_known import fixes_something, known_tokens, source_clip
from models.wan.pipeline_masks import as_clip, put_back
from models.wan.pipeline_patch import replaced
from models.wan.pipeline_text import PromptEncoder
from models.wan.pipeline_vae import VideoCodec
from shared.core.contracts import LoadOptions, Step, WindowRequest, WindowResult
from shared.core.errors import SettingsError
from shared.diffusion.guard import cancellable, told_as_memory
from shared.diffusion.guidance_plan import pipeline_guidance
from shared.diffusion.leaner import make_leaner
from shared.diffusion.preview import LatentPreview
from shared.diffusion.run import prepared
from shared.diffusion.samplers import clean_estimate, make_scheduler

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

Embeds = tuple[torch.Tensor, torch.Tensor | None]


class WanVideo:
    """A loaded Wan model (see core.contracts.Pipeline).

    `pipe` is a WanPipeline or WanImageToVideoPipeline; without `keeps_weights` its weights move while it runs.
    """

    def __init__(self, pipe: Any, model: ModelDef, *, keeps_weights: bool = True) -> None:
        # Its warnings are about frame counts that are right: it expects 4k+1 even of a VAE that packs no frames.
        logging.getLogger(type(pipe).__module__).setLevel(logging.ERROR)
        self.pipe, self.model = pipe, model
        self.codec = VideoCodec(pipe.vae)
        self._text = PromptEncoder(pipe, int(model.get("text_length") or 512))
        self._scheduler = pipe.scheduler
        self._boundary_ratio = pipe.config.boundary_ratio
        self._preview = LatentPreview(self.codec.encode, self.codec.space_scale)
        # Weights that move must not become inference tensors, which later changes (a LoRA) could not touch.
        self._no_gradients: Any = torch.inference_mode if keeps_weights else torch.no_grad

    def components(self) -> dict[str, Any]:
        """The torch modules by name."""
        return {name: part for name, part in self.pipe.components.items() if isinstance(part, torch.nn.Module)}

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window; sample i of a batch has the seed `window.seed + i`.

        Raises Cancelled, SettingsError, OutOfMemory.
        """
        self._check(window)
        set_boundary(self.pipe, self._boundary_ratio, window)
        with (
            told_as_memory(), self._no_gradients(), cancellable(self.pipe, is_cancelled),
            prepared(self.pipe, self.model, window, on_step),
        ):  # fmt: skip
            on_step(Step("Encoding prompt"))
            embeds = self._encode_prompts(window)
            latents = self._denoise(window, embeds, on_step)
            on_step(Step("VAE decoding"))
            frames = [clip[: window.num_frames] for clip in self.codec.decode(latents)]
        if window.mask is not None:
            mask = as_clip(window.mask, window.num_frames)
            source = source_clip(window, window.num_frames)
            frames = [put_back(clip, source, mask) for clip in frames]
        return WindowResult(frames)

    def make_leaner(self, options: LoadOptions) -> bool:
        """Hold less memory at once from now on; False where the model must be loaded anew for that."""
        self._no_gradients = torch.no_grad
        return make_leaner(self.pipe, options)

    def preview(self, latents: torch.Tensor) -> Image.Image:
        """Latents (C,T,H,W) as a strip of small frames."""
        with torch.no_grad():
            return self._preview(latents)

    def _check(self, window: WindowRequest) -> None:
        side = self.codec.space_scale * self._transformer.config.patch_size[1]
        if window.width % side or window.height % side or min(window.width, window.height) < side:
            raise SettingsError(
                f"resolution: {window.width}x{window.height} does not fit this model. Use multiples of {side}."
            )
        if self._takes_images:
            self._check_pictures(window)
        else:
            self._check_tokens(window)

    def _check_pictures(self, window: WindowRequest) -> None:
        config = self._transformer.config
        if window.image_start is None and window.prefix is None:
            raise SettingsError("image_start: this model needs a start image or a clip to continue.")
        if config.pos_embed_seq_len is not None and window.image_end is None:
            raise SettingsError("image_end: this model makes the clip between two pictures; it needs an end image.")
        is_for_one = config.image_dim is not None and config.pos_embed_seq_len is None
        takes_end = not is_for_one or self.model.get("features_of_start_only")
        if window.image_end is not None and not takes_end:
            raise SettingsError("image_end: not available for this model.")
        if window.prefix is not None and len(window.prefix) > 1:
            raise SettingsError("sliding_window_overlap: this model continues from 1 frame, no more.")
        if window.mask is not None:
            raise SettingsError("image_mask: not available for this model.")
        if window.source is not None:
            raise SettingsError("denoising_strength: this model starts from noise; it takes no source clip.")

    def _check_tokens(self, window: WindowRequest) -> None:
        tokens = self.model.get("token_noise") or ""
        if not tokens and (window.image_start is not None or window.prefix is not None):
            raise SettingsError("image_start: this model starts from text alone; it takes no image and no clip.")
        if tokens == "all":
            return
        for name, media in (("image_end", window.image_end), ("image_mask", window.mask)):
            if media is not None:
                raise SettingsError(f"{name}: not available for this model.")
        if window.prefix is not None and len(window.prefix) > 1:
            raise SettingsError("sliding_window_overlap: this model continues from 1 frame, no more.")

    @property
    def _transformer(self) -> Any:
        return self.pipe.transformer if self.pipe.transformer is not None else self.pipe.transformer_2

    @property
    def _takes_images(self) -> bool:
        return type(self.pipe).__name__ == "WanImageToVideoPipeline"

    def _encode_prompts(self, window: WindowRequest) -> Embeds:
        batch = window.batch_size
        prompt = self._text.encode(window.prompt).repeat(batch, 1, 1)
        if pipeline_guidance(window) <= 1:
            return prompt, None
        return prompt, self._text.encode(window.negative_prompt).repeat(batch, 1, 1)

    def _denoise(self, window: WindowRequest, embeds: Embeds, on_step: Callable[[Step], None]) -> torch.Tensor:
        pipe = self.pipe
        pipe.scheduler = make_scheduler(self._scheduler, window.sample_solver, window.flow_shift)
        noise = self._noise(window)
        report = _Reporter(pipe, window.num_inference_steps, noise, on_step)
        has_start = window.source is not None and window.denoising_strength < 1
        if not self._takes_images and (has_start or fixes_something(window)):
            return self._with_known_parts(window, embeds, noise, report)
        if self.model.get("opening_picture") and noise.shape[2] > 1:
            return self._with_opening_picture(window, embeds, noise, report)
        report.start(0)
        arguments = self._arguments(window, embeds, noise, report)
        if not self._takes_images:
            return pipe(**arguments).frames
        with self._features_of_start():
            return pipe(**arguments | _pictures(window)).frames

    @contextmanager
    def _features_of_start(self) -> Iterator[None]:
        """Within it, a network made for the features of one picture gets those of the first, also beside a last one."""
        if not self.model.get("features_of_start_only"):
            yield
            return
        encode = self.pipe.encode_image

        def first(image: Any, device: Any = None) -> torch.Tensor:
            features: torch.Tensor = encode(image[0] if isinstance(image, list) else image, device)
            return features

        with replaced(self.pipe, "encode_image", first):
            yield

    def _with_opening_picture(
        self, window: WindowRequest, embeds: Embeds, noise: torch.Tensor, report: _Reporter
    ) -> torch.Tensor:
        """First the opening frame as a picture of its own, then the clip with that frame given.

        For checkpoints whose definition says `opening_picture`.
        Rotary embeddings tell tokens only how far apart they are: over pure noise a small model cannot know which
        frame is early and which is late, and motion gets no direction. A given frame is the anchor.
        """
        picture_noise = self._noise(replace(window, num_frames=1))
        first = _Reporter(self.pipe, window.num_inference_steps, picture_noise, report.on_step, "Denoising first frame")
        first.start(0)
        opening = self.pipe(**self._arguments(window, embeds, picture_noise, first)).frames
        self.pipe.scheduler = make_scheduler(self._scheduler, window.sample_solver, window.flow_shift)
        latents, noisy = torch.zeros_like(noise), torch.ones_like(noise[:1, :1])
        latents[:, :, :1], noisy[:, :, :1] = opening, 0
        return self._with_known_parts(window, embeds, noise, report, KnownTokens(latents, noisy))

    def _guidance(self, window: WindowRequest) -> float:
        """1 would keep the pipeline from the passes that a later phase needs."""
        return window.guidance_scale if window.guidance_scale > 1 else pipeline_guidance(window)

    def _noise(self, window: WindowRequest) -> torch.Tensor:
        frames = self.codec.latent_frames(window.num_frames + self.codec.time_scale - 1)
        side = self.codec.space_scale
        shape = (1, self.pipe.vae.config.z_dim, frames, window.height // side, window.width // side)
        generators = [torch.Generator("cpu").manual_seed(window.seed + i) for i in range(window.batch_size)]
        device = self.pipe._execution_device
        return torch.cat([randn_tensor(shape, generator=g, device=device, dtype=torch.float32) for g in generators])

    def _arguments(
        self, window: WindowRequest, embeds: Embeds, noise: torch.Tensor, report: _Reporter
    ) -> dict[str, Any]:
        return {
            "prompt_embeds": embeds[0],
            "negative_prompt_embeds": embeds[1],
            "latents": noise,
            "width": window.width,
            "height": window.height,
            "num_frames": self.codec.frames_of(noise.shape[2]),
            "num_inference_steps": window.num_inference_steps,
            "guidance_scale": self._guidance(window),
            "guidance_scale_2": second_guidance(self._boundary_ratio, window),
            "callback_on_step_end": report.diffusers_callback,
            "output_type": "latent",
        }

    def _with_known_parts(
        self,
        window: WindowRequest,
        embeds: Embeds,
        noise: torch.Tensor,
        report: _Reporter,
        known: KnownTokens | None = None,
    ) -> torch.Tensor:
        scheduler, steps = self.pipe.scheduler, window.num_inference_steps
        scheduler.set_timesteps(steps, device=noise.device)
        first_step, latents = 0, noise
        if fixes_something(window):
            known = known_tokens(window, self.codec, self._transformer.config.patch_size, noise[:1])
        if window.source is not None and window.denoising_strength < 1:
            first_step = steps - round(steps * max(window.denoising_strength, 0.0))
            sigma = float(scheduler.sigmas[first_step])
            source = source_clip(window, self.codec.frames_of(noise.shape[2]))
            latents = (1 - sigma) * self.codec.encode(source).to(noise) + sigma * noise
        ratio = self.pipe.config.boundary_ratio
        plan = DenoisePlan(
            latents=latents,
            prompt_embeds=embeds[0],
            negative_prompt_embeds=embeds[1],
            guidance_scale=self._guidance(window),
            guidance_scale_2=second_guidance(self._boundary_ratio, window) or window.guidance_scale,
            boundary=None if ratio is None else ratio * scheduler.config.num_train_timesteps,
            known=known,
            first_step=first_step,
        )
        report.start(first_step, known)
        return denoise(self.pipe, plan, report)


def _pictures(window: WindowRequest) -> dict[str, Image.Image]:
    first = window.prefix[-1] if window.prefix is not None else window.image_start
    pictures = {"image": Image.fromarray(first)}
    if window.image_end is not None:
        pictures["last_image"] = Image.fromarray(window.image_end)
    return pictures


class _Reporter:
    """Turns the ends of steps into `Step(phase, ...)`, with an estimate of the finished latents."""

    def __init__(
        self, pipe: Any, steps: int, latents: torch.Tensor, on_step: Callable[[Step], None], phase: str = "Denoising"
    ) -> None:
        self.pipe, self.steps, self.latents, self.on_step, self.phase = pipe, steps, latents, on_step, phase
        self.first = 0
        self.known: KnownTokens | None = None

    def start(self, first: int, known: KnownTokens | None = None) -> None:
        """The run begins with step `first` of the schedule; `known` parts are shown as they are given."""
        self.first, self.known = first, known
        self.on_step(Step(self.phase, 0, self.steps - first))

    def __call__(self, index: int, before: torch.Tensor, after: torch.Tensor) -> None:
        clean = clean_estimate(self.pipe.scheduler, index, before[:1], after[:1])
        clean = clean if self.known is None else self.known.put_into(clean)
        self.on_step(Step(self.phase, index + 1 - self.first, self.steps - self.first, clean[0]))

    def diffusers_callback(self, pipe: Any, index: int, t: Any, values: dict[str, Any]) -> dict[str, Any]:
        """The same as `callback_on_step_end`."""
        self(index, self.latents, values["latents"])
        self.latents = values["latents"]
        return values
