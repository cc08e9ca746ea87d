"""Parts of a pipeline that its checkpoint does not bring along: ControlNets, a language model of another publisher.

A definition names them under `extra_parts`, by part: `class` of `library` ("diffusers", or "transformers"), where it
lies (`repo`, `folder`, `subfolder`; `file` for a single file of weights, whose configuration is then `config`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers

from shared.core.errors import ModelNotFound

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.weights import Weights

_LIBRARIES = {"diffusers": diffusers, "transformers": transformers}


def extra_parts(model: ModelDef, weights: Weights, dtypes: Mapping[str, torch.dtype]) -> dict[str, Any]:
    """The parts that `extra_parts` of the definition names, loaded from where `weights` found them."""
    wanted = model.get("extra_parts") or {}
    found = {}
    for part, place in weights.extra_parts.items():
        spec = wanted[part]
        part_class = _class_of(model, part, spec)
        dtype = dtypes.get(part, dtypes["default"])
        options = dict(spec.get("options") or {})
        if place.is_dir():
            found[part] = _from_folder(part_class, place, dtype, options)
        else:
            found[part] = _from_file(part_class, place, dtype, spec.get("config") or {})
    return found


def _class_of(model: ModelDef, part: str, spec: Mapping[str, Any]) -> Any:
    library, name = str(spec.get("library") or "diffusers"), str(spec.get("class") or "")
    found = getattr(_LIBRARIES.get(library), name, None)
    if found is None:
        raise ModelNotFound(f'{model.model_type}: extra_parts: {part}: {library} has no class "{name}".')
    return found


def _from_folder(part_class: Any, folder: Path, dtype: torch.dtype, options: Mapping[str, Any]) -> Any:
    is_network = isinstance(part_class, type) and issubclass(part_class, torch.nn.Module)
    weights = {"dtype": dtype} if is_network else {}
    return part_class.from_pretrained(folder, local_files_only=True, **weights, **options)


def _from_file(part_class: Any, file: Path, dtype: torch.dtype, config: Mapping[str, Any]) -> Any:
    """A network from its first publisher's single file; diffusers reads the configuration from a folder."""
    with tempfile.TemporaryDirectory(prefix="wangp_config_") as folder:
        named = {"_class_name": part_class.__name__, **config}
        (Path(folder) / "config.json").write_text(json.dumps(named), encoding="utf-8")
        return part_class.from_single_file(str(file), config=folder, dtype=dtype, local_files_only=True)
