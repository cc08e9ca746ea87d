"""The facade that every caller uses."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from shared.core.flags import parse_flags
from shared.core.params import Param
from shared.core.results import GenerationResult
from shared.core.task import Task
from shared.session.callbacks import Listener
from shared.session.catalogue import CatalogueMethods
from shared.session.checks import model_params
from shared.session.direct import DirectTransport
from shared.session.edits import (
    build_audio_postprocessing_settings,
    build_audio_remux_settings,
    build_media_postprocessing_settings,
)
from shared.session.job import SessionJob
from shared.session.memory import MemoryNeed
from shared.session.model_store import ModelFileMethods
from shared.session.run import Entry, JobRun
from shared.session.runtime import CONFIG_NAME, NO_PAGE, PROGRAM_ROOT, Runtime
from shared.session.sources import Submission, read_file, read_submissions
from shared.session.transport import Transport
from shared.session.webui import WebuiTransport


class WanGPSession(CatalogueMethods, ModelFileMethods):
    """Submits tasks and answers questions about models; one job at a time.

    With a page's state dict as `webui_state` the tasks go to that page's queue, `output_dir` is not used and no
    console lines come. Raises ValueError for a configuration file of another name, RuntimeError when this process
    already runs WanGP with another root, configuration or flags.
    """

    def __init__(
        self,
        *,
        root: str | PathLike[str] | None = None,
        config_path: str | PathLike[str] | None = None,
        output_dir: str | PathLike[str] | None = None,
        callbacks: Any = None,
        cli_args: Sequence[Any] = (),
        console_output: bool = True,
        console_isatty: bool = True,
        webui_state: dict[str, Any] | None = None,
    ) -> None:
        self._state = webui_state if isinstance(webui_state, dict) else None
        page = Runtime.current() if self._state is not None else None
        default_root = page.root if page is not None else PROGRAM_ROOT
        self._root = Path(root).expanduser().resolve() if root else default_root
        self._cli_args = page.cli_args if page is not None else tuple(str(argument) for argument in cli_args)
        folder = page.config_dir if page is not None else parse_flags(self._cli_args)[0].config or self._root
        self._config_path = Path(config_path or Path(folder) / CONFIG_NAME).expanduser().resolve()
        if self._config_path.name != CONFIG_NAME:
            raise ValueError(f"config_path: {self._config_path} is not accepted. The file must be named {CONFIG_NAME}.")
        self._output_dir = Path(output_dir).expanduser().resolve() if output_dir else None
        self._callbacks = callbacks
        self._console_output, self._console_isatty = console_output, console_isatty
        self._active: SessionJob | None = None
        self._lock = threading.Lock()
        Runtime.check(self._root, self._config_path.parent, self._cli_args)

    @property
    def runtime(self) -> Runtime:
        """The process's runtime, started when there is none yet."""
        if self._state is not None:
            page = Runtime.current()
            if page is None or not page.owns(self._state):
                raise RuntimeError(NO_PAGE)
            return page
        runtime = Runtime.open(self._root, self._config_path.parent, self._cli_args)
        if self._console_output and not runtime.is_server:
            runtime.show_banner()
        return runtime

    def ensure_ready(self) -> WanGPSession:
        """Start the runtime; returns the session."""
        _ = self.runtime
        return self

    def submit(self, source: Any, callbacks: Any = None) -> SessionJob:
        """Start a job from a settings dict, a manifest (list, or dict with `tasks`), a .json or a saved queue .zip.

        Raises TypeError for another kind of source, FileNotFoundError and RuntimeError for a file that is missing
        or cannot be read, ValueError for a duration that means nothing. What is wrong with single tasks comes with
        the result.
        """
        runtime = self.runtime
        return self._start(read_submissions(source, runtime.registry, runtime.load_queue), callbacks)

    def submit_task(self, settings: Mapping[str, Any], callbacks: Any = None) -> SessionJob:
        """Start a job of one settings dict."""
        if not isinstance(settings, Mapping):
            raise TypeError(f"submit_task takes a settings dict, not {type(settings).__name__}.")
        return self.submit(dict(settings), callbacks)

    def submit_manifest(self, settings_list: Sequence[Mapping[str, Any]], callbacks: Any = None) -> SessionJob:
        """Start a job of several settings dicts or `{"id", "params", "plugin_data"}` tasks."""
        if isinstance(settings_list, (str, bytes, Mapping)) or not isinstance(settings_list, Sequence):
            raise TypeError(f"submit_manifest takes a list of settings dicts, not {type(settings_list).__name__}.")
        return self.submit(list(settings_list), callbacks)

    def run(self, source: Any, callbacks: Any = None) -> GenerationResult:
        """`submit`, then wait for the result."""
        return self.submit(source, callbacks).result()

    def run_task(self, settings: Mapping[str, Any], callbacks: Any = None) -> GenerationResult:
        """`submit_task`, then wait for the result."""
        return self.submit_task(settings, callbacks).result()

    def run_manifest(self, settings_list: Sequence[Mapping[str, Any]], callbacks: Any = None) -> GenerationResult:
        """`submit_manifest`, then wait for the result."""
        return self.submit_manifest(settings_list, callbacks).result()

    def submit_media_postprocessing(self, media_source: Any, *, callbacks: Any = None, **options: Any) -> SessionJob:
        """Upsample a clip or picture, or lay film grain over it; options of `build_media_postprocessing_settings`."""
        return self.submit_task(build_media_postprocessing_settings(media_source, **options), callbacks)

    def submit_audio_remux(self, video_source: Any, *, callbacks: Any = None, **options: Any) -> SessionJob:
        """Give a clip another sound; options of `build_audio_remux_settings`."""
        return self.submit_task(build_audio_remux_settings(video_source, **options), callbacks)

    def submit_audio_postprocessing(self, audio_source: Any, *, callbacks: Any = None, **options: Any) -> SessionJob:
        """Process a sound file; options of `build_audio_postprocessing_settings`."""
        return self.submit_task(build_audio_postprocessing_settings(audio_source, **options), callbacks)

    def run_media_postprocessing(self, media_source: Any, **options: Any) -> GenerationResult:
        """`submit_media_postprocessing`, then wait for the result."""
        return self.submit_media_postprocessing(media_source, **options).result()

    def run_audio_remux(self, video_source: Any, **options: Any) -> GenerationResult:
        """`submit_audio_remux`, then wait for the result."""
        return self.submit_audio_remux(video_source, **options).result()

    def run_audio_postprocessing(self, audio_source: Any, **options: Any) -> GenerationResult:
        """`submit_audio_postprocessing`, then wait for the result."""
        return self.submit_audio_postprocessing(audio_source, **options).result()

    def check(self, source: Any) -> list[tuple[int, str]]:
        """What would be refused, as (task number from 1, sentence), without running anything; raises as `submit`."""
        runtime = self.runtime
        submissions = read_submissions(source, runtime.registry, runtime.load_queue)
        return [
            (index, problem)
            for index, submission in enumerate(submissions, start=1)
            for problem in _problems(runtime, submission)
        ]

    def memory_needs(self, source: Any) -> list[tuple[int, MemoryNeed]]:
        """What each task would take of this machine's memory, by number from 1; those that are not known are left out.

        Raises as `submit`.
        """
        runtime = self.runtime
        submissions = read_submissions(source, runtime.registry, runtime.load_queue)
        found = (
            (index, runtime.memory_need(submission.task.params)) for index, submission in enumerate(submissions, 1)
        )
        return [(index, need) for index, need in found if need is not None]

    def read_file(self, path: str | PathLike[str]) -> list[Task]:
        """The tasks of a settings file, manifest or saved queue, to be changed and submitted; raises as `submit`.

        Relative media paths are looked up in WanGP's folder, then in the file's own.
        """
        file = Path(path).expanduser().resolve()
        return read_file(file, [self._root, file.parent], self.runtime.load_queue)

    def settings_of(self, settings: Mapping[str, Any]) -> Mapping[str, Param]:
        """The settings of the model that `settings` ask for, with their types, bounds and help."""
        return model_params(settings, self.runtime.registry)

    def cancel(self) -> None:
        """Cancel the running job, if there is one."""
        if self._active is not None:
            self._active.cancel()

    @property
    def is_busy(self) -> bool:
        """Whether a job of this session has not ended."""
        return self._active is not None and not self._active.is_concluded

    def close(self) -> None:
        """End the running job and unload the model; a page's session leaves the page alone."""
        if self._state is not None:
            return
        job = self._active
        if job is not None and not job.done:
            job.cancel()
            job.join()
        runtime = Runtime.current()
        if runtime is not None and not runtime.is_server:
            runtime.release_model()

    def _start(self, submissions: Sequence[Submission], callbacks: Any) -> SessionJob:
        runtime = self.runtime
        with self._lock:
            if self.is_busy:
                raise RuntimeError("WanGP session already has a generation in progress")
            entries = [self._entry(runtime, index, one) for index, one in enumerate(submissions, start=1)]
            job = SessionJob([entry.task for entry in entries], on_page=self._state is not None)
            self._active = job
        listener = Listener(callbacks if callbacks is not None else self._callbacks, job.events)
        listener.bind(self, job)
        run = JobRun(job, entries, self._transport(runtime), listener, is_echoing=self._console_output)
        run.queue_tasks()
        # In the submitter's context: what a callback shows reaches the page that the submitting event came from.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run,), name="wangp-session-job", daemon=True)
        job.run_on(thread)
        thread.start()
        return job

    def _transport(self, runtime: Runtime) -> Transport:
        if self._state is not None:
            return WebuiTransport(runtime, self._state)
        return DirectTransport(runtime.queue)

    def _entry(self, runtime: Runtime, index: int, submission: Submission) -> Entry:
        task, problems = submission.task, _problems(runtime, submission)
        if self._state is None:
            wishes = {**task.api_options, "console_isatty": self._console_isatty}
            if self._output_dir is not None:
                wishes["output_dir"] = str(self._output_dir)
            task = task.with_changes(plugin_data={**task.plugin_data, "api": wishes})
        return Entry(task, index, submission.submitted_id, " ".join(problems) or None, submission.notes)


def _problems(runtime: Runtime, submission: Submission) -> list[str]:
    return [submission.problem] if submission.problem else runtime.problems(submission.task.params)
