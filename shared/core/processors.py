"""What works on finished frames and sound: the seams for upsamplers and audio processors, and the table of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shared.core.errors import SettingsError

AudioKind = Literal["soundtrack", "voice_replacement", "audio_edit"]


class SpatialUpsampler(Protocol):
    """Enlarges pictures and clips. A setting's value is its `name` with a factor: "lanczos1.5"."""

    name: str
    label: str
    factors: Sequence[float]
    """Those that a form offers."""

    def accepts(self, factor: float) -> bool:
        """Whether it can enlarge by this factor."""

    def upsample(self, frames: Iterable[Any], width: int, height: int) -> Iterator[Any]:
        """Frames (H,W,3) uint8 at the size asked for, one after the other."""


class TemporalUpsampler(Protocol):
    """Draws frames in between. A setting's value is its `name` with a whole factor: "rife2"."""

    name: str
    label: str
    factors: Sequence[int]

    def temporal_upsample(
        self, sample: Any, previous_last_frame: Any, fps: float, factor: int
    ) -> tuple[Any, Any, float]:
        """Frames (F,H,W,3) uint8 with those in between, the last of them, and the new frame rate.

        A clip comes in parts: `previous_last_frame` is the frame before this part (None for the first), and is not
        part of what is returned.
        """


@dataclass(frozen=True)
class AudioRequest:
    """What an audio processor works on.

    `samples` float32 (samples, channels) at `sampling_rate` is the sound there is (None: none), `video` the path of the
    clip that it belongs to ("": a sound alone). `tell(text, done, total)` shows how far it is and raises Cancelled once
    the task shall end.
    """

    samples: Any
    sampling_rate: int
    tell: Callable[[str, int | None, int | None], None]
    video: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


class AudioProcessor(Protocol):
    """Makes or changes sound. A setting's value is its `name`."""

    name: str
    label: str
    kind: AudioKind
    needs_prompt: bool
    needs_negative_prompt: bool
    status: str

    def process(self, request: AudioRequest) -> tuple[Any, int]:
        """The new sound: float32 (samples, channels), and its sampling rate."""


@dataclass(frozen=True)
class Processors:
    """All there are, by name; `broken` tells what could not be loaded."""

    spatial: Mapping[str, SpatialUpsampler] = field(default_factory=dict)
    temporal: Mapping[str, TemporalUpsampler] = field(default_factory=dict)
    audio: Mapping[str, AudioProcessor] = field(default_factory=dict)
    broken: Sequence[str] = ()

    def spatial_for(self, value: str) -> tuple[SpatialUpsampler, float] | None:
        """Method and factor of a `spatial_upsampling`; None for "". Raises SettingsError for one that is not here."""
        return _method("spatial_upsampling", value, self.spatial, self.spatial_choices())

    def temporal_for(self, value: str) -> tuple[TemporalUpsampler, int] | None:
        """Method and factor of a `temporal_upsampling`; None for "". Raises SettingsError for one that is not here."""
        found = _method("temporal_upsampling", value, self.temporal, self.temporal_choices())
        return None if found is None else (found[0], int(found[1]))

    def audio_for(self, setting: str, value: str, kinds: Sequence[AudioKind]) -> AudioProcessor | None:
        """The processor of a `postprocess_audio` or `replace_voice_method`; None for "". Raises SettingsError."""
        processor = self.audio.get(value)
        if not value or (processor is not None and processor.kind in kinds):
            return processor
        known = [name for name, one in self.audio.items() if one.kind in kinds]
        raise SettingsError(_not_here(setting, value, known))

    def spatial_choices(self) -> list[tuple[str, str]]:
        """(label, value) of what a form offers."""
        return _choices(self.spatial)

    def temporal_choices(self) -> list[tuple[str, str]]:
        """(label, value) of what a form offers."""
        return _choices(self.temporal)

    def audio_choices(self, kinds: Sequence[AudioKind]) -> list[tuple[str, str]]:
        """(label, value) of the processors of these kinds."""
        return [("Off", ""), *((one.label, name) for name, one in self.audio.items() if one.kind in kinds)]


def _choices(methods: Mapping[str, Any]) -> list[tuple[str, str]]:
    offered = [
        (f"{method.label} x {factor:g}", f"{name}{factor:g}")
        for name, method in methods.items() for factor in method.factors
    ]  # fmt: skip
    return [("Off", ""), *offered]


def _method(setting: str, value: str, methods: Mapping[str, Any], choices: Sequence[tuple[str, str]]) -> Any:
    value = value.strip()
    if not value:
        return None
    for name in sorted(methods, key=len, reverse=True):
        factor = _number(value.removeprefix(name)) if value.startswith(name) else None
        if factor is None:
            continue
        if not _takes(methods[name], factor):
            break
        return methods[name], factor
    raise SettingsError(_not_here(setting, value, [one for _, one in choices if one]))


def _takes(method: Any, factor: float) -> bool:
    return bool(method.accepts(factor)) if hasattr(method, "accepts") else factor in method.factors


def _number(text: str) -> float | None:
    try:
        return float(text) if text[:1].isdigit() else None
    except ValueError:
        return None


def _not_here(setting: str, value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=1)
    accepted = ", ".join(f'"{name}"' for name in known) or "none"
    hint = f' Did you mean "{near[0]}"?' if near else ""
    return f'{setting}: "{value}" is not available here. Use "" (off) or one of {accepted}.{hint}'
