"""From a model definition to a diffusers pipeline in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from shared.core.checkpoints import checkpoint_folder, locate, missing_shards
from shared.core.contracts import LoadOptions, ModelFile
from shared.core.errors import DownloadError, ModelNotFound

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

INDEX = "model_index.json"
_SHORT_NAMES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "32": "float32"}


def load_pipeline(model: ModelDef, roots: Sequence[str], options: LoadOptions, classes: Sequence[str]) -> Any:
    """The diffusers pipeline of a checkpoint, on the CPU.

    Its class is the definition's `pipeline`, else the one that the checkpoint names; it must be one of `classes`
    (no classes: any of diffusers). Raises DownloadError for files that are missing or damaged, ModelNotFound for a
    checkpoint of another kind.
    """
    folder = find_checkpoint(model, roots)
    index = read_index(model, folder)
    pipeline_class = _pipeline_class(model, folder, index, classes)
    _check_parts(model, folder, index)
    _quiet()
    try:
        pipe = pipeline_class.from_pretrained(folder, dtype=dtypes(model, options), local_files_only=True)
    except (OSError, ValueError, SafetensorError) as exc:
        raise DownloadError(f"{model.name}: a file in {folder} is damaged or of another model. {exc}") from exc
    pipe.set_progress_bar_config(disable=True)
    return pipe


def find_checkpoint(model: ModelDef, roots: Sequence[str]) -> Path:
    """The folder with the checkpoint's index. Raises DownloadError that says where it was looked for."""
    folder, repo = checkpoint_folder(model), model.get("repo") or ""
    index = locate(ModelFile(f"{folder}/{INDEX}", repo), roots)
    if index is None:
        places = [str(Path(root) / folder) for root in roots] + ([f"the Hugging Face cache ({repo})"] if repo else [])
        advice = (
            f' Fetch them with: hf download {repo} --local-dir "{Path(roots[0]) / folder}"' if repo and roots else ""
        )
        raise DownloadError(f"{model.name}: its files are missing. Looked in {', '.join(places)}.{advice}")
    return index.parent


def read_index(model: ModelDef, folder: Path) -> dict[str, Any]:
    """What `model_index.json` says: the pipeline's class and the library and class of each part."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise DownloadError(f"{model.name}: {path} is damaged ({exc}).") from exc
    return index if isinstance(index, dict) else {}


def dtypes(model: ModelDef, options: LoadOptions) -> dict[str, torch.dtype]:
    """The dtype of the weights, by part, for `from_pretrained`: what the options say, else the definition.

    A CPU computes in float32 unless told otherwise.
    """
    on_accelerator = not options.device.startswith("cpu")
    main = _dtype(options.dtype or (model.get("dtype") or "bfloat16" if on_accelerator else "float32"))
    vae = options.vae_dtype or (model.get("vae_dtype") if on_accelerator else "float32")
    return {"default": main, "vae": _dtype(vae) if vae else main}


def _dtype(name: str) -> torch.dtype:
    return getattr(torch, _SHORT_NAMES.get(name, name))


def _pipeline_class(model: ModelDef, folder: Path, index: dict[str, Any], classes: Sequence[str]) -> Any:
    found, wanted = str(index.get("_class_name", "")), str(model.get("pipeline") or "")
    name = wanted or found
    if classes and name not in classes:
        raise ModelNotFound(f"{model.model_type}: {folder} holds a {found}, not a {' or '.join(classes)}.")
    pipeline_class = getattr(diffusers, name, None)
    if not (isinstance(pipeline_class, type) and issubclass(pipeline_class, diffusers.DiffusionPipeline)):
        raise ModelNotFound(f"{model.model_type}: diffusers {diffusers.__version__} has no pipeline {name!r}.")
    return pipeline_class


def _check_parts(model: ModelDef, folder: Path, index: dict[str, Any]) -> None:
    wanted = [part for part, kind in index.items() if isinstance(kind, list) and kind and kind[0] is not None]
    missing = [f"{part}/" for part in wanted if not (folder / part).is_dir()]
    missing += [f"{part}/{name}" for part in wanted for name in missing_shards(folder / part)]
    if missing:
        raise DownloadError(f"{model.name}: {folder} is incomplete; missing {', '.join(missing)}.")


def _quiet() -> None:
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # it asks for torchvision, which nothing here needs
