"""From a model definition to a diffusers pipeline in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from shared.core.contracts import LoadOptions
from shared.core.errors import DownloadError, ModelNotFound
from shared.core.model_files import CHECKPOINT
from shared.core.model_folder import INDEX, parts_of
from shared.core.weight_plan import plan_weights
from shared.core.weight_sizes import part_sizes
from shared.core.weights import Weights, find_weights
from shared.diffusion.extra_parts import extra_parts
from shared.diffusion.offload import room_on
from shared.diffusion.parts import PartLoader
from shared.diffusion.processors import processors_without_torchvision

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_OVERFLOWING_VAES = ("AutoencoderKLWan", "AutoencoderKLQwenImage")
_SHORT_NAMES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "32": "float32", "16": "bfloat16"}


def load_pipeline(model: ModelDef, roots: Sequence[str], options: LoadOptions, classes: Sequence[str]) -> Any:
    """The diffusers pipeline of a checkpoint, on the CPU.

    Its class is the definition's `pipeline`, else the one that the checkpoint names; it must be one of `classes`
    (no classes: any of diffusers). Weights that single files give take the place of those in the folder; weights that
    would not fit are quantised as the options say. Raises DownloadError for files that are missing or damaged,
    ModelNotFound for a checkpoint of another kind, SettingsError for a quantisation that cannot be used.
    """
    weights = find_weights(model, roots, options)
    index = {} if weights.folder is None else read_index(model, weights.folder)
    pipeline_class = _pipeline_class(model, weights, index, classes)
    _quiet()
    place, types = weights.folder or weights.parts[CHECKPOINT], dtypes(model, options, index)
    try:
        if CHECKPOINT in weights.parts:
            pipe = _from_checkpoint(pipeline_class, weights, types, extra_parts(model, weights, types))
        else:
            parts = processors_without_torchvision(place, index) | _parts(model, roots, options, weights, index)
            parts |= extra_parts(model, weights, types)
            pipe = pipeline_class.from_pretrained(
                place, dtype=types, variant=weights.variant or None, local_files_only=True, **parts
            )
    except (OSError, ValueError, SafetensorError) as exc:
        raise DownloadError(f"{model.name}: a file in {place} is damaged or of another model. {exc}") from exc
    pipe.set_progress_bar_config(disable=True)
    return pipe


def read_index(model: ModelDef, folder: Path) -> dict[str, Any]:
    """What `model_index.json` says: the pipeline's class and the library and class of each part."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise DownloadError(f"{model.name}: {path} is damaged ({exc}).") from exc
    return index if isinstance(index, dict) else {}


def dtypes(model: ModelDef, options: LoadOptions, index: Mapping[str, Any] | None = None) -> dict[str, torch.dtype]:
    """The dtype of the weights, by part, for `from_pretrained`: what the options say, else the definition.

    A CPU computes in float32 unless told otherwise. VAEs that overflow in half precision stay in float32.
    """
    on_accelerator = not options.device.startswith("cpu")
    main = _dtype(options.dtype or (model.get("dtype") or "bfloat16" if on_accelerator else "float32"))
    vae = options.vae_dtype or (model.get("vae_dtype") if on_accelerator else "")
    vae_class = parts_of(index or {}).get("vae", ("", ""))[1]
    if not vae and main is torch.float16 and vae_class in _OVERFLOWING_VAES:
        vae = "float32"
    return {"default": main, "vae": _dtype(vae) if vae else main}


def _dtype(name: str) -> torch.dtype:
    return getattr(torch, _SHORT_NAMES.get(name, name))


def _parts(
    model: ModelDef, roots: Sequence[str], options: LoadOptions, weights: Weights, index: dict[str, Any]
) -> dict[str, Any]:
    """The parts from single files and the quantised ones."""
    plan = plan_weights(part_sizes(weights, index), model, options, room_on(options.device))
    if not weights.parts and not any(plan.kinds.values()):
        return {}
    return PartLoader(weights, index, plan.kinds, dtypes(model, options, index), options.device, roots).load()


def _from_checkpoint(
    pipeline_class: Any, weights: Weights, types: dict[str, torch.dtype], others: dict[str, Any]
) -> Any:
    """All parts from one file, with the settings of the folder's parts where there is one, and the `others`."""
    config = {} if weights.folder is None else {"config": str(weights.folder)}
    path = str(weights.parts[CHECKPOINT])
    return pipeline_class.from_single_file(path, dtype=types["default"], local_files_only=True, **config, **others)


def _pipeline_class(model: ModelDef, weights: Weights, index: dict[str, Any], classes: Sequence[str]) -> Any:
    found, wanted = str(index.get("_class_name", "")), str(model.get("pipeline") or "")
    name = wanted or found
    if classes and not index and not wanted:
        name = classes[0]
    if classes and name not in classes:
        raise ModelNotFound(f"{model.model_type}: {weights.folder} holds a {found}, not a {' or '.join(classes)}.")
    pipeline_class = getattr(diffusers, name, None)
    if not (isinstance(pipeline_class, type) and issubclass(pipeline_class, diffusers.DiffusionPipeline)):
        raise ModelNotFound(f"{model.model_type}: diffusers {diffusers.__version__} has no pipeline {name!r}.")
    return pipeline_class


def _quiet() -> None:
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # it asks for torchvision, which nothing here needs
