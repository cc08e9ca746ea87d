"""The Wan service: sizes, lengths, languages, concurrency, clean-up; its replies are in golden/wan_i2v."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.http.cleaning import Cleaner
from shared.http.wan_i2v.mapping import MAX_PIXELS, BadShape, auto_size, clip_frames, clip_size
from shared.http.wan_i2v.reasons import image_trouble, language_of
from tests.http.replay import Conversation, picture_uri

KEY = {"Authorization": "Bearer k"}

# The figures of the contract: picture, clip.
SIZES = [
    ((1920, 1080), (832, 464)), ((1024, 1024), (624, 624)), ((768, 1024), (544, 720)), ((1080, 1920), (464, 832)),
    ((3000, 2000), (768, 512)), ((832, 480), (832, 480)), ((640, 624), (640, 624)), ((2560, 1080), (960, 400)),
    ((828, 1792), (416, 928)), ((840, 260), (1120, 352)),
]  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Conversation]:
    made = Conversation("wan_i2v", tmp_path, ("--apikey", "k", "--video-retention", "0.5"))
    yield made
    made.close()


def submit(service: Conversation, **changes: Any) -> str:
    body = {"prompt": "a red ball moves right", "image_url": picture_uri(64, 48), **changes}
    answer = service.client.post("/video/submit", json=body, headers=KEY)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["requestId"])


def status(service: Conversation, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.client.post("/video/status", json={"requestId": job_id}, headers=KEY).json()
    return found


@pytest.mark.parametrize(("picture", "clip"), SIZES)
def test_the_automatic_size_is_that_of_the_contract(picture: tuple[int, int], clip: tuple[int, int]) -> None:
    assert auto_size(*picture) == clip == clip_size("auto", picture)


def test_every_automatic_size_keeps_the_bounds() -> None:
    for width in range(16, 4000, 173):
        for height in range(16, 4000, 119):
            if max(width, height) > 8 * min(width, height):
                with pytest.raises(BadShape):
                    auto_size(width, height)
                continue
            made = auto_size(width, height)
            assert made[0] % 16 == made[1] % 16 == 0 and 0 < made[0] * made[1] <= MAX_PIXELS
            if max(width, height) <= 3 * min(width, height):
                assert abs(made[0] / made[1] / (width / height) - 1) < 0.07


def test_lengths_become_4k_plus_1() -> None:
    assert [clip_frames(count) for count in (24, 50, 81, 120)] == [25, 49, 81, 121]


def test_the_language_that_is_preferred_is_spoken() -> None:
    headers = {"zh-CN,zh;q=0.9,en;q=0.8": "zh", "de, en;q=0.5, zh;q=0.7": "zh", "en-GB, zh;q=0.9": "en", "*": "en"}
    assert {header: language_of(header) for header in headers} == headers
    assert language_of(None) == language_of("zh;q=x") == "en"


def test_a_picture_that_cannot_be_had_is_told_in_both_languages(service: Conversation) -> None:
    body = {"prompt": "a red ball moves right", "image_url": "http://127.0.0.1:9/a.png"}
    reasons = [
        service.client.post("/video/submit", json=body, headers={**KEY, "Accept-Language": language}).json()["detail"]
        for language in ("en", "zh-CN")
    ]
    assert "leads into the private network" in reasons[0]["reason"]
    assert reasons[1]["reason"].startswith("图像下载失败:该地址指向服务器的内部网络,已被拒绝")
    troubles = {"a: the answer took too long.": "下载超时", "a: the host x was not found.": "找不到该主机"}
    assert all(words in image_trouble(detail, "zh") for detail, words in troubles.items())
    assert image_trouble("odd", "zh") == "图像下载失败:odd"


def test_the_picture_gets_the_size_of_the_clip(service: Conversation) -> None:
    from PIL import Image

    submit(service, image_size="480x832")
    (task,) = service.runtime.queue.tasks()
    assert Image.open(task.params["image_start"]).size == (480, 832)


def test_clips_are_made_in_the_order_they_came_two_at_the_most_at_a_time(service: Conversation) -> None:
    ids = [submit(service) for _ in range(4)]
    states = [status(service, job_id) for job_id in ids]
    assert [state["queue_position"] for state in states] == [1, 2, 3, 4]
    service.play(["started"])
    assert [status(service, job_id)["status"] for job_id in ids] == ["InProgress", *["InQueue"] * 3]
    service.play(["output video", "done"])
    assert [status(service, job_id)["queue_position"] for job_id in ids] == [None, 1, 2, 3]


def test_a_finished_clip_goes_after_its_time_and_its_picture_with_it(service: Conversation) -> None:
    job_id, waiting = submit(service), submit(service)
    service.play(["started", "output video", "done"])
    url = status(service, job_id)["results"]["videos"][0]["url"]
    assert service.client.get(url).status_code == 200
    end = time.monotonic() + 5
    while service.client.get(url).status_code == 200 and time.monotonic() < end:
        time.sleep(0.05)
    assert service.client.get(url).status_code == 404
    again = status(service, job_id)
    assert again["status"] == "Succeed" and again["results"]["videos"][0]["url"] == url
    pictures = [path.stem for path in (service.runtime.queue.folder / "wan_pictures").iterdir()]
    assert pictures == [waiting]


def test_files_of_an_earlier_run_go_too(tmp_path: Path) -> None:
    old, new = tmp_path / "old.mp4", tmp_path / "new.mp4"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    cleaner = Cleaner([tmp_path, tmp_path / "absent"], 60, lambda path: False)
    assert cleaner.clean() == [old] and new.is_file()
    cleaner.close()


def test_a_resent_request_is_one_clip(service: Conversation) -> None:
    body = {"prompt": "a red ball moves right", "image_url": picture_uri(64, 48)}
    headers = {**KEY, "Idempotency-Key": "once"}
    ids = {service.client.post("/video/submit", json=body, headers=headers).json()["requestId"] for _ in range(2)}
    assert len(ids) == 1 and len(service.runtime.queue.tasks()) == 1
