"""What the program asks of the general family: any pipeline of diffusers, by one JSON. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.general.definition import definition_of, kind_of
from models.general.signature import PipelineSignature, read_signature
from shared.core.checkpoints import hub_snapshot
from shared.core.errors import ModelNotFound
from shared.diffusion.family import Architecture, DiffusersFamily

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

ARCHITECTURE = "diffusers"
_TABLE = {ARCHITECTURE: Architecture((), driver="models.general.pipeline:GeneralPipeline")}


@dataclass(frozen=True)
class GeneralFamily(DiffusersFamily):
    """A definition with the architecture "diffusers" names its `pipeline`, a class of diffusers; the settings come
    from that class's own signature."""

    def definition(self, architecture: str, block: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What the pipeline's signature implies. Raises ModelNotFound for a JSON that names no pipeline."""
        return definition_of(_signature(block or {}))

    def settings(self, model: ModelDef) -> Sequence[Param]:
        """The settings that the pipeline's signature has room for."""
        signature = signature_of(model)
        return [param for param in super().settings(model) if _has_effect(param.name, signature)]

    def problems(self, settings: Mapping[str, Any], model: ModelDef) -> Sequence[str]:
        """What is wrong with the settings for this pipeline."""
        return [*super().problems(settings, model), *_missing_media(settings, model)]


def signature_of(model: ModelDef) -> PipelineSignature:
    """The signature of the model's pipeline. Raises ModelNotFound."""
    return _signature({**model.model, "name": model.name})


def _signature(block: Mapping[str, Any]) -> PipelineSignature:
    name = str(block.get("pipeline") or "") or _named_by_checkpoint(block)
    if not name:
        raise ModelNotFound(
            'its "model" block names no "pipeline": the class of diffusers that runs it, such as "MochiPipeline" '
            '("_class_name" in the repository\'s model_index.json).'
        )
    signature = read_signature(name)
    if signature is None:
        raise ModelNotFound(f'"pipeline": diffusers has no pipeline "{name}".')
    return signature


def _named_by_checkpoint(block: Mapping[str, Any]) -> str:
    """The class that a checkpoint on disk names: in `folder` (a whole path), or in the Hugging Face cache."""
    folder, repo = str(block.get("folder") or ""), str(block.get("repo") or "")
    snapshot = hub_snapshot(repo) if repo else None
    places = ([Path(folder)] if Path(folder).is_absolute() else []) + ([snapshot] if snapshot is not None else [])
    for place in places:
        try:
            index = json.loads((place / "model_index.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(index, dict):
            return str(index.get("_class_name") or "")
    return ""


_NEEDS: Mapping[str, str] = {"prompt": "prompt", "seed": "generator", "resolution": "height"}


def _has_effect(name: str, signature: PipelineSignature) -> bool:
    """Whether a setting that the definition offers reaches the pipeline."""
    if name == "resolution" and ("image" in signature or "video" in signature):
        return True  # the given pictures are brought to this size
    return name not in _NEEDS or _NEEDS[name] in signature


def _missing_media(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    signature = signature_of(model)
    if kind_of(signature) != "picture" or settings.get("mode") or model.get("image_ref_choices"):
        return
    if signature.requires("image") and settings.get("image_guide") is None and settings.get("image_start") is None:
        yield "image_guide: it is missing. This model works on a given picture."
    if signature.requires("mask_image") and settings.get("image_mask") is None:
        yield "image_mask: it is missing. This model repaints the white part of a mask."


handler = GeneralFamily("diffusers", "Any diffusers model", 3000, _TABLE)
