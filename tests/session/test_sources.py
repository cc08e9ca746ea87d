"""Every kind of source, and where relative media paths start."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.session.runtime import Runtime
from shared.session.session import WanGPSession
from shared.session.sources import Submission, read_submissions, task_from_settings

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def read(runtime: Runtime) -> Callable[[Any], list[Submission]]:
    """Reads a source as a session does."""
    return lambda source: read_submissions(source, runtime.registry, runtime.load_queue)


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture in the working directory."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "start.png")
    return tmp_path / "start.png"


def test_dicts_lists_and_json_files_are_the_same_tasks(read: Any, settings: Make, tmp_path: Path) -> None:
    one = settings()
    forms: list[Any] = [one, [one], {"tasks": [one]}, [{"id": 1, "params": one}], {"settings": one}]
    for number, form in enumerate(list(forms)):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(form), encoding="utf-8")
        forms += [path, str(path)]
    for form in forms:
        (found,) = read(form)
        params = {
            key: value for key, value in found.task.params.items() if key not in ("client_id", "settings_version")
        }
        assert params == one and found.task.params["settings_version"] == 2.74
        assert found.task.client_id.startswith("api_") and found.submitted_id == 1


def test_ids_client_ids_and_wishes_are_kept(read: Any, settings: Make) -> None:
    found = read(
        [
            {"id": "shot 7", "params": settings(client_id="mine"), "plugin_data": {"other": {"a": 1}}},
            settings(_api={"return_media": True}),
        ]
    )
    assert [one.submitted_id for one in found] == ["shot 7", 2]
    assert found[0].task.client_id == "mine" and found[0].task.plugin_data == {"other": {"a": 1}}
    assert found[1].task.api_options == {"return_media": True} and "_api" not in found[1].task.params
    assert found[1].task.client_id.endswith("_2")


def test_the_callers_dicts_are_not_touched(read: Any, settings: Make, picture: Path) -> None:
    one = settings(image_start=["start.png"], video_length="2s")
    before = json.dumps(one)
    read([one])
    assert json.dumps(one) == before


def test_what_is_no_source_is_refused_at_once(read: Any, session: WanGPSession, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "text.json").write_text('"a text"', encoding="utf-8")
    (tmp_path / "no.zip").write_text("no zip", encoding="utf-8")
    for source, error in (
        (5, TypeError),
        ([5], TypeError),
        ([], ValueError),
        ({"model_type": "starter", "prompt": "x", "video_length": "0s"}, ValueError),
        (tmp_path / "absent.json", FileNotFoundError),
        (tmp_path / "broken.json", RuntimeError),
        (tmp_path / "text.json", RuntimeError),
        (tmp_path / "no.zip", RuntimeError),
    ):
        with pytest.raises(error):
            session.submit(source)
    with pytest.raises(TypeError):
        session.submit_task(["starter"])
    with pytest.raises(TypeError):
        session.submit_manifest({"model_type": "starter"})


def test_relative_media_start_at_the_working_directory(read: Any, settings: Make, picture: Path) -> None:
    (picture.parent / "deep").mkdir()
    file = picture.parent / "deep" / "task.json"
    clip = "clip.mp4|start_frame=3,end_frame=9"
    file.write_text(json.dumps(settings(image_start="start.png", video_source=clip)), encoding="utf-8")
    (found,) = read(file)
    assert found.task.params["image_start"] == str(picture)
    assert found.task.params["video_source"] == f"{picture.parent / 'clip.mp4'}|start_frame=3,end_frame=9"


def test_files_of_the_command_line_start_at_the_programs_folder_then_at_their_own(
    session: WanGPSession, settings: Make, picture: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.chdir("/")
    file = picture.parent / "task.json"
    file.write_text(
        json.dumps({"tasks": [{"id": 9, "params": settings(image_start="start.png", image_end="README.md")}]}),
        encoding="utf-8",
    )
    (task,) = session.read_file(file)
    assert task.id == 9
    assert task.params["image_start"] == str(picture)
    assert task.params["image_end"] == str(root / "README.md")


def test_flags_durations_and_speeds_are_put_in_form(read: Any, settings: Make, picture: Path) -> None:
    (found,) = read(settings(image_start="start.png", video_length="2s", force_fps=24.0))
    params = found.task.params
    assert params["image_prompt_type"] == "S" and params["force_fps"] == "24"
    assert params["video_length"] == 48
    assert len(found.notes) == 2


def test_inferences_are_announced_on_the_stream(session: WanGPSession, settings: Make, picture: Path) -> None:
    job = session.submit(settings(image_start="start.png", video_length="2s"))
    texts = [event.data.text for event in job.events.iter(timeout=0.2) if event.kind == "stream"]
    assert any(text.startswith("video_length:") for text in texts)
    assert any(text.startswith("image_prompt_type:") for text in texts)


def test_a_picture_in_memory_can_be_submitted(session: WanGPSession, settings: Make, runtime: Runtime) -> None:
    result = session.run(settings(image_start=Image.new("RGB", (32, 32), "blue")))
    assert result.success, result.errors


def test_one_settings_dict_becomes_a_task(runtime: Runtime, settings: Make) -> None:
    task = task_from_settings(settings(video_length="1s"), runtime.registry, client_id="page_1")
    assert (task.id, task.client_id, task.params["client_id"], task.params["video_length"]) == (
        0,
        "page_1",
        "page_1",
        8,
    )


def test_checking_tells_every_problem_and_runs_nothing(session: WanGPSession, settings: Make) -> None:
    found = session.check([settings(), settings(num_inference_steps=0, resolution="tall"), settings(model_type="none")])
    assert [number for number, _ in found] == [2, 2, 3]
    assert {sentence.split(":")[0] for _, sentence in found} == {"num_inference_steps", "resolution", "model_type"}


def test_a_saved_queue_is_a_source(session: WanGPSession, settings: Make, runtime: Runtime, tmp_path: Path) -> None:
    runtime.queue.pause()
    runtime.submit(settings(prompt="one", image_start=Image.new("RGB", (32, 32), "blue"), image_prompt_type="S"))
    runtime.submit(settings(prompt="two"))
    runtime.save_queue(tmp_path / "saved.zip")
    runtime.queue.cancel_all()
    runtime.queue.resume()
    result = session.run(tmp_path / "saved.zip")
    assert result.success and result.total_tasks == 2, result.errors


def test_a_task_of_a_saved_queue_that_cannot_be_used_fails_alone(
    session: WanGPSession, settings: Make, tmp_path: Path
) -> None:
    tasks = [
        {"id": 4, "params": settings(image_start="../outside.png")},
        {"id": 5, "params": settings()},
        {"id": 6, "params": settings(image_start="/etc/hostname")},
    ]
    path = tmp_path / "queue.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("queue.json", json.dumps(tasks))
    result = session.run(path)
    assert (result.total_tasks, result.successful_tasks, result.failed_tasks) == (3, 1, 2)
    assert [(error.task_index, error.task_id, error.stage) for error in result.errors] == [
        (1, 4, "validation"), (3, 6, "validation"),
    ]  # fmt: skip
    assert "is not in the zip" in result.errors[0].message and "absolute path" in result.errors[1].message
    assert [index for index, _ in session.check(session.read_file(path))] == [1, 3]
