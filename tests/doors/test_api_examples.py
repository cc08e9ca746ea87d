"""The published examples of the Python API run as printed, but for model, files and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.api import GenerationResult, Runtime, StreamMessage
from tests.doors import api_examples as examples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A WanGP folder as another program sees it: the definitions and weights of this one, outputs of its own."""
    folder = tmp_path_factory.mktemp("wangp")
    for name in ("defaults", "ckpts"):
        (folder / name).symlink_to(root / name, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def names(folder: Path) -> Iterator[dict[str, Any]]:
    """What the examples find: constants, and the session and the classes of the examples before them."""
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    yield {"ROOT": str(folder), "MODEL": "starter", "RESOLUTION": "96x96", "STEPS": 2, "LENGTH": 5}
    patch.undo()
    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()


@pytest.fixture
def run(names: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """Runs an example; gives its names."""

    def run_example(text: str) -> dict[str, Any]:
        exec(compile(text, "example", "exec"), names)
        return names

    return run_example


def test_the_quick_start_makes_a_clip_and_does_not_hear_itself(
    run: Callable[[str], dict[str, Any]], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(examples.QUICK_START)
    result = found["result"]
    assert isinstance(result, GenerationResult) and result.success, result.errors
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.count("[stdout]") > 1] == [] and len(lines) < 60
    assert any(line.startswith("inference ") and line.endswith(" 2 2") for line in lines)
    assert str(result.generated_files) == lines[-1]
    assert Path(result.generated_files[0]).is_file() and (folder / "preview.png").is_file()
    found["CLIP"] = result.generated_files[0]


def test_callbacks_and_every_argument(
    run: Callable[[str], dict[str, Any]], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(examples.CALLBACKS)
    run(examples.EVERY_ARGUMENT)
    found = run(examples.SINGLE_TASK)
    result = found["job"].result()
    assert result.success and Path(result.generated_files[0]).parent == folder / "outputs_override"
    text = capsys.readouterr().out
    assert "progress: " in text and "success: True" in text and "generated: [" in text
    verbose = run(examples.VERBOSE_CALLBACKS)["VerboseCallbacks"]()
    assert found["session"].submit(found["settings"], callbacks=verbose).result().success
    text = capsys.readouterr().out
    assert "event complete" in text and "output {" in text and "status" in text


def test_media_in_memory(run: Callable[[str], dict[str, Any]]) -> None:
    found = run(examples.MEDIA_IN_MEMORY)
    assert tuple(found["video_tensor"].shape) == (3, 5, 96, 96) and str(found["video_tensor"].dtype) == "torch.uint8"
    assert found["audio_tensor"] is None and Path(found["saved_path"]).is_file()


def test_a_frame_range_of_a_clip(run: Callable[[str], dict[str, Any]]) -> None:
    result = run(examples.FRAME_RANGE)["job"].result()
    assert result.success, result.errors


def test_a_manifest(run: Callable[[str], dict[str, Any]]) -> None:
    result = run(examples.MANIFEST)["job"].result()
    assert result.success and len(result.generated_files) == 2


def test_a_saved_queue(run: Callable[[str], dict[str, Any]], names: dict[str, Any], folder: Path) -> None:
    runtime = names["session"].runtime
    runtime.queue.pause()
    runtime.submit(names["settings"])
    runtime.save_queue(folder / "my_queue.zip")
    runtime.queue.cancel_all()
    runtime.queue.resume()
    names["QUEUE"] = str(folder / "my_queue.zip")
    result = run(examples.SAVED_QUEUE)["job"].result()
    assert result.success, result.errors


def test_cancellation(run: Callable[[str], dict[str, Any]]) -> None:
    result = run(examples.CANCELLATION)["job"].result()
    assert not result.success and result.cancelled


def test_the_values_can_be_made(run: Callable[[str], dict[str, Any]]) -> None:
    assert run(examples.VALUES)["StreamMessage"] is StreamMessage
