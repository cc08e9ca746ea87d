"""The headless doors of the command line: paths on stdout, everything else on stderr."""

from __future__ import annotations

import argparse
import difflib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from shared.api import GenerationError, GenerationResult, ProgressUpdate, SessionJob, StreamMessage, WanGPSession
from shared.core.errors import SettingsError, WanGPError
from shared.core.flags import FlagError, build_parser
from shared.core.settings import DECLARATIONS
from shared.core.task import Task
from shared.core.units import size_text

__all__ = ["build_parser", "is_headless", "read_flags", "run_headless", "tell_error"]

CONFIG_NAME = "wgp_config.json"
DEFAULT_MODEL = "starter"
INTERRUPTED = 130
PLAIN_LINE_EVERY_S = 5.0
BAR_WIDTH = 24

_SUBMIT_ERRORS = (WanGPError, RuntimeError, FileNotFoundError, ValueError, TypeError)


def read_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """The flags of the command line. Raises FlagError for an unknown one; `--help` prints and ends the program."""
    parser = build_parser()
    flags, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
        hint = f" Did you mean {near[0]}?" if near else " See --help for the flags."
        raise FlagError(f"{unknown[0]} is not a flag of this program.{hint}")
    return flags


def is_headless(flags: argparse.Namespace) -> bool:
    """Whether the flags ask for work without the page."""
    wishes = (flags.process, flags.list_models, flags.dry_run, flags.download, flags.delete_model, flags.verify)
    return flags.prompt is not None or any(wishes)


def run_headless(flags: argparse.Namespace, arguments: Sequence[str], root: Path) -> int:
    """Do the work the flags ask for; returns the exit code: 0, 1 for any failure, 130 after Ctrl-C."""
    config = Path(flags.config).expanduser().resolve() / CONFIG_NAME if flags.config else None
    try:
        session = WanGPSession(
            root=root,
            config_path=config,
            output_dir=flags.output_dir or None,
            cli_args=arguments,
            console_output=False,
            console_isatty=False,
        )
        if flags.list_models:
            return _list_models(session)
        if flags.verify:
            return _verify(session, flags.verify)
        if flags.download or flags.delete_model:
            return _delete_model(session, flags.delete_model) or _download(session, flags.download, flags.verbose)
        source = _source(flags, session)
        return _dry_run(session, source) if flags.dry_run else _generate(session, source, flags.verbose)
    except KeyboardInterrupt:
        tell("Cancelled.")
        return INTERRUPTED
    except _SUBMIT_ERRORS as error:
        tell_error(str(error))
        return 1


def tell(text: str) -> None:
    """A line for the user, on stderr."""
    print(text, file=sys.stderr, flush=True)


def tell_error(text: str) -> None:
    """An error, on one line of stderr."""
    tell(f"Error: {' '.join(text.split())}")


def _list_models(session: WanGPSession) -> int:
    for model in session.list_model_metadata(include_availability=True):
        print(f"{model['model_type']}\t{model['name']}\t{model['availability']['status']}")
    for broken in session.runtime.registry.broken:
        tell(f"Not usable: {broken}")
    return 0


def _download(session: WanGPSession, model_type: str, verbose: int) -> int:
    """Fetch a model. Ctrl-C keeps what has arrived, and the same command continues."""
    if not model_type:
        return 0
    display = _Display(sys.stderr, 1, verbose)
    name = session.runtime.registry.get(model_type).name
    try:
        fetched = session.download_model(model_type, lambda progress: display.on_download(name, progress))
    except KeyboardInterrupt:
        display.end()
        tell("What has arrived is kept; the same command continues.")
        raise
    finally:
        display.end()
    size = size_text(session.get_model_storage(model_type)["on_disk_bytes"])
    tell(f"{name} is {'now ' if fetched else 'already '}on disk ({size}).")
    return 0


def _verify(session: WanGPSession, model_type: str) -> int:
    """Compare a model's files with the published ones; the wrong ones go to stdout, and then the exit code is 1."""
    found = session.verify_model(model_type)
    for path, problem in found["wrong"].items():
        print(path)
        tell(f"{path} is {problem}.")
    counts = f"{found['right']} files are as published"
    if found["unknown"]:
        counts += f", of {len(found['unknown'])} only the size is known"
    tell(f"{counts}, {len(found['wrong'])} are not.")
    if found["wrong"]:
        tell(f"Delete those that are damaged, then fetch them again: --download {model_type}.")
    return 1 if found["wrong"] else 0


def _delete_model(session: WanGPSession, model_type: str) -> int:
    """Delete a model's files; their paths go to stdout, what is kept and why to stderr."""
    if not model_type:
        return 0
    deleted = session.delete_model(model_type)
    for path in deleted["paths"]:
        print(path)
    for reason in deleted["kept"]:
        tell(f"Kept: {reason}.")
    tell(f"{size_text(deleted['freed_bytes'])} freed.")
    return 0


def _source(flags: argparse.Namespace, session: WanGPSession) -> list[Task]:
    """The tasks of the command line."""
    if flags.prompt is not None and flags.process:
        raise SettingsError("--prompt and --process cannot be used together. Start the program once for each.")
    if flags.process:
        tasks = session.read_file(flags.process)
        return _with_sets(_with_preset(tasks, flags.lora_preset, session), flags.set, session)
    if flags.prompt is None:
        raise SettingsError("--dry-run checks what --prompt or --process would do. Give one of them.")
    reads_a_picture = any(str(one).startswith("mode=") for one in flags.set or ())
    if not flags.prompt.strip() and not reads_a_picture:
        raise SettingsError("--prompt is empty. Write what the result should show.")
    settings: dict[str, Any] = {"model_type": flags.model_type or DEFAULT_MODEL, "prompt": flags.prompt}
    settings |= {"seed": flags.seed} if flags.seed != -1 else {}
    settings |= {"video_length": flags.frames} if flags.frames else {}
    settings |= {"num_inference_steps": flags.steps} if flags.steps else {}
    return _with_sets(_with_preset([Task(settings)], flags.lora_preset, session), flags.set, session)


