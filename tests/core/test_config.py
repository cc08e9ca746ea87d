"""The program's settings file (wangp.md 3.5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.core.config import FILE_NAME, Config, first_run_config


def test_the_first_start_writes_the_file(tmp_path: Path) -> None:
    config = Config.load(tmp_path / "new")
    on_disk = json.loads((tmp_path / "new" / FILE_NAME).read_text())
    assert on_disk == first_run_config() == config.as_dict()
    expected = {
        "attention_mode": "auto", "transformer_quantization": "int8", "save_path": "outputs",
        "metadata_type": "metadata", "clear_file_list": 5, "max_reserved_loras": -1, "video_profile": 4,
        "audio_profile": 3.5,
        "checkpoints_paths": ["ckpts", "."], "loras_root": "loras", "save_queue_if_crash": 1,
        "multi_prompts_gen_type": "PG", "prompt_enhancer_temperature": 0.6, "deepy_context_tokens": 16386,
    }  # fmt: skip
    assert expected.items() <= on_disk.items()
    assert config.notice == ""


def test_changes_last_and_unknown_keys_are_kept(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"save_path": "clips", "their_key": [1, 2]}', encoding="utf-8-sig")
    config = Config.load(tmp_path)
    config.update(profile=5)
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"save_path": "clips", "their_key": [1, 2], "profile": 5}
    again = Config.load(tmp_path)
    assert (again.get("profile"), again.get("their_key"), again.get("save_path")) == (5, [1, 2], "clips")


def test_absent_keys_have_their_usual_value(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{}")
    config = Config.load(tmp_path)
    assert config.get("video_output_codec") == "libx264_8" and config.get("boost") == 1
    assert config.get("nothing", "else") == "else" and config.get("nothing") is None


def test_a_value_that_is_read_is_a_copy(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    config.get("checkpoints_paths").append("x")
    assert config.get("checkpoints_paths") == ["ckpts", "."]
    assert first_run_config()["checkpoints_paths"] == ["ckpts", "."]


@pytest.mark.parametrize("damaged", [b'{"save_path": "out', b"[1]", b"\xff\xfe\x00", b""])
def test_a_damaged_file_is_kept_aside_and_told(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(damaged)
    config = Config.load(tmp_path)
    [aside] = tmp_path.glob(f"{FILE_NAME}.broken-*")
    assert aside.read_bytes() == damaged
    assert "was damaged" in config.notice and aside.name in config.notice
    assert json.loads((tmp_path / FILE_NAME).read_text()) == first_run_config()
    assert Config.load(tmp_path).notice == ""


def test_two_damaged_files_in_one_second_are_both_kept(tmp_path: Path) -> None:
    for content in (b"{", b"["):
        (tmp_path / FILE_NAME).write_bytes(content)
        Config.load(tmp_path)
    assert {path.read_bytes() for path in tmp_path.glob("*.broken-*")} == {b"{", b"["}


def test_relative_folders_start_at_the_file(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    assert config.folder_path("save_path") == (tmp_path / "outputs").resolve()
    config.set("save_path", str(tmp_path / "else"))
    assert config.folder_path("save_path") == (tmp_path / "else").resolve()


def test_refresh_takes_over_what_another_process_saved(tmp_path: Path) -> None:
    mine, other = Config.load(tmp_path), Config.load(tmp_path)
    mine.override({"profile": 5})
    assert mine.refresh() is False
    other.update(profile=1, metadata_type="json")
    assert mine.refresh() is True
    assert (mine.get("metadata_type"), mine.get("profile")) == ("json", 5)


def test_refresh_keeps_the_settings_when_the_file_is_damaged(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    config.update(metadata_type="json")
    config.path.write_text('{"metadata_type": "no')
    assert config.refresh() is False
    assert config.get("metadata_type") == "json"
