"""Two audio processors: an even loudness, and fades at both ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.core.processors import AudioRequest

# Root mean square of -20 dB, and the peak that may be reached.
LOUDNESS, PEAK = 0.1, 0.98
FADE_S = 0.5


class Loudness:
    """An audio processor (shared/core/processors.py)."""

    name, label, kind, status = "loudness", "Even loudness", "audio_edit", "Evening out the loudness"
    needs_prompt = needs_negative_prompt = False

    def process(self, request: AudioRequest) -> tuple[Any, int]:
        """The sound at -20 dB, or as loud as its peaks allow."""
        level = float(np.sqrt(np.mean(np.square(request.samples))))
        if level == 0:
            return request.samples, request.sampling_rate
        gain = min(LOUDNESS / level, PEAK / float(np.abs(request.samples).max()))
        return (request.samples * gain).astype(np.float32), request.sampling_rate


class Fade:
    """An audio processor that fades in and out over half a second."""

    name, label, kind, status = "fade", "Fade in and out", "audio_edit", "Fading"
    needs_prompt = needs_negative_prompt = False

    def process(self, request: AudioRequest) -> tuple[Any, int]:
        """The sound with both ends faded; a short one over half its length each."""
        count = min(round(FADE_S * request.sampling_rate), len(request.samples) // 2)
        faded = np.array(request.samples, np.float32)
        ramp = np.linspace(0, 1, count, dtype=np.float32)[:, None]
        faded[:count] *= ramp
        faded[len(faded) - count :] *= ramp[::-1]
        return faded, request.sampling_rate


processors = [Loudness(), Fade()]
