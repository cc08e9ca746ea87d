"""Sources and tasks of the Python API (wangp.md 1.7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import QueueError
from shared.core.task import Task
from shared.core.task_source import (
    ATTACHMENT_KEYS,
    apply_media_flag_defaults,
    apply_video_length_duration,
    normalize_task,
    read_source,
)

MODEL: dict[str, Any] = {
    "fps": 24,
    "image_prompt_types_allowed": "TSEVL",
    "image_ref_choices": {"choices": [("None", ""), ("Background and people", "KI"), ("People", "I")]},
    "audio_prompt_type_sources": {"selection": ["", "A", "XAB"]},
}


def no_queue(path: Path) -> list[Task]:
    raise QueueError(f"{path.name} holds no queue.json")


def normalize(entry: Any, model: Any = MODEL, base: Path = Path("/base")) -> Task:
    return normalize_task(entry, 1, lambda settings: model, base)[0]


def test_every_medium_is_an_attachment() -> None:
    names = (
        "image_start image_end image_refs image_guide image_mask video_guide video_guide2 video_mask video_source "
        "audio_guide audio_guide2 audio_source replace_voice_sample replace_voice_sample2 custom_guide"
    )
    assert set(ATTACHMENT_KEYS) == {*names.split(), "guide_pictures"} and len(ATTACHMENT_KEYS) == 16


def test_dicts_and_lists_are_entries_and_manifests() -> None:
    assert read_source({"prompt": "a"}, no_queue) == [{"prompt": "a"}]
    assert read_source({"tasks": [{"prompt": "a"}, {"prompt": "b"}]}, no_queue) == [{"prompt": "a"}, {"prompt": "b"}]
    assert read_source([{"prompt": "a"}], no_queue) == [{"prompt": "a"}]


@pytest.mark.parametrize(
    ("content", "entries"),
    [([{"seed": 1}, {"seed": 2}], 2), ({"tasks": [{"seed": 1}, {"seed": 2}]}, 2), ({"seed": 1}, 1)],
)
def test_a_json_file_holds_the_same(tmp_path: Path, content: Any, entries: int) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    assert len(read_source(path, no_queue)) == len(read_source(str(path), no_queue)) == entries


def test_a_source_that_cannot_be_used_raises_what_callers_expect(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not int"):
        read_source(5, no_queue)
    with pytest.raises(FileNotFoundError, match=r"gone\.json"):
        read_source(tmp_path / "gone.json", no_queue)
    for name, content in (("a.json", "{"), ("b.json", '"text"'), ("c.zip", "no zip")):
        (tmp_path / name).write_text(content)
        with pytest.raises(RuntimeError, match=name[0]):
            read_source(tmp_path / name, no_queue)


def test_any_other_file_is_a_queue(tmp_path: Path) -> None:
    path = tmp_path / "queue.zip"
    path.write_bytes(b"x")
    task = Task({"seed": 1}, id=4)
    assert read_source(path, lambda found: [task] if found == path else []) == [task]


def test_settings_become_a_task() -> None:
    task = normalize({"prompt": "a", "force_fps": 24.0, "_api": {"return_media": True}, "state": {}, "client_id": "me"})
    assert task.params == {"prompt": "a", "force_fps": "24", "client_id": "me", "settings_version": 2.74}
    assert (task.id, task.client_id, task.plugin_data) == (1, "me", {"api": {"return_media": True}})
    assert task.as_dict()["prompt"] == "a"


@pytest.mark.parametrize("key", ["params", "settings"])
def test_a_task_dict_keeps_its_id_and_its_plugin_data(key: str) -> None:
    task = normalize({"id": 7, key: {"seed": 1, "settings_version": 2.5}, "plugin_data": {"mine": [1]}})
    assert (task.id, task.plugin_data, task.params["settings_version"]) == (7, {"mine": [1]}, 2.5)


def test_a_task_of_a_queue_file_stays_the_same_task() -> None:
    task = normalize(Task({"seed": 1}, id=4, client_id="x", plugin_data={"a": 1}))
    assert (task.id, task.client_id, task.plugin_data, task.params["seed"]) == (4, "x", {"a": 1}, 1)
    failed = normalize(Task({}, id=3, status="failed", error="Task 3: no prompt"))
    assert (failed.status, failed.error) == ("failed", "Task 3: no prompt")


def test_each_task_has_a_client_id_of_its_own() -> None:
    first, second = normalize({"seed": 1}), normalize({"seed": 1})
    assert first.client_id.startswith("api_") and first.client_id.endswith("_1")
    assert first.client_id != second.client_id


def test_the_callers_dict_is_left_alone() -> None:
    given = {"prompt": "a", "image_start": ["a.png"], "_api": {}, "custom_settings": {"a": 1}}
    task = normalize(given)
    task.params["image_start"].append("b")
    task.params["custom_settings"]["a"] = 2
    assert given == {"prompt": "a", "image_start": ["a.png"], "_api": {}, "custom_settings": {"a": 1}}


def test_an_entry_that_is_no_dict_is_refused() -> None:
    with pytest.raises(TypeError, match="Task 1 is no settings dict"):
        normalize("a ball")


def test_relative_paths_start_at_the_callers_folder(tmp_path: Path) -> None:
    picture = object()
    task = normalize(
        {
            "image_start": "a.png", "image_refs": ["b/c.png", picture, Path("d.png")], "prompt": "a.png",
            "video_source": "v.mp4|start_frame=3,end_frame=9", "video_guide": "mem|vsource=live",
            "image_end": "https://a.example/a.png", "image_mask": "data:image/png;base64,AA",
            "audio_guide": "/abs/a.wav",
        },
        base=tmp_path,
    )  # fmt: skip
    root = str(tmp_path)
    assert task.params["image_start"] == f"{root}/a.png"
    assert task.params["image_refs"] == [f"{root}/b/c.png", picture, f"{root}/d.png"]
    assert task.params["video_source"] == f"{root}/v.mp4|start_frame=3,end_frame=9"
    assert task.params["video_guide"] == "mem|vsource=live"
    assert task.params["image_end"] == "https://a.example/a.png" and task.params["prompt"] == "a.png"
    assert task.params["image_mask"].startswith("data:") and task.params["audio_guide"] == "/abs/a.wav"


@pytest.mark.parametrize(
    ("settings", "inferred"),
    [
        ({"image_start": "a"}, {"image_prompt_type": "S"}),
        ({"video_source": "a", "image_start": "b"}, {"image_prompt_type": "V"}),
        ({"image_start": "a", "image_end": "b"}, {"image_prompt_type": "SE"}),
        ({"image_end": "b", "image_prompt_type": "V"}, {"image_prompt_type": "VE"}),
        ({"image_start": "a", "image_prompt_type": "L"}, {}),
        ({"image_start": [], "image_end": ""}, {}),
        ({"image_refs": ["a"]}, {"video_prompt_type": "KI"}),
        ({"image_refs": ["a"], "video_prompt_type": "VK"}, {"video_prompt_type": "VKI"}),
        ({"image_refs": ["a"], "video_prompt_type": "I"}, {}),
        ({"audio_guide": "a"}, {"audio_prompt_type": "A"}),
        ({"audio_guide": "a", "audio_guide2": "b"}, {"audio_prompt_type": "XAB"}),
        ({"audio_guide": "a", "audio_prompt_type": "A"}, {}),
    ],
)
def test_flags_are_inferred_from_the_media(settings: dict[str, Any], inferred: dict[str, str]) -> None:
    expected = {**settings, **inferred}
    assert apply_media_flag_defaults(settings, MODEL) == inferred
    assert settings == expected


def test_letters_that_the_model_lacks_are_not_inferred() -> None:
    settings = {"image_start": "a", "image_end": "b", "image_refs": ["c"], "audio_guide": "d"}
    assert apply_media_flag_defaults(settings, {}) == {}
    assert apply_media_flag_defaults(settings, {"image_prompt_types_allowed": "T"}) == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"video_length": "10s"}, {"input": "10s", "seconds": 10.0, "fps": 24.0, "frames": 241}),
        ({"video_length": "10s", "force_fps": 16}, {"input": "10s", "seconds": 10.0, "fps": 16.0, "frames": 161}),
        ({"video_length": "2.5 s", "force_fps": "30"}, {"input": "2.5 s", "seconds": 2.5, "fps": 30.0, "frames": 73}),
        ({"video_length": "1s", "force_fps": "auto"}, {"input": "1s", "seconds": 1.0, "fps": 24.0, "frames": 25}),
    ],
)
def test_durations_become_frames(settings: dict[str, Any], told: dict[str, Any]) -> None:
    assert apply_video_length_duration(settings, MODEL) == told
    assert settings["video_length"] == told["frames"]


def test_undeclared_models_have_16_frames_a_second() -> None:
    settings: dict[str, Any] = {"video_length": "5s"}
    assert apply_video_length_duration(settings, {}) == {"input": "5s", "seconds": 5.0, "fps": 16.0, "frames": 81}


def test_what_is_no_duration_stays() -> None:
    for value in (81, "81", None, "fast"):
        settings = {"video_length": value}
        assert apply_video_length_duration(settings, MODEL) is None and settings == {"video_length": value}
    for text in ("0s", "-1s", "nans"):
        with pytest.raises(ValueError, match="Use a duration above 0"):
            apply_video_length_duration({"video_length": text}, MODEL)


def test_only_durations_and_flags_are_announced() -> None:
    entry = {"prompt": "a", "video_length": "1s", "image_start": "a.png", "force_fps": 24, "seed": 1}
    assert normalize_task(entry, 1, lambda settings: MODEL, "/base")[1] == [
        "video_length: 1s is 25 frames at 24 fps",
        'image_prompt_type: "S", from the media given',
    ]
    assert normalize_task({"prompt": "a"}, 1, lambda settings: None, "/base")[1] == []


def test_a_queue_file_error_is_a_runtime_error_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"x")
    with pytest.raises(RuntimeError, match=r"holds no queue\.json"):
        read_source(tmp_path / "a.zip", no_queue)
