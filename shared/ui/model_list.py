"""The models as the finder lists them: what each makes and takes, its place on disk, its cost on this machine."""

from __future__ import annotations

from typing import Any

from shared.core.errors import WanGPError
from shared.ui.defaults import default_settings
from shared.ui.texts import memory_line


def model_rows(runtime: Any) -> list[dict[str, Any]]:
    """One row a model, in the order in which they are shown; sizes in bytes, None where they are not known yet."""
    registry = runtime.registry
    models = [model for model in registry.models().values() if model.get("visible", True)]
    return [_row(runtime, model) for model in models]


def _row(runtime: Any, model: Any) -> dict[str, Any]:
    told = runtime.catalogue.metadata(model)
    state = runtime.model_files.state(model.model_type)
    return {
        "id": model.model_type,
        "name": model.name,
        "family": model.family,
        "family_label": told["family_label"],
        "base": told["base_model_type"] if told["finetune"] else "",
        "description": model.description,
        "makes": told["outputs"],
        "takes": told["inputs"],
        "availability": state.availability,
        "on_disk": state.on_disk_bytes,
        "to_download": state.to_download_bytes,
        "seconds": runtime.history.estimates.seconds(default_settings(runtime, model.model_type)),
    }


def model_cost(runtime: Any, model_type: str) -> dict[str, Any]:
    """What the model's own settings need of this machine's memory, and what a first use downloads.

    A size that is not known yet is asked for in the background. Raises ModelNotFound.
    """
    state = runtime.model_files.state(model_type)
    if state.availability != "available" and state.to_download_bytes is None:
        runtime.model_files.ask_size(model_type)
    try:
        need = runtime.memory_need(default_settings(runtime, model_type))
    except WanGPError:
        need = None
    return {
        "memory": memory_line(need.text) if need is not None else "",
        "fits": need.fits if need is not None else True,
        "to_download": state.to_download_bytes,
    }
