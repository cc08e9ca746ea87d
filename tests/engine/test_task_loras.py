"""The LoRAs of a task: fetched where they are missing, refused where they cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import SettingsError
from shared.core.lora_files import LoraFolder, read_url_registry
from shared.core.safetensors_header import read_header
from shared.engine.loras import lora_files, missing_loras
from tests.fakes.engine import make_engine, numpy_model
from tests.fakes.model_defs import wan_model

HUB = "https://huggingface.co/team/Styles/resolve/main/sub/quick.safetensors"
URL = "https://files.example/style.safetensors"


def write(path: Path, content: bytes = b"\0" * 8, length: int | None = None) -> Path:
    header = {"a.lora_A.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> LoraFolder:
    write(tmp_path / "loras/wan/here.safetensors")
    return LoraFolder(tmp_path / "loras/wan", "wan", {"lost.safetensors": URL})


def chosen(*entries: str) -> dict[str, Any]:
    return {"activated_loras": list(entries)}


def test_what_is_not_on_disk_is_fetched_into_the_familys_folder(folder: LoraFolder) -> None:
    model = wan_model("t2v", loras=[f"{HUB}|fast"])
    missing = missing_loras(model, chosen("here.safetensors", URL, "lost.safetensors"), folder)
    assert [file.path for file in missing] == [
        f"{folder.path.as_posix()}/fast/quick.safetensors", *[f"{folder.path.as_posix()}/style.safetensors"] * 2,
    ]  # fmt: skip
    assert missing[0].repo == "team/Styles"
    assert missing[1].url == URL
    assert {file.role for file in missing} == {"lora"}


def test_what_nobody_has_is_refused(folder: LoraFolder) -> None:
    for entry, words in (("gone.safetensors", "there is no"), ("http://x.example/a.safetensors", "begins with https")):
        with pytest.raises(SettingsError, match=words):
            missing_loras(wan_model("t2v"), chosen(entry), folder)


def test_each_entry_has_its_file_and_its_source_is_remembered(folder: LoraFolder, tmp_path: Path) -> None:
    write(folder.path / "style.safetensors")
    found = lora_files(wan_model("t2v"), chosen("here.safetensors", URL), folder, tmp_path)
    assert found == {
        "here.safetensors": str(folder.path / "here.safetensors"), URL: str(folder.path / "style.safetensors"),
    }  # fmt: skip
    assert read_url_registry(tmp_path) == {"wan|style.safetensors": URL}


@pytest.mark.parametrize(
    ("content", "length", "words"),
    [(b"", None, "cut short"), (b"\0" * 8, 10**9, "no safetensors file"), (b"\0" * 8, 5, "no safetensors file")],
)
def test_a_file_that_is_none_is_refused_before_a_model_is_loaded(
    folder: LoraFolder, tmp_path: Path, content: bytes, length: int | None, words: str
) -> None:
    write(folder.path / "here.safetensors", content, length)
    with pytest.raises(SettingsError, match=words):
        lora_files(wan_model("t2v"), chosen("here.safetensors"), folder, tmp_path)


def test_a_header_tells_names_and_shapes(tmp_path: Path) -> None:
    assert read_header(write(tmp_path / "a.safetensors"))["a.lora_A.weight"]["shape"] == [2]


def test_a_window_gets_the_files_of_the_loras_that_the_task_names(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, numpy_model(loras=["own.safetensors"]))
    engine.registry.loras = tmp_path / "loras"
    own, style = (write(engine.registry.loras / f"{name}.safetensors") for name in ("own", "style"))
    [output] = engine.make("a ball [/loras_mult=0.5]", activated_loras=["style.safetensors"], loras_multipliers="1")
    request = engine.pipeline.requests[0]
    assert request.lora_files == {"own.safetensors": str(own), "style.safetensors": str(style)}
    assert request.settings["loras_multipliers"] == "0.5"
    assert output.settings["activated_loras"] == ["style.safetensors"]
    assert output.settings["loras_multipliers"] == "1"


def test_a_task_with_a_missing_lora_is_refused_at_once(tmp_path: Path) -> None:
    engine = make_engine(tmp_path)
    engine.registry.loras = tmp_path / "loras"
    write(tmp_path / "loras/style.safetensors")
    finished = engine.run(activated_loras=["styel.safetensors"])
    assert (finished.outcome, finished.stage) == ("failed", "validation")
    assert "Did you mean style.safetensors?" in finished.error
