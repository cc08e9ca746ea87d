"""One runtime a process, and what sessions of it may differ in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.api import init
from shared.session.runtime import Runtime
from shared.session.session import WanGPSession

Make = Callable[..., dict[str, Any]]


def test_the_configuration_must_have_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"wgp_config\.json"):
        WanGPSession(config_path=tmp_path / "other.json")


@pytest.mark.parametrize("difference", ["root", "configuration", "cli_args"])
def test_a_second_session_must_not_differ(runtime: Runtime, tmp_path: Path, difference: str) -> None:
    same: dict[str, Any] = {"root": runtime.root, "config_path": runtime.config_dir / "wgp_config.json"}
    other = {
        "root": {"root": tmp_path},
        "configuration": {"config_path": tmp_path / "wgp_config.json"},
        "cli_args": {"cli_args": ["--profile", 4]},
    }[difference]
    WanGPSession(**same).ensure_ready()
    with pytest.raises(RuntimeError, match=f"another {difference}"):
        init(**{**same, **other})


def test_the_configurations_folder_can_be_a_flag(runtime: Runtime, tmp_path: Path) -> None:
    session = WanGPSession(root=runtime.root, config_path=runtime.config_dir / "wgp_config.json")
    assert session.runtime is runtime
    with pytest.raises(RuntimeError, match="another configuration"):
        WanGPSession(root=runtime.root, cli_args=["--config", str(tmp_path / "elsewhere")])


def test_a_folder_without_definitions_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="is not a WanGP folder"):
        init(root=tmp_path)


def test_the_configurations_folder_is_made(runtime: Runtime) -> None:
    assert json.loads((runtime.config_dir / "wgp_config.json").read_text(encoding="utf-8"))["save_path"] == "outputs"


def test_flags_are_parsed_as_on_the_command_line(open_runtime: Callable[..., Runtime], caplog: Any) -> None:
    runtime = open_runtime(cli_args=["--attention", "sdpa", "--profile", 4, "--compile", "--no-such-flag", "1"])
    assert (runtime.args.attention, runtime.args.profile) == ("sdpa", 4.0)
    assert "--no-such-flag is not known and has no effect." in runtime.notices
    assert not any("--compile" in notice for notice in runtime.notices)
    assert runtime.config.get("compile") == "transformer"
    assert "--no-such-flag" in caplog.text


def test_the_folder_of_the_files_can_be_a_flag(open_runtime: Callable[..., Runtime], tmp_path: Path) -> None:
    runtime = open_runtime(cli_args=["--output-dir", str(tmp_path / "films")])
    for key in ("save_path", "image_save_path", "audio_save_path"):
        assert runtime.config.folder_path(key) == tmp_path / "films"


def test_a_program_never_meets_the_queue_of_a_server(open_runtime: Callable[..., Runtime], tmp_path: Path) -> None:
    from shared.engine.queue import TaskQueue

    served = TaskQueue(tmp_path / "config")
    try:
        runtime = open_runtime()
        assert runtime.queue.folder != served.folder
        private = runtime.queue.folder
        runtime.close()
        assert not private.exists()
    finally:
        served.close()


def test_a_session_with_an_output_folder_leaves_the_configuration_alone(
    runtime: Runtime, settings: Make, tmp_path: Path
) -> None:
    session = WanGPSession(
        root=runtime.root,
        config_path=runtime.config_dir / "wgp_config.json",
        output_dir=tmp_path / "mine",
        console_output=False,
    )
    events = runtime.queue.subscribe()
    session.run(settings())
    events.close()
    heard = [runtime.queue.get(event.task_id) for event in events if hasattr(event, "task_id")]
    assert heard[0].api_options["output_dir"] == str(tmp_path / "mine")
    assert runtime.config.get("save_path") == "outputs"


@pytest.mark.parametrize("module", ["shared.api", "shared.cli", "wgp"])
def test_importing_is_light(root: Path, module: str) -> None:
    heavy = "('torch', 'diffusers', 'transformers', 'gradio', 'fastapi')"
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules], {module}.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    path = root / (module.replace(".", "/") + ".py")
    assert done.stdout == f"[] {path}\n", done.stderr


def test_a_runtime_without_torch_answers_about_models(root: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from shared.api import init\n"
        f"s = init(config_path={str(tmp_path / 'wgp_config.json')!r}, console_output=False)\n"
        "print(s.get_default_settings('starter')['model_type'])\n"
        "print(s.check({'model_type': 'starter', 'prompt': 'a ball'}))\n"
        "print([name for name in ('torch', 'diffusers', 'gradio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["starter", "[]", "[]"], done.stderr
