"""What the command line shows while it works."""

from __future__ import annotations

import io

import pytest

from shared.api import GenerationError, ProgressUpdate
from shared.cli import _Display


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        """The last line as it stands on the screen."""
        shown = ""
        for part in self.getvalue().split("\r"):
            shown = part + shown[len(part) :]
        return shown.rstrip()


def step(number: int, percent: int) -> ProgressUpdate:
    return ProgressUpdate("inference", "Denoising | 3s", percent, number, 8, job_progress=percent)


def test_a_terminal_sees_one_bar_that_moves_and_goes_away() -> None:
    terminal = Terminal()
    display = _Display(terminal, 1, 1)
    display.on_progress(step(1, 25))
    display.on_progress(step(2, 50))
    assert terminal.screen() == "[############............]  50%  Denoising | 3s 2/8"
    display.end()
    assert terminal.screen() == "" and "\n" not in terminal.getvalue()


def test_a_log_file_gets_plain_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    display = _Display(io.StringIO(), 1, 1)
    for number in range(1, 8):
        display.on_progress(step(number, 10 * number))
    display.on_progress(ProgressUpdate("downloading_model", "Downloading x: 5 of 9 MB", 3, 5, 9, unit="bytes"))
    assert capsys.readouterr().err.splitlines() == [" 10% Denoising | 3s 1/8", "  3% Downloading x: 5 of 9 MB"]


def test_paths_go_to_stdout_and_troubles_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    display = _Display(io.StringIO(), 2, 0)
    display.on_progress(step(1, 10))
    display.on_output({"client_id": "x", "path": "/tmp/clip.mp4"})
    display.on_output(None)
    display.on_error(GenerationError("two\nlines", task_index=2))
    display.on_error(GenerationError("Generation was cancelled", stage="cancelled"))
    heard = capsys.readouterr()
    assert heard.out == "/tmp/clip.mp4\n"
    assert heard.err == "Error: task 2: two lines\n"
