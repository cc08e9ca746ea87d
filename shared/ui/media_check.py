"""What is wrong with the pictures, clips and sounds of a form, found before the task is queued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.errors import MediaError
from shared.core.params import Param
from shared.media.audio import read_audio
from shared.media.images import load_image
from shared.media.video import probe

_READERS: Mapping[str, Any] = {"image": load_image, "video": probe, "audio": read_audio}


def media_problems(settings: Mapping[str, Any], params: Mapping[str, Param]) -> list[str]:
    """A sentence for each file that is missing, damaged, too large, or not what its field takes."""
    found = []
    for name, param in params.items():
        read = _READERS.get(param.kind) if param.is_media else None
        value = settings.get(name)
        if read is None or not value:
            continue
        for source in value if isinstance(value, (list, tuple)) else [value]:
            try:
                read(source)
            except MediaError as error:
                found.append(f"{name}: {error}")
    return found
