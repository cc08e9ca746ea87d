"""The stage of a task that fetches what is missing: the model, and the LoRAs of the settings."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from shared.core.contracts import LoadOptions
from shared.core.events import RefreshModels
from shared.core.model_def import ModelDef
from shared.engine.downloads import DownloadProgress
from shared.engine.generate_report import Reporter
from shared.engine.services import Services


def fetch_missing(
    model: ModelDef, settings: Mapping[str, Any], options: LoadOptions, services: Services, report: Reporter
) -> bool:
    """Fetch what the task lacks; whether anything was. Raises DownloadError, DiskFull, SettingsError, Cancelled."""

    def tell(progress: DownloadProgress) -> None:
        report.downloading(f"Downloading {model.name}", progress.text, progress.done, progress.total)

    report.checkpoint()
    if not services.store.fetch(model, options, settings, tell, report.is_cancelled):
        return False
    report.emit(RefreshModels, token=uuid.uuid4().hex)
    return True
