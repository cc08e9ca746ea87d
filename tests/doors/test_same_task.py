"""One settings dict through every door gives the same frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgp
from shared.api import Runtime, WanGPSession
from shared.media.metadata import read_settings
from shared.media.video import read_frames

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def doors(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Callable[[dict[str, Any]], str]]:
    """By name, what takes settings and gives the path of the clip."""
    config = tmp_path / "config"

    def open_session() -> WanGPSession:
        _end_runtime()
        return WanGPSession(root=root, config_path=config / "wgp_config.json", console_output=False)

    def command_line(*arguments: str) -> str:
        _end_runtime()
        assert wgp.main([*arguments, "--config", str(config)]) == 0, capsys.readouterr().err
        (path,) = capsys.readouterr().out.splitlines()
        return path

    def by_api(settings: dict[str, Any]) -> str:
        return _only_file(open_session().run_task(settings))

    def by_flags(settings: dict[str, Any]) -> str:
        rest = {key: value for key, value in settings.items() if key not in ("model_type", "prompt")}
        sets = [part for key, value in rest.items() for part in ("--set", f"{key}={value}")]
        return command_line("--prompt", settings["prompt"], "--model-type", settings["model_type"], *sets)

    def by_settings_file(settings: dict[str, Any]) -> str:
        file = tmp_path / "task.json"
        file.write_text(json.dumps(settings), encoding="utf-8")
        return command_line("--process", str(file))

    def by_queue_file(settings: dict[str, Any]) -> str:
        file = tmp_path / "queue.zip"
        session = open_session()
        session.runtime.queue.pause()
        session.runtime.submit(settings)
        session.runtime.save_queue(file)
        return command_line("--process", str(file))

    return {"api": by_api, "flags": by_flags, "settings file": by_settings_file, "queue file": by_queue_file}


def test_every_door_gives_the_same_frames(doors: dict[str, Callable[[dict[str, Any]], str]], small: Make) -> None:
    found = {}
    try:
        for name, door in doors.items():
            path = door(small())
            found[name] = read_frames(path)[0]
            embedded = read_settings(path)
            assert embedded is not None and embedded["seed"] == 5 and embedded["prompt"] == small()["prompt"], name
        again = doors["api"](_regenerated(path))
        found["embedded settings"] = read_frames(again)[0]
    finally:
        _end_runtime()
    assert found["api"].shape == (5, 96, 96, 3)
    assert [name for name, frames in found.items() if not np.array_equal(frames, found["api"])] == []


def _regenerated(path: str) -> dict[str, Any]:
    """The settings that a clip carries."""
    settings = read_settings(path)
    assert settings is not None
    return settings


def _only_file(result: Any) -> str:
    assert result.success, result.errors
    (path,) = result.generated_files
    return path


def _end_runtime() -> None:
    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()
