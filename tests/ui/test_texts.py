"""The texts: each language whole, each text in use, each visitor in the language asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from shared.core.params import GROUPS
from shared.core.program_settings import PROGRAM_SETTINGS
from shared.core.settings import DECLARATIONS
from shared.ui.app import Page
from shared.ui.server import web_app
from shared.ui.tabs import own_tabs
from shared.ui.texts import (
    COOKIE,
    USUAL,
    current_language,
    language_of,
    languages,
    memory_line,
    say,
    setting_label,
    texts_of,
)
from tests.fakes.page_runtime import PageRuntime

ROOM = Path(__file__).resolve().parents[2] / "shared" / "ui"
OTHERS = [language for language in languages() if language != USUAL]


@pytest.fixture(scope="module")
def client(page: Page, runtime: PageRuntime) -> Iterator[TestClient]:
    with TestClient(web_app(page, runtime, None, ("localhost", 7860))) as made:
        yield made


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("part", ["page", "panels"])
def test_a_language_says_everything(language: str, part: str) -> None:
    english, other = texts_of(USUAL)[part], texts_of(language)[part]
    assert set(english) == set(other)
    assert [name for name in english if places(english[name]) != places(other[name])] == []
    assert all(text.strip() for text in other.values())


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_names_every_setting(language: str) -> None:
    told = texts_of(language)
    assert set(DECLARATIONS) <= set(told["settings"])
    assert all(own["label"] and own["help"] for own in told["settings"].values())
    assert set(GROUPS) == set(told["groups"])
    assert {setting.param.name for setting in PROGRAM_SETTINGS} <= set(told["program"])


@pytest.mark.parametrize("language", languages())
def test_no_text_is_written_twice(language: str) -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        assert [name for name in set(names) if names.count(name) > 1] == []
        return dict(pairs)

    json.loads((ROOM / "texts" / f"{language}.json").read_text(encoding="utf-8"), object_pairs_hook=once)


def test_every_text_is_used() -> None:
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOM / "assets").glob("*.js"))
    source = "\n".join(path.read_text(encoding="utf-8") for path in ROOM.rglob("*.py"))
    tabs = {f"tab_{tab.id}" for tab in own_tabs()}
    english = texts_of(USUAL)
    status = {"running", "waiting", "failed"}
    begun = tuple(re.findall(r'"(\w+_)"', scripts))  # say("guide_" + id)
    unused = [name for name in english["panels"] if f'"{name}"' not in scripts and not name.startswith(begun)]
    assert [name for name in unused if name not in status] == []
    assert [name for name in english["page"] if f'"{name}"' not in source and name not in tabs] == []


def test_the_visitor_chooses_before_the_program_and_the_browser() -> None:
    asks = ("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")
    assert language_of([asks]) == "zh"
    assert language_of([asks], "en") == "en"
    assert language_of([asks, ("cookie", f"other=1; {COOKIE}=zh")], "en") == "zh"
    assert language_of([("accept-language", "fi, zh;q=0.4")]) == "zh"
    assert language_of([("accept-language", "fi")]) == language_of([]) == "en"


def test_labels_follow_the_language() -> None:
    token = current_language.set("zh")
    try:
        assert say("added", id=4) == "任务 4 已加入队列。"
        assert setting_label(DECLARATIONS["video_length"]) == "长度 (帧)"
        line = "Needs 9.8 of 24.0 GB graphics memory, 3.0 of 64.0 GB main memory, weights in int8"
        assert memory_line(line) == "需要显存 9.8 GB，共 24.0 GB；内存 3.0 GB，共 64.0 GB；权重为 int8"
    finally:
        current_language.reset(token)
    assert setting_label(DECLARATIONS["video_length"]) == "Length (frames)"


def test_the_page_comes_in_the_visitors_language(client: TestClient) -> None:
    english = client.get("/").text
    chinese = client.get("/", headers={"accept-language": "zh-CN"}).text
    told = json.loads(chinese.split('id="wangp-config">')[1].split("</script>")[0])
    assert (told["language"], told["texts"]["queue"]) == ("zh", "队列")
    assert '"Add to queue"' in english
    assert '"Add to queue"' not in chinese
    for text in ("加入队列", "起始图像", "图片与视频", "负面提示词"):
        assert text in chinese
