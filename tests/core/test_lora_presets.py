"""LoRA presets and accelerator profiles: what they change, how they are written and found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import SettingsError
from shared.core.lora_files import LoraFolder, lora_problems, url_problem
from shared.core.lora_multipliers import model_shape, parse_multipliers
from shared.core.lora_presets import LoraPreset, apply_preset, find_preset, presets_of, read_preset, write_preset
from shared.core.model_def import ModelDef
from shared.core.settings import DECLARATIONS, problems
from shared.engine.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
MakeModel = Callable[..., ModelDef]


@pytest.fixture
def folder(tmp_path: Path) -> LoraFolder:
    path = tmp_path / "loras/wan"
    path.mkdir(parents=True)
    return LoraFolder(path, "wan")


def preset(path: Path, kind: Any, **content: Any) -> LoraPreset:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return LoraPreset(path.stem, path, kind)


SETTINGS = {
    "prompt": "# mine\na red ball", "activated_loras": ["fast.sft", "style.sft"], "loras_multipliers": "1;0|0.8",
    "num_inference_steps": 30,
}  # fmt: skip


def test_an_accelerator_changes_settings_and_the_left_side(tmp_path: Path) -> None:
    given = preset(tmp_path / "quick.json", "accelerator", help="quick", num_inference_steps=4, model_type="other",
                   activated_loras=["quick.sft"], loras_multipliers="0.5")  # fmt: skip
    changed = apply_preset(SETTINGS, given)
    assert changed == {
        **SETTINGS, "num_inference_steps": 4, "activated_loras": ["quick.sft", "style.sft"],
        "loras_multipliers": "0.5|0.8",
    }  # fmt: skip
    assert given.help == "quick"


def test_a_preset_changes_the_users_side_and_the_remarks_of_the_prompt(tmp_path: Path) -> None:
    given = preset(tmp_path / "a.lset", "preset", loras=["x.sft", "y.sft"], loras_mult="1 0.3", prompt="# theirs")
    changed = apply_preset(SETTINGS, given)
    assert changed["activated_loras"] == ["fast.sft", "x.sft", "y.sft"]
    assert changed["loras_multipliers"] == "1;0|1 0.3"
    assert changed["prompt"] == "# theirs\na red ball"
    full = preset(tmp_path / "b.lset", "preset", loras=[], loras_mult="", prompt="a cat", full_prompt=True)
    assert apply_preset(SETTINGS, full)["prompt"] == "a cat"


def test_a_preset_that_is_written_comes_back(folder: LoraFolder) -> None:
    (folder.path / "mine.json").write_text("{}", encoding="utf-8")
    path = write_preset(folder, "mine", SETTINGS)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "loras": ["style.sft"], "loras_mult": "0.8", "prompt": "# mine", "full_prompt": False,
    }  # fmt: skip
    assert (folder.path / "mine.bkp").is_file()
    assert not (folder.path / "mine.json").exists()
    again = apply_preset({"prompt": "a red ball"}, LoraPreset("mine", path, "preset"))
    assert again == {"prompt": "# mine\na red ball", "activated_loras": ["style.sft"], "loras_multipliers": "0.8"}
    assert write_preset(folder, "../up/x.lset", SETTINGS, full_prompt=True).parent == folder.path


def test_profiles_of_the_model_and_files_beside_its_loras_are_offered(
    folder: LoraFolder, tmp_path: Path, make_model: MakeModel
) -> None:
    preset(tmp_path / "profiles/wan_2_2/Fast.json", "accelerator")
    preset(tmp_path / "profiles/flux/Other.json", "accelerator")
    preset(folder.path / "b.lset", "preset")
    preset(folder.path / "a.json", "settings")
    found = presets_of(make_model(lora_dir="wan", profiles_dir="wan_2_2"), tmp_path, folder)
    assert [(one.name, one.kind) for one in found] == [("Fast", "accelerator"), ("b", "preset"), ("a", "settings")]
    assert find_preset(found, "fast").kind == "accelerator"
    assert find_preset(found, "b.lset").kind == "preset"
    with pytest.raises(SettingsError, match=r'no "fats".*Known are Fast'):
        find_preset(found, "fats")
    with pytest.raises(SettingsError, match="has no presets"):
        find_preset([], "fast")


def test_a_settings_file_takes_the_place_of_the_users_loras(tmp_path: Path) -> None:
    given = preset(tmp_path / "a.json", "settings", activated_loras=["z.sft"], loras_multipliers="0.1", seed=5)
    changed = apply_preset(SETTINGS, given)
    assert (changed["activated_loras"], changed["loras_multipliers"]) == (["fast.sft", "z.sft"], "1;0|0.1")
    assert changed["seed"] == 5


@pytest.mark.parametrize("content", ["[1]", "{", "\x00"])
def test_a_broken_preset_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.lset"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"broken\.lset"):
        read_preset(LoraPreset("broken", path, "preset"))
    assert LoraPreset("broken", path, "preset").help == ""


def test_every_shipped_profile_fits_a_model(tmp_path: Path) -> None:
    registry = Registry(ROOT)
    used: set[Path] = set()
    for model in registry.models().values():
        folder = LoraFolder(tmp_path, "none")
        params = registry.params(model)
        for one in presets_of(model, ROOT, folder):
            used.add(one.path)
            settings = apply_preset({**model.defaults, "prompt": "a red ball"}, one)
            source = read_preset(one)
            assert source["help"]
            assert all(url_problem(entry) is None for entry in source["activated_loras"])
            assert lora_problems(settings, folder) == []
            phases, branches = model_shape(model)
            parse_multipliers(settings["loras_multipliers"], len(settings["activated_loras"]), phases=phases,
                              branches=branches)  # fmt: skip
            assert set(source) - {"help"} <= set(DECLARATIONS), one.path
            before = {**model.defaults, "prompt": "a red ball"}
            assert set(problems(settings, model, params)) <= set(problems(before, model, params)), one.path
    assert {"wan", "wan_i2v", "wan_1.3B", "wan_2_2", "wan_2_2_i2v", "wan_2_2_5B"} <= {path.parent.name for path in used}
