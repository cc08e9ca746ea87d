"""From a model definition to a diffusers pipeline in memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from models.wan.architectures import checkpoint_folder
from shared.core.checkpoints import locate, missing_shards
from shared.core.contracts import LoadOptions, ModelFile
from shared.core.errors import DownloadError, ModelNotFound

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

PIPELINES = ("WanPipeline", "WanImageToVideoPipeline")


def load_diffusers(model: ModelDef, roots: Sequence[str], options: LoadOptions) -> Any:
    """The pipeline that the checkpoint names, on the CPU. Raises DownloadError, ModelNotFound."""
    folder = _find_checkpoint(model, roots)
    index = _read_index(model, folder)
    name = index.get("_class_name", "")
    if name not in PIPELINES:
        raise ModelNotFound(f"{model.model_type}: {folder} holds a {name}, not a {' or '.join(PIPELINES)}.")
    _check_parts(model, folder, index)
    _quiet()
    try:
        pipe = getattr(diffusers, name).from_pretrained(folder, dtype=_dtypes(model, options), local_files_only=True)
    except (OSError, ValueError, SafetensorError) as exc:
        raise DownloadError(f"{model.name}: a file in {folder} is damaged or of another model. {exc}") from exc
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _read_index(model: ModelDef, folder: Path) -> dict[str, Any]:
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise DownloadError(f"{model.name}: {path} is damaged ({exc}).") from exc
    return index if isinstance(index, dict) else {}


def _quiet() -> None:
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # it asks for torchvision, which nothing here needs
    # Its warnings are about frame counts that are right: it expects 4k+1 even of a VAE that packs no frames.
    for module in ("pipeline_wan", "pipeline_wan_i2v"):
        logging.getLogger(f"diffusers.pipelines.wan.{module}").setLevel(logging.ERROR)


def _find_checkpoint(model: ModelDef, roots: Sequence[str]) -> Path:
    folder, repo = checkpoint_folder(model), model.get("repo") or ""
    index = locate(ModelFile(f"{folder}/model_index.json", repo), roots)
    if index is None:
        places = [str(Path(root) / folder) for root in roots] + ([f"the Hugging Face cache ({repo})"] if repo else [])
        advice = (
            f' Fetch them with: hf download {repo} --local-dir "{Path(roots[0]) / folder}"' if repo and roots else ""
        )
        raise DownloadError(f"{model.name}: its files are missing. Looked in {', '.join(places)}.{advice}")
    return index.parent


def _check_parts(model: ModelDef, folder: Path, index: dict[str, Any]) -> None:
    wanted = [part for part, kind in index.items() if isinstance(kind, list) and kind[0] is not None]
    missing = [f"{part}/" for part in wanted if not (folder / part).is_dir()]
    missing += [f"{part}/{name}" for part in wanted for name in missing_shards(folder / part)]
    if missing:
        raise DownloadError(f"{model.name}: {folder} is incomplete; missing {', '.join(missing)}.")


def _dtypes(model: ModelDef, options: LoadOptions) -> dict[str, torch.dtype]:
    on_gpu = options.device.startswith("cuda")
    name = options.dtype or (model.get("dtype") or "bfloat16" if on_gpu else "float32")
    main = getattr(torch, {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(name, name))
    return {"default": main, "vae": torch.float32 if main is torch.float16 or not on_gpu else main}
