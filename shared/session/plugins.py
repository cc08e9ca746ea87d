"""The session of a plugin that lives in the served page, and progress shown by a callable of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shared.core.results import GenerationError, ProgressUpdate
from shared.core.state import headless_state
from shared.session.job import SessionJob
from shared.session.runtime import CONFIG_NAME, NO_PAGE, Runtime
from shared.session.session import WanGPSession
from shared.session.sources import Submission

FindState = Callable[[], dict[str, Any] | None]


class PluginSession(WanGPSession):
    """A session whose jobs appear in the page's queue, one job at a time in each window.

    `find_state` gives the state dict of the window whose event is being answered; outside of one (a thread of the
    plugin's own) the session has a state of its own.
    """

    def __init__(self, runtime: Runtime, state: dict[str, Any], find_state: FindState | None = None) -> None:
        super().__init__(
            root=runtime.root,
            config_path=runtime.config_dir / CONFIG_NAME,
            cli_args=runtime.cli_args,
            console_output=False,
            webui_state=state,
        )
        self._find_state = find_state or (lambda: None)
        self._windows: dict[int, WanGPSession] = {}

    def cancel(self) -> None:
        """Cancel the job of this window; outside of one, the jobs of all."""
        window = self._find_state()
        chosen = [self._windows.get(id(window))] if window is not None else [*self._windows.values(), None]
        for session in chosen:
            if session is not None:
                session.cancel()
        if window is None or id(window) not in self._windows:
            super().cancel()

    def _start(self, submissions: Sequence[Submission], callbacks: Any) -> SessionJob:
        state = self._find_state()
        if state is None:
            return super()._start(submissions, callbacks)
        with self._lock:
            self._windows = {key: session for key, session in self._windows.items() if session.is_busy}
            session = self._windows.setdefault(id(state), self.runtime.session(state=state))
        return session._start(submissions, callbacks)


def create_gradio_webui_session(plugin: Any, find_state: FindState | None = None) -> WanGPSession:
    """A session whose jobs appear in the page's queue, for a plugin of this process.

    The plugin's `state` is used where it has one (a dict), else a state of its own. With `find_state` the window that
    an event comes from has its own job. Raises RuntimeError where no page is served.
    """
    runtime = Runtime.current()
    if runtime is None or not runtime.is_server:
        raise RuntimeError(NO_PAGE)
    state = getattr(plugin, "state", None)
    return PluginSession(runtime, state if isinstance(state, dict) else headless_state(), find_state)


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
