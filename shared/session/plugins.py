"""The session of a plugin that lives in the served page, and progress shown by a callable of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.core.results import GenerationError, ProgressUpdate
from shared.core.state import headless_state
from shared.session.runtime import NO_PAGE, Runtime
from shared.session.session import WanGPSession


def create_gradio_webui_session(plugin: Any) -> WanGPSession:
    """A session whose jobs appear in the page's queue, for a plugin of this process.

    The plugin's `state` is used where it has one (a dict), else a state of its own. Raises RuntimeError where no page
    is served.
    """
    runtime = Runtime.current()
    if runtime is None or not runtime.is_server:
        raise RuntimeError(NO_PAGE)
    state = getattr(plugin, "state", None)
    return runtime.session(state=state if isinstance(state, dict) else headless_state())


def create_gradio_progress_callbacks(progress: Callable[..., Any]) -> PageProgress:
    """Callbacks that move a progress bar: `progress(share, desc=text)`, as `gr.Progress()` takes it."""
    return PageProgress(progress)


class PageProgress:
    """Shows the share done (0..1, the whole job's) with the last status; `error` keeps the last error."""

    def __init__(self, progress: Callable[..., Any]) -> None:
        self._progress, self._share = progress, 0.0
        self.error: GenerationError | None = None

    def on_status(self, text: str) -> None:
        """A status line, at the share reached."""
        if text.strip():
            self._progress(self._share, desc=text.strip())

    def on_progress(self, update: ProgressUpdate) -> None:
        """A step."""
        done = update.progress if update.job_progress is None else update.job_progress
        self._share = max(0.0, min(1.0, done / 100))
        self._progress(self._share, desc=update.status or "Generating...")

    def on_error(self, error: GenerationError) -> None:
        """One failed task."""
        self.error = error
