"""Finds the upsamplers and audio processors: the program's own and, the same way, those of plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.core.plugin_import import plugin_parts
from shared.core.plugin_info import PluginInfo
from shared.core.processors import AudioRequest, Processors
from shared.media.audio import read_audio
from shared.media.resize import MAX_SCALE, cover

Frame = NDArray[np.uint8]
_CHECKS = {
    "spatial_upsampler_handlers": ("name", "label", "factors", "upsample"),
    "temporal_upsampler_handlers": ("name", "label", "factors", "temporal_upsample"),
    "audio_processors": ("name", "label", "kind", "process"),
}


class Lanczos:
    """Enlarging by a Lanczos filter, by any factor from 1 to 8."""

    name, label, factors = "lanczos", "Lanczos", (1.5, 2)

    def accepts(self, factor: float) -> bool:
        """Whether the factor is in its range."""
        return 1 <= factor <= MAX_SCALE

    def upsample(self, frames: Iterable[Frame], width: int, height: int) -> Iterator[Frame]:
        """The frames at that size."""
        for frame in frames:
            yield np.asarray(cover(Image.fromarray(frame), width, height))


class CustomSoundtrack:
    """The soundtrack is the file given as `audio_source`."""

    name, label, kind, status = "custom", "A sound file", "soundtrack", "Audio remuxing"
    needs_prompt = needs_negative_prompt = False

    def process(self, request: AudioRequest) -> tuple[Any, int]:
        """The sound of that file."""
        sound = read_audio(request.settings["audio_source"])
        return sound.samples, sound.sampling_rate


def find_processors(plugins: Sequence[PluginInfo] = ()) -> Processors:
    """Everything there is. A plugin's does not take the place of one that is there already."""
    tables: list[dict[str, Any]] = [{"lanczos": Lanczos()}, {}, {"custom": CustomSoundtrack()}]
    broken: list[str] = []
    for table, (kind, needed) in zip(tables, _CHECKS.items(), strict=True):
        parts, wrong = plugin_parts(plugins, kind)
        broken += wrong
        for info, part in parts:
            lacking = [name for name in needed if not hasattr(part, name)]
            if lacking:
                broken.append(f"plugins/{info.id}: {kind}: it lacks {', '.join(lacking)}")
            elif part.name in table:
                broken.append(f'plugins/{info.id}: {kind}: the name "{part.name}" is taken')
            else:
                table[part.name] = part
    spatial, temporal, audio = tables
    return Processors(spatial, temporal, audio, tuple(broken))
