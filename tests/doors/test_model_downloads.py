"""Fetching, listing and deleting a model by the command line and a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wgp
from shared.api import Runtime, WanGPSession
from shared.cli import read_flags, run_headless
from shared.core.errors import DownloadError
from shared.core.events import RefreshModels
from tests.fakes.hub import FakeHub, Fault

REPO = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
FOLDER = REPO.rsplit("/", 1)[-1]
INDEX = {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"]}
Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = FakeHub()
    server.repositories[REPO] = {
        "model_index.json": json.dumps(INDEX).encode(),
        "transformer/config.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors": b"w" * 500_000,
    }
    yield server
    server.close()


@pytest.fixture
def config(hub: FakeHub, tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    settings = {"checkpoints_paths": [str(tmp_path / "ckpts"), "ckpts"], "hf_endpoint": hub.url}
    (folder / "wgp_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the program in this process; gives its exit code, the lines of stdout, and stderr."""

    def run_once(*arguments: str) -> tuple[int, list[str], str]:
        end_runtime()
        capsys.readouterr()
        code = wgp.main([*arguments, "--config", str(config)])
        heard = capsys.readouterr()
        return code, heard.out.splitlines(), heard.err

    yield run_once
    end_runtime()


def end_runtime() -> None:
    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()


def test_a_model_is_fetched_listed_and_deleted(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--download", "t2v_1.3B")
    assert (code, out) == (0, []), err
    assert "Downloading Wan2.1 Text to video 1.3B: " in err and "now on disk (0.5 MB)" in err
    assert (tmp_path / "ckpts" / FOLDER / "model_index.json").is_file()
    _, lines, _ = run("--list-models")
    states = {line.split("\t")[0]: line.split("\t")[2] for line in lines}
    assert (states["t2v_1.3B"], states["starter"], states["t2v"]) == ("available", "available", "missing")
    assert "already on disk" in run("--download", "t2v_1.3B")[2]
    code, out, err = run("--delete-model", "t2v_1.3B")
    assert (code, out) == (0, [str(tmp_path / "ckpts" / FOLDER)]) and "0.5 MB freed" in err
    assert not (tmp_path / "ckpts" / FOLDER).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--download", "t2w"), 'the model "t2w" is not known. Did you mean t2v'),
        (("--delete-model", "t2v_1.3B"), "nothing of it is on disk"),
        (("--delete-model", "starter"), "nobody knows where to fetch it again"),
        (("--download", "t2v_1.3B", "--offline"), "downloads are switched off"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, root: Path, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, []) and words in err and err.startswith("Error: ")
    assert (root / "ckpts" / "starter" / "model_index.json").is_file()


def test_definitions_that_cannot_be_used_are_named_in_the_list(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program"
    (program / "defaults").mkdir(parents=True)
    (program / "defaults" / "half.json").write_text('{\n "model": {')
    flags = ["--list-models", "--config", str(config)]
    try:
        assert run_headless(read_flags(flags), flags, program) == 0
    finally:
        end_runtime()
    heard = capsys.readouterr()
    assert heard.out == "" and "Not usable: " in heard.err and "half.json: line 2" in heard.err


def test_a_failed_download_continues_with_the_same_command(hub: FakeHub, run: Run) -> None:
    hub.faults["model.safetensors"] = Fault(status=403)
    code, _, err = run("--download", "t2v_1.3B")
    assert code == 1 and f"{REPO}: the server refuses it (403)" in err
    hub.faults.clear()
    assert run("--download", "t2v_1.3B")[0] == 0


def test_a_session_tells_sizes_and_that_models_changed(config: Path, root: Path) -> None:
    session = WanGPSession(root=root, config_path=config / "wgp_config.json", console_output=False)
    try:
        events = session.runtime.queue.subscribe()
        assert session.get_model_storage("t2v_1.3B")["to_download_bytes"] is None
        session.runtime.model_files.ask_size("t2v_1.3B")
        assert isinstance(events.get(10), RefreshModels)
        size = session.get_model_storage("t2v_1.3B")["to_download_bytes"]
        assert size is not None and 500_000 < size < 501_000
        told: list[int] = []
        assert session.download_model("t2v_1.3B", lambda progress: told.append(progress.done))
        assert isinstance(events.get(10), RefreshModels) and told[-1] > 500_000
        assert session.get_model_availability("t2v_1.3B")["available"]  # type: ignore[index]
        session.runtime.queue.pause()
        session.runtime.submit({"model_type": "t2v_1.3B", "prompt": "a red ball"})
        with pytest.raises(DownloadError, match="of the queue needs it"):
            session.delete_model("t2v_1.3B")
    finally:
        session.runtime.close()
