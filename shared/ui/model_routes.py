"""The addresses of the models' tab under /wangp/models: what is on disk, and downloads."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from shared.core.errors import SettingsError, WanGPError
from shared.ui.catalogue import family_choices
from shared.ui.result_routes import NEVER, Values


def add_models(router: APIRouter, runtime: Any) -> None:
    """All addresses of the models."""

    @router.get("/models")
    def models() -> JSONResponse:
        return JSONResponse(model_list(runtime), headers=NEVER)

    @router.post("/models/{action}")
    async def command(action: str, values: Values) -> JSONResponse:
        try:
            return JSONResponse(await run_in_threadpool(model_command, runtime, action, str(values.get("model_type"))))
        except WanGPError as error:
            return JSONResponse({"text": str(error)}, 409)


def model_list(runtime: Any) -> dict[str, Any]:
    """Every model with its sizes, in the order of the picker; bytes, None for what is not known yet."""
    use, labels = runtime.model_files.disk_use(), {name: label for label, name in family_choices(runtime.registry)}
    rows = []
    for model in runtime.registry.models().values():
        on_disk = use.models[model.model_type]
        rows.append({
            "id": model.model_type, "name": model.name, "description": model.description,
            "family": labels.get(model.family, model.family), "availability": on_disk.availability,
            "bytes": on_disk.on_disk_bytes, "own_bytes": on_disk.own_bytes, "fetchable": on_disk.is_fetchable,
            "to_download": on_disk.to_download_bytes, "half_bytes": on_disk.half_bytes,
        })  # fmt: skip
    return {"models": rows, "total_bytes": use.total_bytes, "free_bytes": use.free_bytes}


def model_command(runtime: Any, action: str, model_type: str) -> dict[str, Any]:
    """Do what a button of the tab asks. Raises WanGPError."""
    files = runtime.model_files
    runtime.registry.get(model_type)
    match action:
        case "download":
            return {"done": files.downloads.start(model_type)}
        case "cancel":
            return {"done": files.downloads.cancel(model_type)}
        case "ask_size":
            files.ask_size(model_type)
            return {"done": True}
        case "delete":
            deleted = files.delete(model_type)
            return {"done": True, "freed_bytes": deleted.freed_bytes, "kept": list(deleted.kept)}
    raise SettingsError(f'"{action}" is no command of the models.')


def download_row(download: Any) -> dict[str, Any]:
    """One download as the browser draws it."""
    progress = download.progress
    return {
        "id": download.model_type, "status": download.status, "error": download.error, "done": progress.done,
        "total": progress.total, "speed": progress.speed, "left_s": progress.left_s, "files": progress.files,
        "files_done": progress.files_done, "text": progress.text, "trouble": progress.trouble,
    }  # fmt: skip
