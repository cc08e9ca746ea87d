"""The command line: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import wgp
from shared.api import Runtime
from shared.core.flags import build_parser
from shared.engine.queue import TaskQueue
from shared.media.video import probe, read_frames

Make = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the program in this process; gives its exit code, the lines of stdout, and stderr."""

    def run_once(*arguments: str) -> tuple[int, list[str], str]:
        _end_runtime()
        capsys.readouterr()
        code = wgp.main([*arguments, "--config", str(tmp_path / "config")])
        heard = capsys.readouterr()
        return code, heard.out.splitlines(), heard.err

    yield run_once
    _end_runtime()


def _end_runtime() -> None:
    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()


def test_a_prompt_becomes_a_clip_whose_path_is_all_that_stdout_says(root: Path, tmp_path: Path, small: Make) -> None:
    size = {key: small()[key] for key in ("resolution", "video_length", "num_inference_steps")}
    sets = [part for key, value in size.items() for part in ("--set", f"{key}={value}")]
    folders = ["--config", str(tmp_path), "--output-dir", str(tmp_path / "out")]
    command = [sys.executable, "wgp.py", "--prompt", "a red ball", *sets, *folders]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (path,) = done.stdout.splitlines()
    assert Path(path).is_absolute() and Path(path).parent == tmp_path / "out"
    assert (probe(path).num_frames, read_frames(path)[0].shape) == (5, (5, 96, 96, 3))
    assert "Denoising" in done.stderr and "\r" not in done.stderr


def test_ctrl_c_cancels_and_leaves_with_130(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "wgp.py", "--prompt", "a red ball", "--steps", "100", "--config", str(tmp_path)]
    # Started in the background of a shell, the tests and all their children would ignore the signal.
    program = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert program.stderr is not None and program.stdout is not None
    for line in program.stderr:
        if "Denoising" in line:
            break
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=300)
    assert (program.returncode, out) == (130, "")
    assert "Cancelled." in err and "Traceback" not in err
    assert not list(tmp_path.rglob("*.mp4"))


def test_models_are_listed_one_a_line(run: Run) -> None:
    code, lines, _ = run("--list-models")
    rows = [line.split("\t") for line in lines]
    assert code == 0 and rows[0][:2] == ["starter", "Starter"]
    assert {row[2] for row in rows} <= {"available", "partial", "missing"} and all(len(row) == 3 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "  "], "--prompt is empty"),
        (["--prompt", "a", "--model-type", "startr"], "Did you mean starter"),
        (["--prompt", "a", "--set", "resolutoin=1"], "Did you mean resolution"),
        (["--prompt", "a", "--set", "num_inference_steps"], "key=value"),
        (["--prompt", "a", "--set", "num_inference_steps=many"], 'num_inference_steps: "many"'),
        (["--prompt", "a", "--set", "num_inference_steps=0"], "from 1 to 100"),
        (["--prompt", "a", "--set", "resolution=50000x50000"], "resolution:"),
        (["--prompt", "a", "--set", "image_start=/nowhere/x.png"], "/nowhere/x.png"),
        (["--process", "/nowhere/task.json"], "/nowhere/task.json does not exist"),
        (["--prompt", "a", "--process", "x.json"], "cannot be used together"),
        (["--dry-run"], "--prompt or --process"),
        (["--promt", "a"], "Did you mean --prompt"),
        (["--profile", "7", "--prompt", "a"], "--profile"),
    ],
)
def test_each_mistake_has_one_clear_line_and_exit_code_1(run: Run, arguments: list[str], words: str) -> None:
    code, lines, errors = run(*arguments)
    assert (code, lines) == (1, [])
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert words in line and "Traceback" not in errors


def test_a_dry_run_checks_every_task_and_makes_nothing(run: Run, small: Make, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps([small(), small(model_type="none"), small(seed="x")]), encoding="utf-8")
    code, lines, errors = run("--process", str(file), "--dry-run")
    assert (code, lines) == (1, [])
    assert "task 2: model_type" in errors and "task 3: seed" in errors and "task 1" not in errors
    code, _, told = run("--process", str(file), "--dry-run", "--set", "model_type=starter", "--set", "seed=1")
    assert code == 0 and "task 1: Needs 0." in told and "GB memory." in told
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_manifest_goes_on_after_a_bad_task(run: Run, small: Make, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(
        json.dumps({"tasks": [{"id": 1, "params": small(prompt="")}, small(image_mode=1)]}), encoding="utf-8"
    )
    code, lines, errors = run("--process", str(file))
    assert code == 1 and len(lines) == 1 and Path(lines[0]).is_file()
    assert "Error: task 1: prompt:" in errors


@pytest.mark.parametrize("name", ["text-to-video", "single-picture", "long-clip", "manifest"])
def test_the_examples_are_sound(run: Run, root: Path, name: str) -> None:
    assert run("--process", str(root / "examples" / f"{name}.json"), "--dry-run")[0] == 0


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        wgp.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    flags = [flag for action in build_parser()._actions for flag in action.option_strings if flag.startswith("--")]
    assert [flag for flag in flags if flag not in text and not flag.startswith("--lora-dir-")] == []


def test_flags_of_wangp_start_scripts_are_accepted_and_told(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    known = ("--attention", "sdpa", "--profile", "4", "--compile", "--lora-dir-flux", "x")
    given = ("--list-models", *known, "--multiple-images", "--test")
    code, _, _ = run(*given)
    assert code == 0
    assert caplog.messages == [f"{flag} has no effect in this version." for flag in ("--multiple-images", "--test")]


def test_a_lora_preset_that_is_not_there_is_told(run: Run) -> None:
    code, lines, told = run("--prompt", "a red ball", "--lora-preset", "quick", "--dry-run")
    assert (code, lines) == (1, [])
    assert 'lora_preset: there is no "quick" for this model. This model has no presets.' in told


def test_a_file_that_cannot_be_written_is_told(run: Run, small: Make, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "file").write_text("", encoding="utf-8")
        target = tmp_path / "file" / "out"
    else:
        target = Path("/proc/out")
    began = time.monotonic()
    code, lines, errors = run("--prompt", "a", "--set", "image_mode=1", "--steps", "1", "--output-dir", str(target))
    assert (code, lines) == (1, []) and "Error: " in errors and "Traceback" not in errors
    assert time.monotonic() - began < 300


def test_a_second_server_on_the_same_folder_is_told(run: Run, tmp_path: Path) -> None:
    first = TaskQueue(tmp_path / "config")
    try:
        code, lines, errors = run("--server-port", "0")
    finally:
        first.close()
    assert (code, lines) == (1, [])
    assert "is in use by another program" in errors and "another --config folder" in errors


def test_a_configuration_cut_in_half_is_put_aside_and_told(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "wgp_config.json").write_text('{"save_path": "my out', encoding="utf-8")
    assert run("--list-models")[0] == 0
    assert "was damaged" in caplog.text
    (aside,) = (tmp_path / "config").glob("wgp_config.json.broken-*")
    assert "my out" in aside.read_text(encoding="utf-8")
