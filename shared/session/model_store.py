"""What callers can do about the files of models: how large, fetch, delete."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.core.errors import DownloadError, WanGPError
from shared.core.events import RefreshModels
from shared.core.model_def import ModelDef
from shared.engine.downloads import DownloadProgress
from shared.engine.model_check import Checked
from shared.engine.model_disk import DiskUse, disk_use
from shared.engine.model_store import Deleted, ModelState, ModelStore
from shared.session.model_downloads import ModelDownloads

if TYPE_CHECKING:
    from shared.session.runtime import Runtime

_log = logging.getLogger(__name__)


class ModelFiles:
    """The models on disk, for the sessions and pages of a runtime; from any thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._store = ModelStore(runtime.registry, runtime.config)
        self.downloads = ModelDownloads(self.download)
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def state(self, model_type: str) -> ModelState:
        """Whether a model is there, and its sizes as far as they are known. Raises ModelNotFound."""
        return self._store.state(self._model(model_type))

    def ask_size(self, model_type: str) -> None:
        """Find out in the background how much a missing model would download; told by RefreshModels when known."""
        with self._lock:
            if model_type in self._asked or self._store.line.is_offline:
                return
            self._asked.add(model_type)
        threading.Thread(target=self._ask, args=(self._model(model_type),), name="download-size", daemon=True).start()

    def _ask(self, model: ModelDef) -> None:
        try:
            self._store.ask(model)
        except WanGPError as error:
            _log.info("The size of %s is not known: %s", model.model_type, error)
            return
        self._tell_changed()

    def download(
        self,
        model_type: str,
        on_progress: Callable[[DownloadProgress], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> bool:
        """Fetch what a model lacks; False: nothing. Raises ModelNotFound, DownloadError, DiskFull, Cancelled."""
        model = self._model(model_type)
        try:
            return self._store.fetch(model, on_progress=on_progress, is_cancelled=is_cancelled)
        finally:
            self._tell_changed()

    def check(self, model_type: str) -> list[Checked]:
        """The files of a model beside what their publisher has. Raises ModelNotFound, DownloadError."""
        return list(self._store.check(self._model(model_type)))

    def delete(self, model_type: str) -> Deleted:
        """Delete a model's files that no other needs. Raises ModelNotFound, DownloadError when a task needs them."""
        model = self._model(model_type)
        tasks = self._runtime.queue.tasks()
        users = [task.id for task in tasks if task.status in ("running", "waiting") and _uses(task.params, model)]
        if users:
            raise DownloadError(
                f"{model.name}: task {', '.join(map(str, users))} of the queue needs it. Remove the task first."
            )
        self._runtime.release_model()
        deleted = self._store.delete(model)
        self._tell_changed()
        return deleted

    def disk_use(self) -> DiskUse:
        """What all models take on the disk."""
        return disk_use(self._store)

    def _model(self, model_type: str) -> ModelDef:
        return self._runtime.registry.get(model_type)

    def _tell_changed(self) -> None:
        self._runtime.queue.publish(RefreshModels(0, "", uuid.uuid4().hex))


class ModelFileMethods:
    """The questions and wishes of a session."""

    if TYPE_CHECKING:

        @property
        def runtime(self) -> Runtime:
            """Whose models are meant."""

    def get_model_storage(self, model_type: str) -> dict[str, Any]:
        """`status`, `on_disk_bytes` and `to_download_bytes` (None: not known yet). Raises ModelNotFound."""
        state = self.runtime.model_files.state(model_type)
        return {
            "model_type": model_type,
            "status": state.availability,
            "on_disk_bytes": state.on_disk_bytes,
            "to_download_bytes": state.to_download_bytes,
        }

    def download_model(
        self,
        model_type: str,
        on_progress: Callable[[DownloadProgress], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> bool:
        """Fetch what a model lacks, in the caller's thread; False: nothing was missing.

        Raises ModelNotFound, DownloadError, DiskFull, or Cancelled within a second of `is_cancelled()`.
        """
        return self.runtime.model_files.download(model_type, on_progress, is_cancelled)

    def verify_model(self, model_type: str) -> dict[str, Any]:
        """A model's files compared with their publisher's: how many are `right`, `wrong` (path -> what is wrong), and
        the `unknown`, of which only the size could be compared. Asks the Hub.

        Raises ModelNotFound, DownloadError where the Hub cannot be asked.
        """
        files = self.runtime.model_files.check(model_type)
        wrong = {str(file.path): file.problem for file in files if file.problem}
        unknown = [str(file.path) for file in files if not file.problem and not file.is_known]
        return {"right": len(files) - len(wrong) - len(unknown), "wrong": wrong, "unknown": unknown}

    def delete_model(self, model_type: str) -> dict[str, Any]:
        """Delete a model's files that no other model needs: `paths`, `freed_bytes`, and `kept` with the reasons.

        Raises ModelNotFound, DownloadError for a model that is not there, is in use or could not be fetched again.
        """
        deleted = self.runtime.model_files.delete(model_type)
        paths = [str(path) for path in deleted.paths]
        return {"paths": paths, "freed_bytes": deleted.freed_bytes, "kept": list(deleted.kept)}


def _uses(params: Any, model: ModelDef) -> bool:
    return model.model_type in (params.get("model_type"), params.get("base_model_type"))
