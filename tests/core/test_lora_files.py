"""Which file an entry of `activated_loras` is, and what is said of one that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.core.errors import SettingsError
from shared.core.flags import LORA_FOLDERS, lora_dirs, parse_flags
from shared.core.lora_files import (
    LoraFolder,
    all_entries,
    flag_folder,
    locate_all,
    lora_folder,
    read_url_registry,
    remember_url,
    url_problem,
    url_target,
)
from shared.core.model_def import ModelDef

MakeModel = Callable[..., ModelDef]
URL = "https://files.example/a/Quick%20Style.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> LoraFolder:
    for name in ("style.safetensors", "people/Anna.sft", "notes.txt", "old.bin", ".half.safetensors"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return LoraFolder(tmp_path, "wan")


def test_only_files_that_hold_plain_numbers_are_listed(folder: LoraFolder) -> None:
    assert folder.files() == ["people/Anna.sft", "style.safetensors"]
    assert LoraFolder(folder.path / "none").files() == []


def test_an_entry_is_a_relative_name_a_path_or_a_url(folder: LoraFolder, tmp_path: Path) -> None:
    style = tmp_path / "style.safetensors"
    assert folder.find("style.safetensors") == style
    assert folder.find("people\\Anna.sft") == tmp_path / "people/Anna.sft"
    assert folder.find(str(style)) == style
    assert folder.find("../" + tmp_path.name + "/style.safetensors") is None
    assert folder.find(URL) is None
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast/Quick Style.safetensors").write_bytes(b"x")
    assert folder.find(f"{URL}|fast") == tmp_path / "fast/Quick Style.safetensors"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("styel.safetensors", "Did you mean style.safetensors?"),
        ("zzz.safetensors", "Put the file into"),
        ("style.bin", "Use a file that ends in .safetensors or .sft"),
        ("http://files.example/a.safetensors", "begins with https://"),
        ("https://files.example/a.ckpt", "other kinds of files can carry programs"),
        ("https://[/a.safetensors", "is not a web address"),
        (7, "7 is not accepted"),
        ("", "is not accepted"),
    ],
)
def test_what_cannot_be_used_is_named(folder: LoraFolder, entry: object, words: str) -> None:
    problem = folder.problem(entry)
    assert problem is not None
    assert problem.startswith("activated_loras: ")
    assert words in problem


def test_what_can_be_had_is_no_problem(folder: LoraFolder) -> None:
    assert folder.problem("style.safetensors") is None
    assert folder.problem(URL) is None
    known = LoraFolder(folder.path, "wan", {"gone.safetensors": URL})
    assert known.problem("gone.safetensors") is None
    assert known.url_of("./gone.safetensors") == URL


def test_a_url_cannot_lead_out_of_the_folder() -> None:
    assert url_target("https://x.example/../../a%2F..%2Fb.safetensors|../up/./in") == "up/in/a_.._b.safetensors"
    assert url_problem("https://x.example/a.safetensors?download=true") is None


def test_where_a_file_came_from_is_remembered(folder: LoraFolder, tmp_path: Path, make_model: MakeModel) -> None:
    assert read_url_registry(tmp_path) == {}
    remember_url(tmp_path, folder, f"{URL}|fast")
    assert read_url_registry(tmp_path) == {"wan|fast/Quick Style.safetensors": f"{URL}|fast"}
    again = lora_folder(make_model(lora_dir="wan"), tmp_path, {})
    assert again.url_of("fast/Quick Style.safetensors") == f"{URL}|fast"
    assert lora_folder(make_model(lora_dir="flux"), tmp_path, {}).known_urls == {}


def test_a_model_has_the_folder_of_its_definition_or_flag(tmp_path: Path, make_model: MakeModel) -> None:
    model = make_model(lora_dir="wan_i2v")
    assert lora_folder(model, tmp_path, {}).path == tmp_path / "loras" / "wan_i2v"
    assert lora_folder(model, tmp_path, {"loras_root": "/big/l"}).path == Path("/big/l/wan_i2v")
    assert lora_folder(model, tmp_path, {"lora_dirs": {"wan_i2v": "/fast"}}).path == Path("/fast")
    assert lora_folder(make_model(), tmp_path, {}).name == make_model().family


def test_each_flag_has_its_folder() -> None:
    folders = [flag_folder(name.replace("-", "_")) for name in ("", *LORA_FOLDERS)]
    assert {"wan", "wan_i2v", "wan_1.3B", "wan_5B", "hunyuan_1_5", "k5_pro_t2v", "z_image"} <= set(folders)


def test_flags_put_single_folders_elsewhere() -> None:
    flags, _ = parse_flags(["--lora-dir", "/a", "--lora-dir-wan-1-3b", "/b", "--lora-dir-k5-pro-t2v", "c"])
    assert lora_dirs(flags) == {"wan": "/a", "wan_1.3B": "/b", "k5_pro_t2v": "c"}
    assert lora_dirs(parse_flags([])[0]) == {}


def test_the_definitions_loras_come_first_and_none_twice(make_model: MakeModel) -> None:
    model = make_model(loras=["fast.safetensors"])
    assert all_entries(model, {"activated_loras": ["a.sft", "./fast.safetensors", "a.sft"]}) == [
        "fast.safetensors", "a.sft",
    ]  # fmt: skip
    assert all_entries(model, {}) == ["fast.safetensors"]


def test_files_are_located_or_named(folder: LoraFolder, tmp_path: Path) -> None:
    assert locate_all(["style.safetensors"], folder) == {"style.safetensors": str(tmp_path / "style.safetensors")}
    with pytest.raises(SettingsError, match="Did you mean style"):
        locate_all(["stile.safetensors"], folder)
