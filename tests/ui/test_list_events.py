"""What queue and gallery do: their commands, and what they bring into the form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import MediaError, SettingsError
from shared.core.events import Finished
from shared.core.task import Task
from shared.media.metadata import read_settings
from shared.media.video import probe
from shared.media.video_write import write_video
from shared.ui.app import Page
from shared.ui.compare import differences
from shared.ui.gallery import Gallery, finishing_choices
from shared.ui.lending import keep_uploads, lend
from shared.ui.list_events import ListEvents
from tests.fakes.page_runtime import PageRuntime
from tests.ui.test_handlers import Window, event


@pytest.fixture
def window(page: Page, runtime: PageRuntime) -> Iterator[Window]:
    made = Window(page)
    yield made
    runtime.queue.resume()
    for task in runtime.queue.tasks():
        if task.status == "running":
            runtime.queue.publish(Finished(task.id, "", "cancelled"))
        runtime.queue.remove(task.id)


@pytest.fixture
def events(page: Page) -> ListEvents:
    return ListEvents(page.context)


@pytest.fixture
def gallery(runtime: PageRuntime) -> tuple[Gallery, list[str]]:
    told: list[str] = []
    return Gallery(runtime, told.append), told


def clip(runtime: PageRuntime, path: Path, level: int = 9, **settings: Any) -> Any:
    """A clip of eight frames, each brighter than the last, in the history."""
    frames = np.stack([np.full((32, 32, 3), level + 20 * index, np.uint8) for index in range(8)])
    write_video(frames, path, 8, "libx264_lossless")
    given = {"type": "WanGP", "model_type": "starter", "prompt": "a whale", "seed": 2, **settings}
    return runtime.history.add(path, "video", given)


def submit(runtime: PageRuntime, *prompts: str, **settings: Any) -> list[Task]:
    return [runtime.submit({"model_type": "starter", "prompt": prompt, **settings}) for prompt in prompts]


def order(runtime: PageRuntime) -> list[str]:
    return [task.params["prompt"] for task in runtime.queue.tasks()]


# --- the queue's commands


def test_commands_reach_the_queue(page: Page, runtime: PageRuntime, window: Window) -> None:
    first, second = submit(runtime, "one", "two")
    command = page.queue.command
    assert command("move", {"id": second.id, "before": first.id})
    assert order(runtime) == ["two", "one"]
    assert command("move", {"id": second.id, "before": None})
    assert command("duplicate", {"id": first.id})
    assert order(runtime) == ["one", "one", "two"]
    assert command("remove", {"id": second.id})
    assert not command("remove", {"id": 9999})
    assert command("pause", {}) and runtime.queue.is_paused
    assert command("resume", {}) and not runtime.queue.is_paused
    assert command("abort_all", {}) and runtime.queue.tasks() == []
    assert not command("nonsense", {})
    assert page.queue.answer("retry", {"id": 9999})["text"] == "Task 9999 is no longer in the queue."


def test_more_is_ordered_of_the_running_task(page: Page, runtime: PageRuntime, window: Window) -> None:
    (task,) = submit(runtime, "one")
    for action in ("one_more", "extend", "finish_early"):
        assert not page.queue.command(action, {"id": task.id})
    assert runtime.queue.take("cpu", 1) is not None
    for action in ("one_more", "one_more", "extend", "finish_early"):
        assert page.queue.command(action, {"id": task.id})
    control = runtime.queue.control(task.id)
    asked = ("extra_orders", "extra_windows", "early_stop")
    assert [control.get(name) for name in asked] == [2, 1, True]


def test_a_copy_belongs_to_the_same_window(page: Page, runtime: PageRuntime, window: Window) -> None:
    task = runtime.submit({"model_type": "starter", "prompt": "one"}, client_id="page-token-abc")
    page.queue.command("duplicate", {"id": task.id})
    copy = runtime.queue.tasks()[1]
    assert copy.client_id.startswith("page-token-") and copy.client_id != task.client_id


# --- a task in the form


def test_a_task_is_edited_in_the_form_and_keeps_its_place(
    events: ListEvents, window: Window, runtime: PageRuntime, tmp_path: Path
) -> None:
    picture = tmp_path / "start.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    first, second = submit(runtime, "one", "two", seed=5, image_start=str(picture), image_prompt_type="S")
    window.apply(events.edit_task(window.state, "starter", event(id=first.id, token="w")))
    assert (window.shown("prompt"), window.shown("seed")) == ("one", 5)
    assert Image.open(window.shown("image_start")).size == (64, 64)
    assert runtime.queue.held() == {first.id: "w"}
    taken = runtime.queue.take("cpu", 0)
    assert taken is not None and taken.id == second.id
    window.set(prompt="better", seed=6)
    window.apply(events.put_back("w", window.state, "starter", "", *window.form()))
    changed = runtime.queue.get(first.id)
    assert changed is not None and (changed.params["prompt"], changed.params["seed"]) == ("better", 6)
    assert Path(changed.params["image_start"]).read_bytes() == picture.read_bytes()
    assert runtime.queue.held() == {}
    window.set(image_start=None)


def test_a_task_with_a_bad_value_stays_in_the_form(events: ListEvents, window: Window, runtime: PageRuntime) -> None:
    (task,) = submit(runtime, "one")
    window.apply(events.edit_task(window.state, "starter", event(id=task.id, token="w")))
    window.set(num_inference_steps=5000)
    window.apply(events.put_back("w", window.state, "starter", "", *window.form()))
    assert "num_inference_steps" in window.problems()[0]
    assert runtime.queue.held() == {task.id: "w"}
    window.set(num_inference_steps=20)
    runtime.queue.release("w")


def test_a_failed_task_is_mended_and_waits_again(events: ListEvents, window: Window, runtime: PageRuntime) -> None:
    (task,) = submit(runtime, "one")
    runtime.queue.take("cpu", 0)
    runtime.queue.publish(Finished(task.id, "", "failed", "too large"))
    window.apply(events.edit_task(window.state, "starter", event(id=task.id, token="w")))
    window.set(prompt="smaller")
    window.apply(events.put_back("w", window.state, "starter", "", *window.form()))
    (again,) = runtime.queue.tasks()
    assert (again.id, again.status, again.params["prompt"]) == (task.id, "waiting", "smaller")


def test_two_windows_do_not_edit_one_task(events: ListEvents, window: Window, runtime: PageRuntime) -> None:
    first, second = submit(runtime, "one", "two")
    window.apply(events.edit_task(window.state, "starter", event(id=first.id, token="w")))
    with pytest.warns(UserWarning, match="another window"):
        assert events.edit_task(window.state, "starter", event(id=first.id, token="other")) == {}
    window.apply(events.edit_task(window.state, "starter", event(id=second.id, token="w")))
    assert runtime.queue.held() == {second.id: "w"}
    runtime.queue.cancel(second.id)
    window.apply(events.put_back("w", window.state, "starter", "", *window.form()))
    assert "no longer waiting" in window.problems()[0]


def test_a_window_that_is_gone_lets_its_task_go(page: Page, runtime: PageRuntime, window: Window) -> None:
    (task,) = submit(runtime, "one")
    runtime.queue.hold(task.id, "gone window")
    page.windows.forget_silent()
    assert runtime.queue.held() == {task.id: "gone window"}
    page.windows.forget_silent()
    assert runtime.queue.held() == {}


# --- results in the form


def test_a_result_gives_its_settings_also_when_its_file_is_gone(
    events: ListEvents, window: Window, runtime: PageRuntime, tmp_path: Path
) -> None:
    entry = clip(runtime, tmp_path / "a.mp4", seed=77)
    Path(entry.path).unlink()
    window.apply(events.use_settings(window.state, "starter", event(id=entry.id)))
    assert (window.shown("prompt"), window.shown("seed")) == ("a whale", 77)


@pytest.mark.parametrize("setting, time, level", [("image_start", None, 149), ("image_end", 0.4, 69)])
def test_a_frame_of_a_clip_becomes_a_picture(
    events: ListEvents, window: Window, runtime: PageRuntime, tmp_path: Path, setting: str, time: float, level: int
) -> None:
    entry = clip(runtime, tmp_path / "a.mp4")
    window.apply(events.use_as("starter", event(id=entry.id, setting=setting, time=time)))
    assert np.asarray(Image.open(window.shown(setting))).mean() == level
    window.set(**{setting: None})


def test_a_clip_is_continued_from_a_second_name_of_its_file(
    events: ListEvents, window: Window, runtime: PageRuntime, tmp_path: Path
) -> None:
    entry = clip(runtime, tmp_path / "a.mp4")
    window.apply(events.use_as("starter", event(id=entry.id, setting="video_source")))
    shown = Path(window.shown("video_source"))
    assert shown != tmp_path / "a.mp4" and shown.read_bytes() == (tmp_path / "a.mp4").read_bytes()
    window.set(video_source=None)


def test_what_the_model_does_not_take_is_told(events: ListEvents, runtime: PageRuntime, tmp_path: Path) -> None:
    entry = clip(runtime, tmp_path / "a.mp4")
    with pytest.warns(UserWarning, match="takes no start image"):
        assert events.use_as("t2v_1.3B", event(id=entry.id, setting="image_start")) == {}
    assert events.use_as("starter", event(id=entry.id, setting="seed")) == {}
    Path(entry.path).unlink()
    with pytest.warns(UserWarning, match="no longer on disk"):
        assert events.use_as("starter", event(id=entry.id, setting="image_start")) == {}


# --- the gallery's commands


def test_results_go_to_the_trash_and_come_back(
    gallery: tuple[Gallery, list[str]], runtime: PageRuntime, tmp_path: Path
) -> None:
    act, told = gallery[0].command, gallery[1]
    kept, gone = clip(runtime, tmp_path / "a.mp4"), clip(runtime, tmp_path / "b.mp4")
    Path(gone.path).unlink()
    assert act("favourite", {"ids": [kept.id], "value": True}) == {"count": 1}
    assert act("trash", {"ids": [kept.id, gone.id]}) == {"count": 2}
    assert runtime.history.get(gone.id) is None
    assert not (tmp_path / "a.mp4").exists()
    assert act("restore", {"ids": [kept.id]}) == {"count": 1}
    assert (tmp_path / "a.mp4").is_file()
    act("trash", {"ids": [kept.id]})
    assert act("empty_trash", {}) == {"count": 1}
    assert runtime.history.get(kept.id) is None
    assert told == ["gallery"] * 5
    with pytest.raises(SettingsError):
        act("nonsense", {})


def test_a_frame_is_kept_as_a_picture_with_its_settings(
    gallery: tuple[Gallery, list[str]], runtime: PageRuntime, tmp_path: Path
) -> None:
    runtime.config.set("image_save_path", str(tmp_path / "pictures"))
    entry = clip(runtime, tmp_path / "a.mp4")
    made = runtime.history.get(gallery[0].command("frame", {"id": entry.id, "time": 0.26})["id"])
    assert made is not None and (made.media_type, made.prompt, made.width) == ("image", "a whale", 32)
    assert np.asarray(Image.open(made.path)).mean() == pytest.approx(49, abs=1)
    assert (read_settings(made.path) or {})["seed"] == 2
    with pytest.raises(MediaError, match="Only clips"):
        gallery[0].command("frame", {"id": made.id})


def test_clips_are_joined_in_the_order_given(
    gallery: tuple[Gallery, list[str]], runtime: PageRuntime, tmp_path: Path
) -> None:
    runtime.config.set("save_path", str(tmp_path / "clips"))
    one, two = clip(runtime, tmp_path / "a.mp4", prompt="first"), clip(runtime, tmp_path / "b.mp4", level=90)
    made = runtime.history.get(gallery[0].command("join", {"ids": [two.id, one.id]})["id"])
    assert made is not None and (made.prompt, made.frames) == ("a whale", 16)
    assert probe(made.path).num_frames == 16
    with pytest.raises(MediaError):
        gallery[0].command("join", {"ids": [one.id]})


def test_a_result_is_finished_by_a_task_of_its_own(
    gallery: tuple[Gallery, list[str]], runtime: PageRuntime, window: Window, tmp_path: Path
) -> None:
    entry = clip(runtime, tmp_path / "a.mp4")
    choices = finishing_choices(gallery[0].runtime.registry)
    assert "lanczos2" in [value for _, value in choices["spatial_upsampling"]["choices"]]
    told = gallery[0].command("finish", {"id": entry.id, "spatial_upsampling": "lanczos2", "client_id": "page-w-1"})
    task = runtime.queue.get(told["task"])
    assert task is not None and task.client_id == "page-w-1"
    assert {name: task.params[name] for name in ("mode", "video_source", "spatial_upsampling", "prompt")} == {
        "mode": "edit_postprocessing", "video_source": str(tmp_path / "a.mp4"), "spatial_upsampling": "lanczos2",
        "prompt": "a whale",
    }  # fmt: skip
    with pytest.raises(SettingsError, match="spatial_upsampling"):
        gallery[0].command("finish", {"id": entry.id, "spatial_upsampling": "magic9"})


def test_two_results_are_compared_by_what_differs(runtime: PageRuntime) -> None:
    left = {"model_type": "starter", "prompt": "a", "seed": 1, "num_inference_steps": 20, "generation_time": 3}
    right = {"model_type": "t2v_1.3B", "prompt": "a", "seed": 2, "num_inference_steps": 20, "own": 5}
    rows = differences(left, right, runtime.registry)
    assert [(row["name"], row["left"], row["right"]) for row in rows] == [
        ("model_type", "Starter", "Wan 1.3B"), ("seed", 1, 2), ("own", None, 5),
    ]  # fmt: skip
    assert next(row["label"] for row in rows if row["name"] == "seed") == "Seed"
    assert differences(left, left, runtime.registry) == []
    picture = {**left, "image_mode": 1, "negative_prompt": ""}
    assert [(row["name"], row["left"], row["right"]) for row in differences(picture, left, runtime.registry)] == [
        ("image_mode", "A picture", "A clip"),
    ]  # fmt: skip


def test_uploads_of_a_task_outlast_the_temporary_folder(window: Window, runtime: PageRuntime, tmp_path: Path) -> None:
    made = tmp_path / "start.png"
    Image.new("RGB", (64, 64), "blue").save(made)
    uploaded = lend(made)
    window.set(prompt="a boat", image_start=uploaded)
    window.click("add_to_queue")
    (task,) = runtime.queue.tasks()
    kept = Path(task.params["image_start"])
    assert kept.parent == runtime.queue.media_folder and kept.name.endswith("_start.png")
    Path(uploaded).unlink()
    assert kept.read_bytes() == made.read_bytes()
    outside = {"image_start": str(made), "prompt": "start.png"}
    assert keep_uploads(outside, runtime.queue.media_folder) == outside
    window.set(image_start=None)
