"""Files of any WanGP, in the formats that its users have: settings, queues and media load with every setting."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import SettingsError
from shared.media.audio import AudioClip, write_audio
from shared.media.images import save_image
from shared.media.metadata import SourceImage, write_settings
from shared.media.video_write import write_video
from shared.ui.imports import import_file, inspect_file
from shared.ui.list_events import ListEvents
from tests.fakes.page_runtime import PageRuntime
from tests.ui.test_handlers import Page, Window, event

# As WanGP writes them: names of an earlier version, and what only the file tells.
SETTINGS: dict[str, Any] = {
    "type": "WanGP v9.81 by DeepBeepMeep - Starter", "settings_version": 2.52, "model_type": "starter",
    "model_filename": "starter.safetensors", "prompt": "a lighthouse\nin a storm", "negative_prompt": "blurry",
    "resolution": "128x128", "video_length": 17, "seed": 1234, "num_inference_steps": 12, "guidance_scale": 6.5,
    "flow_shift": 4, "multi_prompts_gen_type": 0, "generation_time": 12.5, "creation_date": "2026-01-02T03:04:05",
}  # fmt: skip
WANTED = {
    "prompt": "a lighthouse\nin a storm", "negative_prompt": "blurry", "resolution": "128x128", "video_length": 17,
    "seed": 1234, "num_inference_steps": 12, "guidance_scale": 6.5, "multi_prompts_gen_type": "G",
}  # fmt: skip


@pytest.fixture(autouse=True)
def empty_queue(runtime: PageRuntime) -> Iterator[None]:
    yield
    for task in runtime.queue.tasks():
        runtime.queue.remove(task.id)


def kept(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found.get(name) for name in WANTED}


def media_file(folder: Path, name: str) -> Path:
    """A file of a kind with the settings inside."""
    path = folder / name
    frames = np.zeros((5, 32, 32, 3), np.uint8)
    if path.suffix in (".png", ".jpg", ".webp"):
        codec = {".png": "png", ".jpg": "jpeg_95", ".webp": "webp_95"}[path.suffix]
        return save_image(frames[0], path, codec, SETTINGS)
    if path.suffix in (".wav", ".mp3"):
        silence = AudioClip(np.zeros((8000, 1), np.float32), 16_000)
        write_audio(silence, path, {".wav": "wav", ".mp3": "mp3_192"}[path.suffix])
    else:
        write_video(frames, path, 8)
    write_settings(path, SETTINGS)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.png", "a.jpg", "a.webp", "a.wav", "a.mp3"])
def test_each_kind_of_media_gives_its_settings_back(runtime: PageRuntime, tmp_path: Path, name: str) -> None:
    path = media_file(tmp_path, name)
    found = import_file(runtime, path, name, "t2v_1.3B")
    assert (found.model_type, kept(found.settings)) == ("starter", WANTED)
    told = inspect_file(runtime, path, name)
    assert (told["model"], told["settings"]["seed"]) == ("Starter", 1234)


def test_a_settings_file_gives_its_settings_back(runtime: PageRuntime, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SETTINGS), encoding="utf-8-sig")
    assert kept(import_file(runtime, path, "mine.json", "starter").settings) == WANTED


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pictures_inside_a_clip_come_back_to_their_settings(runtime: PageRuntime, tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "PNG")
    path = tmp_path / name
    write_video(np.zeros((5, 32, 32, 3), np.uint8), path, 8)
    pictures = {"image_start": [SourceImage("start.png", buffer.getvalue())],
                "seed": [SourceImage("no_medium.png", buffer.getvalue())]}  # fmt: skip
    write_settings(path, SETTINGS, "metadata", pictures)
    found = import_file(runtime, path, name, "starter").settings
    assert Image.open(found["image_start"][0]).size == (40, 30)
    assert found["seed"] == 1234


def reference_queue(path: Path) -> None:
    """A queue as WanGP saves it: two tasks that share a picture, one of them with lists, one an edit."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "blue").save(buffer, "PNG")
    params = {name: value for name, value in SETTINGS.items() if name != "type"}
    own = {"base_model_type": "starter", "image_prompt_type": "SE", "image_start": ["task1_image_start_0.png"],
           "image_end": "task1_image_start_0.png", "image_refs": None, "client_id": "someone"}  # fmt: skip
    edit = {"mode": "edit_postprocessing", "prompt": "Media postprocessing", "image_mode": 0,
            "video_source": "task2_video_source_0.mp4", "spatial_upsampling": "lanczos2"}  # fmt: skip
    clip = path.parent / "clip.mp4"
    write_video(np.zeros((5, 32, 32, 3), np.uint8), clip, 8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("task1_image_start_0.png", buffer.getvalue())
        archive.write(clip, "task2_video_source_0.mp4")
        archive.writestr("queue.json", json.dumps([{"id": 7, "params": {**params, **own}}, {"id": 9, "params": edit}]))


def test_a_saved_queue_of_wangp_joins_with_all_settings_and_media(
    runtime: PageRuntime, tmp_path: Path
) -> None:
    reference_queue(tmp_path / "queue.zip")
    assert inspect_file(runtime, tmp_path / "queue.zip", "queue.zip") == {"name": "queue.zip", "tasks": 2}
    found = import_file(runtime, tmp_path / "queue.zip", "queue.zip", "starter", "w")
    assert found.tasks == 2
    first, second = runtime.queue.tasks()
    assert first.params["image_start"] == [first.params["image_end"]]
    assert Image.open(first.params["image_end"]).size == (64, 48)
    assert first.client_id.startswith("page-w-")
    assert runtime.problems(first.params) == runtime.problems(second.params) == []
    assert Path(second.params["video_source"]).is_file()


def test_a_task_of_an_earlier_version_is_edited_in_todays_form(
    page: Page, runtime: PageRuntime, tmp_path: Path
) -> None:
    reference_queue(tmp_path / "queue.zip")
    import_file(runtime, tmp_path / "queue.zip", "queue.zip", "starter", "w")
    window, task = Window(page), runtime.queue.tasks()[0]
    window.apply(ListEvents(page.context).edit_task(window.state, "starter", event(id=task.id, token="w")))
    assert {name: window.shown(name) for name in WANTED} == WANTED
    assert Image.open(window.shown("image_start")).size == (64, 48)


def test_paths_in_a_list_of_tasks_are_not_followed(runtime: PageRuntime, tmp_path: Path) -> None:
    content = [{"params": {**SETTINGS, "image_start": "/etc/passwd"}}, {"model_type": "starter", "prompt": "two"}]
    (tmp_path / "list.json").write_text(json.dumps(content), encoding="utf-8")
    found = import_file(runtime, tmp_path / "list.json", "list.json", "starter")
    assert found.tasks == 2 and "left out" in found.remarks[0]
    assert [task.params.get("image_start") for task in runtime.queue.tasks()] == [None, None]


@pytest.mark.parametrize("name, content", [("a.json", b"{"), ("a.json", b"3"), ("a.png", b"text"), ("a.zip", b"PK no")])
def test_a_file_without_settings_is_refused(runtime: PageRuntime, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (lambda: import_file(runtime, tmp_path / name, name, "starter"),
                 lambda: inspect_file(runtime, tmp_path / name, name)):  # fmt: skip
        with pytest.raises(SettingsError):
            read()
