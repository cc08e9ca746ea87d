"""The settings of the program over their addresses: told, checked, written, locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.core.config import Config, first_run_config
from shared.core.flags import build_parser
from shared.core.program_settings import PROGRAM_SETTINGS, fill_flags, problem_with, suggested_profile
from shared.ui.app import Page, build_app
from shared.ui.server import web_app
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture(scope="module")
def client(page: Page, runtime: PageRuntime) -> Iterator[TestClient]:
    with TestClient(web_app(page, runtime, None, ("localhost", 7860))) as made:
        yield made


def on_disk(runtime: PageRuntime) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((runtime.config_dir / "wgp_config.json").read_text())
    return found


def test_every_setting_is_one_of_the_configuration(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    for setting in PROGRAM_SETTINGS:
        value = config.get(setting.param.name)
        assert value is not None, setting.param.name
        assert problem_with(setting.param.name, value) is None, setting.param.name


def test_a_change_is_written(client: TestClient, runtime: PageRuntime) -> None:
    answer = client.post("/wangp/config", json={"video_container": "mkv", "checkpoints_paths": ["ckpts", "/models"]})
    assert answer.json() == {"restart": []}
    assert on_disk(runtime)["checkpoints_paths"] == ["ckpts", "/models"]
    told = {setting["name"]: setting for setting in client.get("/wangp/config").json()["settings"]}
    assert told["video_container"]["value"] == "mkv"
    client.post("/wangp/config", json={"video_container": "mp4", "checkpoints_paths": ["ckpts", "."]})


def test_what_is_wrong_is_told_and_nothing_is_written(client: TestClient, runtime: PageRuntime) -> None:
    before = on_disk(runtime)
    wrong = {"video_container": "avi", "server_port": 99999, "auth": "ada", "no_such": 1, "metadata_type": "json"}
    answer = client.post("/wangp/config", json=wrong)
    assert answer.status_code == 422
    assert set(answer.json()["problems"]) == {"video_container", "server_port", "auth", "no_such"}
    assert on_disk(runtime) == before


def test_what_needs_a_restart_is_named(client: TestClient, runtime: PageRuntime) -> None:
    assert client.post("/wangp/config", json={"auth": "ada:secret"}).json() == {"restart": ["auth"]}
    text = client.get("/wangp/config").text
    assert "secret" not in text.replace("is_secret", "")
    client.post("/wangp/config", json={"auth": ""})


def test_other_sites_change_nothing(client: TestClient) -> None:
    for path in ("/wangp/config", "/wangp/restart"):
        answer = client.post(path, json={"video_container": "mkv"}, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403


def test_locked_settings_are_shown_and_stay(tmp_path: Path) -> None:
    runtime = PageRuntime(tmp_path, ("--lock-config",))
    try:
        with TestClient(web_app(build_app(runtime), runtime, None, ("localhost", 7860))) as client:
            assert client.get("/wangp/config").json()["locked"] is True
            answer = client.post("/wangp/config", json={"video_container": "mkv"})
            assert (answer.status_code, "--lock-config" in answer.json()["detail"]) == (403, True)
            assert client.post("/wangp/restart").status_code == 403
        assert on_disk(runtime)["profile"] == first_run_config()["profile"]
        assert "video_container" not in on_disk(runtime)
    finally:
        runtime.close()


def test_a_restart_is_asked_of_the_server(client: TestClient) -> None:
    asked: list[bool] = []
    client.app.state.restart = lambda: asked.append(True)  # type: ignore[attr-defined]
    assert client.post("/wangp/restart").status_code == 202
    assert asked == [True]


def test_flags_come_before_the_configuration(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    config.update(server_port=8123, auth="ada:secret", base_url="http://here")
    usual = build_parser().parse_args([])
    flags = build_parser().parse_args(["--auth", "bob:word"])
    fill_flags(flags, usual, config)
    assert (flags.server_port, flags.auth, flags.base_url) == (8123, "bob:word", "http://here")


def test_a_profile_suits_the_machine() -> None:
    giga = 10**9
    assert suggested_profile(0, 64 * giga) is None
    assert suggested_profile(24 * giga, 64 * giga) == 1
    assert suggested_profile(12 * giga, 32 * giga) == 4
    assert suggested_profile(8 * giga, 16 * giga) == 5


def test_the_models_are_listed_with_what_they_take(client: TestClient) -> None:
    rows = {row["id"]: row for row in client.get("/wangp/finder").json()["models"]}
    assert rows["starter"]["makes"][0] == "video"
    assert {"text", "image", "video"} <= set(rows["starter"]["takes"])
    assert "audio" not in rows["starter"]["takes"]
    assert client.get("/wangp/finder/starter").status_code == 200
    assert client.get("/wangp/finder/nothing").status_code == 404


def test_clips_from_elsewhere_are_not_shown(client: TestClient) -> None:
    assert client.get("/wangp/clip", params={"path": "/etc/passwd"}).status_code == 404
    assert client.get("/wangp/clip/frame.jpg", params={"result": 999}).status_code == 404
