"""Processors of checkpoints (a tokenizer joined with an image processor) on machines without torchvision.

transformers reads pictures with Pillow where torchvision is missing, but its processors that also take clips, and
Pixtral's, insist on it. Here they are loaded without what needs it: pictures and text work, clips do not.
Where torchvision is installed nothing here does anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers.utils.import_utils import is_torchvision_available


def processors_without_torchvision(folder: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a checkpoint that diffusers cannot load by itself here, for `from_pretrained(folder, **parts)`.

    `index` is its model_index.json: a [library, class] for each part.
    """
    if is_torchvision_available():
        return {}
    found = {}
    for part, kind in index.items():
        if isinstance(kind, list) and kind and kind[0] == "transformers" and str(kind[1]).endswith("Processor"):
            loader = processor_class(kind[1])
            if loader is not getattr(transformers, kind[1]):
                found[part] = loader.from_pretrained(folder / part, local_files_only=True)
    return found


def processor_class(name: str) -> Any:
    """The class of transformers to use for a processor of that name: itself, one for pictures alone, a tokenizer."""
    wanted = getattr(transformers, name)
    if is_torchvision_available():
        return wanted
    if "torchvision" in (getattr(wanted, "_backends", None) or ()):
        return transformers.AutoTokenizer
    if "video_processor" in inspect.signature(wanted.__init__).parameters:
        return _pictures_only(wanted)
    return wanted


def _pictures_only(processor: Any) -> Any:
    attributes = [name for name in processor.get_attributes() if name != "video_processor"]
    own = {"__module__": processor.__module__, "get_attributes": classmethod(lambda _: attributes)}
    return type(processor.__name__, (processor,), own)
