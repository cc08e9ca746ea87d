"""A model family as a plugin: what a handler offers, and a pipeline that draws instead of denoising."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from shared.core.contracts import LoadOptions, ModelFile, Step, WindowRequest, WindowResult
from shared.core.errors import Cancelled
from shared.core.model_def import ModelDef
from shared.core.model_params import params_of
from shared.core.params import Param

BARS = ((235, 235, 235), (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235), (235, 16, 16), (16, 16, 235))


class CardPipeline:
    """The loaded model. The seed shifts the bars, the prompt is written on the card."""

    def components(self) -> dict[str, Any]:
        """There are no weights."""
        return {}

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Draw the window's frames; those given as `prefix` are kept."""
        given = [] if window.prefix is None else list(window.prefix)
        frames = list(given)
        for number in range(len(given), window.num_frames):
            if is_cancelled():
                raise Cancelled()
            frames.append(self.card(window, number))
            on_step(Step("Denoising", number + 1, window.num_frames))
        clip = np.stack(frames)
        return WindowResult([clip.copy() for _ in range(window.batch_size)])

    def card(self, window: WindowRequest, number: int) -> Any:
        """One frame (H,W,3)."""
        places = np.arange(window.width) * len(BARS) // window.width
        colours = np.roll(np.array(BARS, np.uint8), window.seed % len(BARS), axis=0)
        frame = np.repeat(colours[places][None], window.height, axis=0)
        at = number * window.width // max(window.num_frames, 1)
        frame[:, at : at + max(window.width // 64, 1)] = 0
        picture = Image.fromarray(frame)
        ImageDraw.Draw(picture).text((8, 8), f"{window.prompt[:60]}  {number}", fill=(0, 0, 0))
        return np.asarray(picture)

    def preview(self, latents: Any) -> Image.Image:
        """There is nothing between noise and picture here."""
        return Image.new("RGB", (16, 16))


class CardFamily:
    """What a family offers (FamilyHandler in shared/core/contracts.py)."""

    name, label, order = "test_card", "Test card", 9000
    architectures = frozenset(("test_card",))

    def settings(self, model: ModelDef) -> Sequence[Param]:
        """The settings that every model has are enough."""
        return list(params_of(model).values())

    def definition(self, architecture: str, block: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Any length, frame by frame."""
        return {"fps": 16, "frames_minimum": 1, "frames_steps": 1, "image_outputs": False, "no_lora": True}

    def files(self, model: ModelDef, options: LoadOptions | None = None) -> Sequence[ModelFile]:
        """No weights."""
        return []

    def problems(self, settings: Mapping[str, Any], model: ModelDef) -> Sequence[str]:
        """Nothing that the settings' own bounds do not tell."""
        return []

    def load(self, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> CardPipeline:
        """Ready at once."""
        return CardPipeline()


handler = CardFamily()
