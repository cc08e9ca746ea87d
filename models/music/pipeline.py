"""Runs the pipelines that make sound."""

from __future__ import annotations

from typing import Any

import torch

from shared.core.contracts import WindowRequest
from shared.core.custom_settings import custom_values
from shared.core.errors import SettingsError
from shared.diffusion.driver import DiffusersPipeline

_LEAST_NOISE = 0.01


class MusicPipeline(DiffusersPipeline):
    """A pipeline whose result is sound alone."""

    output_type = "np"

    def scheduler(self, window: WindowRequest) -> Any:
        """A fresh scheduler as the checkpoint has it: these pipelines lay out the noise levels themselves."""
        return type(self._scheduler).from_config(self._scheduler.config)

    def preview_latents(self, latents: torch.Tensor, window: WindowRequest) -> torch.Tensor | None:
        """Nothing: unfinished sound has no picture."""
        return None


class AceStep(MusicPipeline):
    """ACE-Step: the prompt describes the music, the second prompt has the lyrics; a given sound is covered (letter A)
    or lends its voices (A1)."""

    def check(self, window: WindowRequest) -> None:
        """Raise SettingsError for what this checkpoint cannot do."""
        super().check(window)
        if self._covers(window) and getattr(self.pipe, "audio_tokenizer", None) is None:
            raise SettingsError("audio_guide: this checkpoint has no part that reads a song; it makes no covers.")

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        settings, sound = window.settings, _waveform(window)
        arguments = {
            **super().arguments(window),
            **{name: value for name, value in custom_values(settings, self.model).items() if value != ""},
            "lyrics": str(settings.get("alt_prompt") or ""),
            "audio_duration": float(settings.get("duration_seconds") or 0) or None,
            "shift": window.flow_shift,
        }
        if sound is None:
            return arguments
        if self._covers(window):
            strength = float(settings.get("audio_scale", 1.0))
            return {**arguments, "task_type": "cover", "src_audio": sound, "audio_cover_strength": strength}
        return {**arguments, "reference_audio": sound}

    def _covers(self, window: WindowRequest) -> bool:
        return window.audio is not None and "1" not in str(window.settings.get("audio_prompt_type") or "")


class StableAudio(MusicPipeline):
    """Stable Audio 3; `audio_scale` says how closely a given sound is kept."""

    def pipe_for(self, window: WindowRequest) -> Any:
        """The pipeline for this window, on the same weights."""
        return self.pipe if window.audio is None else self.sibling(str(self.model.get("pipeline_from_sound")))

    def arguments(self, window: WindowRequest) -> dict[str, Any]:
        """Keyword arguments of the pipeline's `__call__`."""
        sound = _waveform(window)
        kept = float(window.settings.get("audio_scale", 0.5))
        return {
            **super().arguments(window),
            "duration": float(window.settings.get("duration_seconds") or 0) or None,
            "audio": None if sound is None else sound[None],
            "init_noise_level": None if sound is None else max(1.0 - kept, _LEAST_NOISE),
        }


def _waveform(window: WindowRequest) -> torch.Tensor | None:
    """The given sound as (channels, samples)."""
    return None if window.audio is None else torch.from_numpy(window.audio).T.contiguous()
