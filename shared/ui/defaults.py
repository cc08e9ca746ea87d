"""The settings that a model starts with on the page: its own, those saved as default, those of the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.core.errors import WanGPError
from shared.core.paths import write_atomic
from shared.core.settings import canonical, complete
from shared.core.settings_io import export_settings

log = logging.getLogger(__name__)


def default_settings(runtime: Any, model_type: str) -> dict[str, Any]:
    """Every setting of the model as a new form shows it."""
    model = runtime.registry.get(model_type)
    settings = complete({}, model)
    settings.update(_saved(runtime, model_type))
    given = {"seed": runtime.args.seed, "video_length": runtime.args.frames, "num_inference_steps": runtime.args.steps}
    settings.update({name: value for name, value in given.items() if value not in (0, -1, None)})
    return settings


def default_path(runtime: Any, model_type: str) -> Path:
    """Where the user's own default of a model is kept."""
    folder = Path(getattr(runtime.args, "settings", "") or "settings")
    return (folder if folder.is_absolute() else Path(runtime.config_dir) / folder) / f"{model_type}_settings.json"


def save_default(runtime: Any, model_type: str, settings: Mapping[str, Any]) -> Path:
    """Keep these settings as what the model starts with. Raises WanGPError."""
    model = runtime.registry.get(model_type)
    path = default_path(runtime, model_type)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(export_settings(dict(settings), model), ensure_ascii=False, indent=4)
    write_atomic(path, text.encode())
    return path


def _saved(runtime: Any, model_type: str) -> dict[str, Any]:
    path = default_path(runtime, model_type)
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise WanGPError("it holds no settings")
    except (OSError, ValueError, WanGPError) as error:
        log.warning("The saved default settings %s cannot be read: %s", path, error)
        return {}
    return canonical(found)
