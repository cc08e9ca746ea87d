"""Sound that goes into a model, and sound that comes out of it window by window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import MediaError, SettingsError
from shared.core.processors import AudioProcessor, AudioRequest
from shared.engine.generate_inputs import named, values_of
from shared.media.audio import AudioClip, read_audio, resampled

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.engine.generate_report import Reporter

Samples = NDArray[np.float32]

# Where two windows meet, the sound of the first fades into that of the second, which was made over the same frames.
FADE_S = 0.02
# Root mean square that the letter N brings a sound to (-20 dB), and the peak it may reach.
LOUDNESS, PEAK = 0.1, 0.98


def load_sound(settings: Mapping[str, Any], model: ModelDef) -> AudioClip | None:
    """The sound that the letters of audio_prompt_type ask for, at the model's sampling rate; None without any.

    A takes `audio_guide`, K the track of the control clip; N evens out the loudness. Raises MediaError.
    """
    letters = str(settings.get("audio_prompt_type") or "")
    name = "audio_guide" if "A" in letters else "video_guide" if "K" in letters else ""
    if not name:
        return None
    sources = values_of(settings, name)
    rate, channels = model.get("audio_sampling_rate"), model.get("audio_channels")

    def read() -> AudioClip:
        if not sources:
            letter = "A" if name == "audio_guide" else "K"
            raise MediaError(f"no sound is given ({letter} in audio_prompt_type asks for one).")
        return read_audio(sources[0], rate and int(rate), channels=channels and int(channels))

    sound = named(name, read)
    return evened(sound) if "N" in letters else sound


def evened(sound: AudioClip) -> AudioClip:
    """The sound at a common loudness."""
    level = float(np.sqrt(np.mean(np.square(sound.samples))))
    if level == 0:
        return sound
    gain = min(LOUDNESS / level, PEAK / float(np.abs(sound.samples).max()))
    return AudioClip((sound.samples * gain).astype(np.float32), sound.sampling_rate)


def excerpt(sound: AudioClip, first: int, num_frames: int, fps: float) -> AudioClip:
    """The sound beside `num_frames` frames from frame `first` on, which may be negative; silent past its ends."""
    rate = sound.sampling_rate
    start, end = round(first * rate / fps), round((first + num_frames) * rate / fps)
    samples = np.zeros((end - start, sound.samples.shape[1]), np.float32)
    low, high = max(start, 0), min(end, len(sound.samples))
    if low < high:
        samples[low - start : high - start] = sound.samples[low:high]
    return AudioClip(samples, rate)


def processed(
    processor: AudioProcessor, sound: AudioClip | None, settings: Mapping[str, Any], report: Reporter, video: str = ""
) -> AudioClip:
    """The sound that an audio processor makes of this one. Raises SettingsError where it needs a prompt or a sound."""
    prompts = [str(settings.get(f"postprocess_audio_{name}") or "") for name in ("prompt", "neg_prompt")]
    if processor.needs_prompt and not prompts[0].strip():
        raise SettingsError(f"postprocess_audio_prompt: {processor.label} needs to be told what to make.")
    if processor.kind != "soundtrack" and sound is None:
        raise MediaError(f"{processor.label} works on sound, and there is none.")
    samples, rate = (None, 0) if sound is None else (sound.samples, sound.sampling_rate)
    report.phase(processor.status)
    request = AudioRequest(
        samples, rate, lambda text, done, total: report.phase(text or processor.status, done, total), video,
        prompts[0], prompts[1], int(settings.get("seed") or 0), settings,
    )  # fmt: skip
    made, made_rate = processor.process(request)
    return AudioClip(as_samples(made), int(made_rate))


class Soundtrack:
    """The sound of one sample, joined from what its windows make."""

    def __init__(self, fps: float, before: AudioClip | None = None, num_frames: int = 0) -> None:
        """`before` is the sound of a clip that is continued, `num_frames` its frames."""
        self._fps, self._num_frames = fps, num_frames
        self._clip = before
        self._has_new = False

    def add(self, audio: Any, sampling_rate: int | None, given: int, new: int) -> None:
        """Append a window's sound (samples, channels): its first `given` frames are there already, `new` follow."""
        if audio is not None and sampling_rate:
            self._append(as_samples(audio), int(sampling_rate), given, new)
        self._num_frames += new

    def clip(self) -> AudioClip | None:
        """All of it, as long as the frames; silence where a window made none."""
        if self._clip is None:
            return None
        return excerpt(self._clip, 0, self._num_frames, self._fps) if self._has_new and self._fps else self._clip

    def _append(self, samples: Samples, rate: int, given: int, new: int) -> None:
        self._has_new = True
        if self._clip is None:
            self._clip = AudioClip(np.zeros((0, samples.shape[1]), np.float32), rate)
        here = resampled(self._clip, rate, samples.shape[1])
        if not self._fps:
            self._clip = AudioClip(np.concatenate([here.samples, samples]), rate)
            return
        samples = excerpt(AudioClip(samples, rate), 0, given + new, self._fps).samples  # silence where it ends too soon
        seam = round(self._num_frames * rate / self._fps)
        end = round((self._num_frames + new) * rate / self._fps)
        skipped = round(given * rate / self._fps)
        before, after = excerpt(here, 0, self._num_frames, self._fps).samples, samples[skipped : skipped + end - seam]
        fade = min(round(FADE_S * rate), skipped, len(before))
        if fade:
            weight = np.linspace(0, 1, fade, dtype=np.float32)[:, None]
            overlapped = samples[skipped - fade : skipped]
            before[len(before) - fade :] = (1 - weight) * before[len(before) - fade :] + weight * overlapped
        self._clip = AudioClip(np.concatenate([before, after]), rate)


def as_samples(audio: Any) -> Samples:
    """Sound from a model as float32 (samples, channels)."""
    samples = np.asarray(audio, dtype=np.float32)
    return samples[:, None] if samples.ndim == 1 else samples