def _with_preset(tasks: list[Task], name: str, session: WanGPSession) -> list[Task]:
    """Each task with the LoRA preset or accelerator profile of `--lora-preset` over its settings."""
    for task in tasks if name else ():
        task.params.update(session.apply_lora_preset(task.params, name))
    return tasks


def _with_sets(tasks: list[Task], sets: Sequence[str], session: WanGPSession) -> list[Task]:
    """Each task with the settings of `--set key=value` in it."""
    for text in sets:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise SettingsError(f"--set {text}: it is not understood. Write --set key=value.")
        for task in tasks:
            task.params[name] = _typed(name, value, task.params, session)
    return tasks


def _typed(name: str, value: str, settings: Mapping[str, Any], session: WanGPSession) -> Any:
    if name in ("model_type", "base_model_type"):
        return value
    params = session.settings_of(settings)
    if name in params:
        return params[name].coerce(value)
    near = difflib.get_close_matches(name, {*params, *DECLARATIONS}, n=1)
    raise SettingsError(f"--set {name}: no setting has this name.{f' Did you mean {near[0]}?' if near else ''}")


def _dry_run(session: WanGPSession, source: Sequence[Any]) -> int:
    problems = session.check(source)
    for index, problem in problems:
        tell_error(f"task {index}: {problem}" if len(source) > 1 else problem)
    if problems:
        return 1
    needs = session.memory_needs(source)
    for index, need in needs:
        line = f"task {index}: {need.text}" if len(source) > 1 else need.text
        if need.fits:
            tell(f"{line}.")
        else:
            tell_error(line)
    if not all(need.fits for _, need in needs):
        return 1
    tell(f"{len(source)} task{'s' if len(source) > 1 else ''}: nothing to complain about.")
    return 0


def _generate(session: WanGPSession, source: Sequence[Any], verbose: int) -> int:
    """Run the tasks. Ctrl-C cancels them; a second one does not wait for that."""
    display = _Display(sys.stderr, len(source), verbose)
    job = session.submit(source, callbacks=display)
    try:
        result = _wait(job)
    except KeyboardInterrupt:
        job.cancel()
        display.end()
        tell("Cancelling: the running step is finished first.")
        _wait(job)
        display.end()
        tell("Cancelled.")
        return INTERRUPTED
    display.end()
    return 0 if result.success else 1


def _wait(job: SessionJob) -> GenerationResult:
    """The job's result; waits in short steps, because a wait without end cannot be interrupted on Windows."""
    while not job.done:
        try:
            return job.result(timeout=0.5)
        except TimeoutError:
            continue
    return job.result()


class _Display:
    """What a job tells, for a human on stderr and, for its files, a program on stdout."""

    def __init__(self, stream: TextIO, tasks: int, verbose: int) -> None:
        self._stream, self._tasks, self._verbose = stream, tasks, verbose
        self._is_terminal = stream.isatty()
        self._shown = ""
        self._last_phase, self._last_time = "", 0.0

    def on_progress(self, update: ProgressUpdate) -> None:
        """Draw the bar; where no terminal is, a line for each phase and every few seconds."""
        if self._verbose < 1:
            return
        done = update.job_progress if update.job_progress is not None else update.progress
        steps = f" {update.current_step}/{update.total_steps}" if update.current_step is not None else ""
        if update.unit == "bytes":
            steps = ""  # they are in the status
        if self._is_terminal:
            filled = BAR_WIDTH * done // 100
            self._draw(f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done:3d}%  {update.status}{steps}")
            return
        now = time.monotonic()
        if update.phase != self._last_phase or now - self._last_time >= PLAIN_LINE_EVERY_S:
            self._last_phase, self._last_time = update.phase, now
            tell(f"{done:3d}% {update.status}{steps}")

    def on_download(self, name: str, progress: Any) -> None:
        """Draw how far a download without a task is."""
        done = 100 * progress.done // progress.total if progress.total else 0
        status = f"Downloading {name}: {progress.text}"
        self.on_progress(ProgressUpdate("downloading_model", status, done, progress.done, progress.total, unit="bytes"))

    def on_output(self, data: Mapping[str, Any] | None) -> None:
        """Print the path of a finished file."""
        path = data.get("path") if data else None
        if path:
            self._clear()
            print(path, flush=True)

    def on_info(self, text: str) -> None:
        """Something the user should notice."""
        self._line(str(text))

    def on_stream(self, message: StreamMessage) -> None:
        """What the generation printed, when everything is asked for."""
        if self._verbose >= 2:
            self._line(message.text)

    def on_error(self, error: GenerationError) -> None:
        """One failed task."""
        self._clear()
        if error.cancelled:
            return
        where = f"task {error.task_index}: " if error.task_index and self._tasks > 1 else ""
        tell_error(f"{where}{error.message}")

    def end(self) -> None:
        """Leave the terminal as it was."""
        self._clear()

    def _line(self, text: str) -> None:
        self._clear()
        tell(text)

    def _draw(self, text: str) -> None:
        blank = " " * max(0, len(self._shown) - len(text))
        self._stream.write(f"\r{text}{blank}")
        self._stream.flush()
        self._shown = text

    def _clear(self) -> None:
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._stream.flush()
            self._shown = ""
