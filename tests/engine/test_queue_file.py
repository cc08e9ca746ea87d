"""Saved queues: what comes back, and what is refused."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import SettingsError
from shared.core.events import Finished
from shared.core.task import Task
from shared.engine import safe_zip
from shared.engine.queue import TaskQueue
from shared.engine.queue_file import load_queue, read_queue, save_queue


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "ball.png"
    Image.new("RGB", (4, 4), (1, 2, 3)).save(path)
    return str(path)


def make_zip(path: Path, content: object, members: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("queue.json", content if isinstance(content, (str, bytes)) else json.dumps(content))
        for name, data in (members or {}).items():
            archive.writestr(name, data)
    return path


def test_a_queue_comes_back_as_it_was_saved(tmp_path: Path, picture: str) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"frames")
    tasks = [
        Task(
            {
                "prompt": "Grüße\nzwei",
                "seed": 5,
                "image_start": picture,
                "image_refs": [picture],
                "video_guide": f"{clip}|start_frame=3,end_frame=9",
                "image_mask": Image.new("L", (2, 2), 255),
                "custom_settings": {"x": 1},
                "client_id": "mine",
            },
            id=7,
            plugin_data={"sample": {"deep": [1]}},
        ),
        Task({"prompt": "b", "image_end": picture}, id=7),
    ]
    path = save_queue(tasks, tmp_path / "q.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        saved = json.loads(archive.read("queue.json"))
    assert sorted(names) == [
        "queue.json",
        "task1_image_mask_0.png",
        "task1_image_start_0.png",
        "task1_video_guide_0.mp4",
    ]
    assert saved[0]["params"]["image_refs"] == ["task1_image_start_0.png"]
    assert saved[0]["params"]["video_guide"] == "task1_video_guide_0.mp4|start_frame=3,end_frame=9"
    assert saved[0]["params"]["settings_version"] == 2.74
    assert "client_id" not in saved[0]["params"]

    clip.unlink()
    Path(picture).unlink()
    media = tmp_path / "media"
    first, second = load_queue(path, media)
    assert (first.id, second.id) == (1, 2)
    assert first.params["prompt"] == "Grüße\nzwei"
    assert first.plugin_data == {"sample": {"deep": [1]}}
    assert first.params["image_refs"] == [first.params["image_start"]]
    assert second.params["image_end"] == first.params["image_start"]
    with Image.open(first.params["image_start"]) as image:
        assert image.getpixel((0, 0)) == (1, 2, 3)
    source, _, suffix = first.params["video_guide"].partition("|")
    assert Path(source).read_bytes() == b"frames"
    assert Path(source).parent == media
    assert suffix == "start_frame=3,end_frame=9"
    assert all(task.error is None for task in (first, second))


def test_arrays_are_saved_as_pictures(tmp_path: Path) -> None:
    array = np.full((3, 5, 3), 200, np.uint8)
    path = save_queue([Task({"image_start": array})], tmp_path / "q.zip")
    (task,) = load_queue(path, tmp_path / "media")
    with Image.open(task.params["image_start"]) as image:
        assert np.array_equal(np.asarray(image), array)


def test_a_json_queue_keeps_the_paths_of_its_media(tmp_path: Path, picture: str) -> None:
    path = save_queue([Task({"prompt": "a", "image_start": picture}, id=3)], tmp_path / "q.json")
    (task,) = load_queue(path, tmp_path)
    assert task.params["image_start"] == picture


@pytest.mark.parametrize(
    "content",
    [
        [{"params": {"prompt": "a"}, "id": 4}],
        [{"settings": {"prompt": "a"}}],
        [{"prompt": "a"}],
        {"prompt": "a"},
        {"params": {"prompt": "a"}},
        {"tasks": [{"prompt": "a"}]},
    ],
)
@pytest.mark.parametrize("ending", ["json", "zip"])
def test_every_form_of_queue_is_read(tmp_path: Path, content: object, ending: str) -> None:
    path = tmp_path / f"q.{ending}"
    if ending == "zip":
        make_zip(path, content)
    else:
        path.write_text(json.dumps(content))
    (task,) = load_queue(path, tmp_path / "media")
    assert task.params == {"prompt": "a"}


def test_bad_tasks_are_told_one_by_one_and_the_others_kept(tmp_path: Path) -> None:
    content = [
        {"id": 1, "params": {"prompt": "good"}},
        "no dict",
        {"id": 3, "params": {"prompt": "x", "image_start": "gone.png"}},
        {"id": 4, "params": {"prompt": "x", "video_source": "/etc/passwd"}},
        {"id": 5, "params": {"prompt": "x", "image_refs": ["a.png", "..\\..\\b.png"]}},
        {"id": 6, "params": {"prompt": "x", "audio_guide": "C:\\secret.wav"}},
    ]
    path = make_zip(tmp_path / "q.zip", content, {"a.png": b"x"})
    loaded = read_queue(path, tmp_path / "media")
    assert [task.params["prompt"] for task in loaded.tasks] == ["good"]
    assert len(loaded.problems) == 5
    for number, words in enumerate(
        ("no settings dict", '"gone.png" is not in the zip', "absolute path", "is not in the zip", "absolute path"), 2
    ):
        assert loaded.problems[number - 2].startswith(f"Task {number}")
        assert words in loaded.problems[number - 2]
    assert all("/etc/passwd" not in str(task.params) for task in load_queue(path, tmp_path / "media"))


def test_a_bad_task_put_into_the_queue_is_shown_as_failed(tmp_path: Path, queue: TaskQueue) -> None:
    path = make_zip(tmp_path / "q.zip", [{"prompt": "good"}, {"prompt": "bad", "image_start": "gone.png"}])
    subscription = queue.subscribe()
    good, bad = queue.put(load_queue(path, tmp_path / "media"))
    assert (good.status, bad.status) == ("waiting", "failed")
    events = list(iter(lambda: subscription.get(0), None))
    assert Finished(bad.id, bad.client_id, "failed", bad.error, "validation") in events
    assert queue.take(timeout_s=0) is not None
    assert queue.take(timeout_s=0) is None


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil.png"])
def test_a_member_that_leads_outside_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / "q.zip", [{"prompt": "a", "image_start": name}], {name: b"x"})
    with pytest.raises(SettingsError, match="leads outside"):
        load_queue(path, tmp_path / "in" / "media")
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["q.zip"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("queue.json", json.dumps([{"image_start": "link.png"}]))
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SettingsError, match="is a link"):
        load_queue(path, tmp_path / "media")


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "q.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("queue.json", json.dumps([{"image_start": "a.png"}]))
        archive.writestr("a.png", b"\0" * (8 << 20))
    with pytest.raises(SettingsError, match="200 times"):
        load_queue(path, tmp_path / "media")
    monkeypatch.setattr(safe_zip, "MAX_UNPACKED_BYTES", 1 << 20)
    with pytest.raises(SettingsError, match="unpacked it is larger"):
        load_queue(path, tmp_path / "media")
    monkeypatch.setattr(safe_zip, "MAX_MEMBERS", 1)
    with pytest.raises(SettingsError, match="more than 1"):
        load_queue(path, tmp_path / "media")
    assert not (tmp_path / "media").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "q.zip", [{"prompt": "a"}])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("queue.json", json.dumps([{"prompt": "b"}]))
    with pytest.raises(SettingsError, match="twice"):
        load_queue(path, tmp_path / "media")


def test_a_damaged_member_spoils_only_its_task(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "q.zip", [{"prompt": "a", "image_start": "a.png"}, {"prompt": "b"}], {"a.png": b"A" * 999}
    )
    path.write_bytes(path.read_bytes().replace(b"A" * 999, b"A" * 500 + b"B" * 499))
    loaded = read_queue(path, tmp_path / "media")
    assert [task.params["prompt"] for task in loaded.tasks] == ["b"]
    assert "damaged" in loaded.problems[0]
    assert list((tmp_path / "media").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("q.zip", b"no zip at all", "damaged or no zip"),
        ("q.zip", b"", "damaged or no zip"),
        ("q.json", b"{", "no valid JSON"),
        ("q.json", b"\xff\xfe\x00", "not UTF-8"),
        ("q.json", b"3", "neither settings nor"),
        ("q.json", b"[]", "holds no task"),
        ("q.json", b"[1, 2]", "no usable task"),
        ("q.json", b"[" * 100_000, "no valid JSON"),
    ],
)
def test_a_file_that_is_no_queue_is_refused_in_plain_words(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        load_queue(tmp_path / name, tmp_path / "media")


def test_a_zip_without_a_queue_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "q.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SettingsError, match=r"holds no queue\.json"):
        load_queue(tmp_path / "q.zip", tmp_path)
    for name in ("gone.zip", "gone.json"):
        with pytest.raises(SettingsError, match="gone"):
            load_queue(tmp_path / name, tmp_path)


def test_saving_over_a_queue_keeps_the_old_one_when_it_fails(tmp_path: Path) -> None:
    path = save_queue([Task({"prompt": "old"})], tmp_path / "q.zip")
    with pytest.raises(SettingsError):
        save_queue([Task({"prompt": "new", "image_start": object()})], path)
    assert load_queue(path, tmp_path)[0].params["prompt"] == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["q.zip"]
