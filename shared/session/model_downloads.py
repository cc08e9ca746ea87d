"""Models fetched ahead: one after the other in the background, each with its progress, until it is cancelled."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from shared.core.errors import Cancelled, WanGPError
from shared.engine.downloads import LOOKING_UP, DownloadProgress

Fetch = Callable[[str, Callable[[DownloadProgress], None], Callable[[], bool]], bool]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelDownload:
    """One model that is fetched: `progress` once it runs, `error` where it failed."""

    model_type: str
    status: Literal["waiting", "running", "failed"] = "waiting"
    progress: DownloadProgress = LOOKING_UP
    error: str = ""


class ModelDownloads:
    """The downloads asked for, in their order. What is done or cancelled is left out; from any thread."""

    def __init__(self, fetch: Fetch) -> None:
        """`fetch(model_type, on_progress, is_cancelled)` fetches what a model lacks."""
        self._fetch = fetch
        self._downloads: dict[str, ModelDownload] = {}
        self._cancelled: set[str] = set()
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self._is_working = False

    def all(self) -> list[ModelDownload]:
        """Those that wait, run or have failed."""
        with self._lock:
            return list(self._downloads.values())

    def start(self, model_type: str) -> bool:
        """Fetch a model, again where it failed; what has arrived before is kept. False: it is being fetched."""
        with self._lock:
            known = self._downloads.get(model_type)
            if known is not None and known.status != "failed":
                return False
            self._cancelled.discard(model_type)
            self._downloads.pop(model_type, None)
            self._downloads[model_type] = ModelDownload(model_type)
            begins, self._is_working = not self._is_working, True
        self._tell()
        if begins:
            threading.Thread(target=self._work, name="model-downloads", daemon=True).start()
        return True

    def cancel(self, model_type: str) -> bool:
        """End a download, or forget a failed one; what has arrived is kept for the next start."""
        with self._lock:
            known = self._downloads.get(model_type)
            if known is None:
                return False
            self._cancelled.add(model_type)
            if known.status != "running":
                del self._downloads[model_type]
        self._tell()
        return True

    def close(self) -> None:
        """End all of them."""
        for download in self.all():
            self.cancel(download.model_type)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call a function after each change; what comes back ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _work(self) -> None:
        while (download := self._next()) is not None:
            model_type = download.model_type
            try:
                self._fetch(model_type, self._progress_of(model_type), self._cancel_of(model_type))
            except Cancelled:
                self._end(model_type)
            except WanGPError as error:
                self._end(model_type, str(error))
            except Exception as error:
                _log.exception("The download of %s failed", model_type)
                self._end(model_type, f"An error of the program ({type(error).__name__}). The log has the details.")
            else:
                self._end(model_type)

    def _next(self) -> ModelDownload | None:
        with self._lock:
            found = next((one for one in self._downloads.values() if one.status == "waiting"), None)
            if found is None:
                self._is_working = False
                return None
            self._downloads[found.model_type] = replace(found, status="running")
        self._tell()
        return found

    def _progress_of(self, model_type: str) -> Callable[[DownloadProgress], None]:
        def take(progress: DownloadProgress) -> None:
            with self._lock:
                if model_type in self._downloads:
                    self._downloads[model_type] = replace(self._downloads[model_type], progress=progress)
            self._tell()

        return take

    def _cancel_of(self, model_type: str) -> Callable[[], bool]:
        return lambda: model_type in self._cancelled

    def _end(self, model_type: str, error: str = "") -> None:
        with self._lock:
            known = self._downloads.pop(model_type, None)
            if error and known is not None and model_type not in self._cancelled:
                self._downloads[model_type] = replace(known, status="failed", error=error)
            self._cancelled.discard(model_type)
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()
