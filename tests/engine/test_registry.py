"""What the registry finds, and what it says about what it cannot use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import ModelNotFound
from shared.engine.registry import Registry


def write(folder: Path, name: str, content: dict[str, Any] | str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def definition(architecture: str = "t2v", **changes: Any) -> dict[str, Any]:
    return {"model": {"name": architecture.upper(), "architecture": architecture, **changes}, "num_inference_steps": 12}


@pytest.fixture
def root_of_models(tmp_path: Path) -> Path:
    write(tmp_path / "defaults", "t2v", definition())
    write(
        tmp_path / "defaults",
        "i2v",
        definition("i2v", URLs=["https://host/x/wan2.1_image2video_480p_bf16.safetensors"]),
    )
    return tmp_path


def test_models_are_found_in_both_folders(root_of_models: Path) -> None:
    write(root_of_models / "finetunes", "my_look", definition(description="mine"))
    registry = Registry(root_of_models)
    assert set(registry.models()) == {"t2v", "i2v", "my_look"}
    assert registry.get("my_look").base_model_type == "t2v"
    assert registry.broken == []


def test_a_finetune_of_the_same_name_changes_only_what_it_names(root_of_models: Path) -> None:
    write(root_of_models / "finetunes", "t2v", {"model": {"name": "Mine"}, "guidance_scale": 3.0})
    model = Registry(root_of_models).get("t2v")
    assert (model.name, model.architecture) == ("Mine", "t2v")
    assert (model.defaults["guidance_scale"], model.defaults["num_inference_steps"]) == (3.0, 12)


def test_extra_folders_of_plugins_are_read(root_of_models: Path, tmp_path: Path) -> None:
    write(tmp_path / "plugin", "extra", definition())
    assert "extra" in Registry(root_of_models, extra_roots=[tmp_path / "plugin"]).models()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"model": {\n  "name": "x",\n}}', "line 3"),
        ('["a list"]', '"model" block'),
        ('{"model": {"name": "x"}}', 'no "architecture"'),
        ('{"model": {"architecture": "t2w"}}', "Did you mean t2v"),
        ('{"model": {"architecture": "t2v", "URLs": "no_such_model"}}', "no_such_model"),
    ],
)
def test_a_broken_file_is_told_and_takes_no_other_down(root_of_models: Path, content: str, words: str) -> None:
    path = write(root_of_models / "defaults", "bad", content)
    registry = Registry(root_of_models)
    assert set(registry.models()) == {"t2v", "i2v"}
    assert len(registry.broken) == 1
    assert str(path) in registry.broken[0]
    assert words in registry.broken[0]


def test_a_file_broken_later_keeps_its_last_good_definition(root_of_models: Path) -> None:
    registry = Registry(root_of_models)
    write(root_of_models / "defaults", "t2v", "{ half a fi")
    write(root_of_models / "defaults", "new", definition("i2v"))
    registry.refresh()
    assert set(registry.models()) == {"t2v", "i2v", "new"}
    assert "t2v.json" in registry.broken[0]


def test_an_unknown_model_is_answered_with_similar_names(root_of_models: Path) -> None:
    with pytest.raises(ModelNotFound, match=r'"t2w" is not known\. Did you mean t2v'):
        Registry(root_of_models).get("t2w")


def test_settings_name_their_model_in_three_ways(root_of_models: Path) -> None:
    registry = Registry(root_of_models)
    assert registry.model_for({"model_type": "i2v", "base_model_type": "t2v"}).model_type == "i2v"
    assert registry.model_for({"model_type": "gone", "base_model_type": "t2v"}).model_type == "t2v"
    by_url = {"model_filename": "ckpts/wan2.1_image2video_480p_bf16.safetensors"}
    assert registry.model_for(by_url).model_type == "i2v"
    assert registry.model_for({"model_filename": "wan2.1_t2v_quanto_int8.safetensors"}).model_type == "t2v"


def test_a_task_takes_a_configuration_of_its_model(root_of_models: Path) -> None:
    configs = [
        {"name": "small", "label": "Weights in 8 bits", "quantization": "int8"},
        {"name": "exact", "quantization": "bf16", "attention": "sdpa", "architecture": "i2v"},
    ]
    write(root_of_models / "defaults", "t2v", definition(configs=configs))
    registry = Registry(root_of_models)
    asked = {"model_type": "t2v", "prompt": "a"}
    assert registry.model_for(asked).get("quantization") is None
    small = registry.model_for({**asked, "config": "small"})
    assert (small.get("quantization"), small.architecture) == ("int8", "t2v")
    both = registry.model_for({**asked, "config": "small,,exact"})
    assert (both.get("quantization"), both.get("attention"), both.get("architecture")) == ("bf16", "sdpa", "t2v")
    param = registry.params(small)["config"]
    assert "small: Weights in 8 bits" in param.help
    problems = registry.handler(small).problems({"config": "small, large"}, small)
    assert problems == ['config: "large" is no configuration of this model. It has small, exact.']


def test_settings_without_a_known_model_are_refused(root_of_models: Path) -> None:
    registry = Registry(root_of_models)
    with pytest.raises(ModelNotFound, match="model_type: it is missing"):
        registry.model_for({"prompt": "a cat"})
    with pytest.raises(ModelNotFound, match='"gone" is not known'):
        registry.model_for({"model_type": "gone"})


def test_availability_is_judged_by_the_files_on_disk(root_of_models: Path) -> None:
    registry = Registry(root_of_models)
    model = registry.get("t2v")
    assert registry.availability(model) == "missing"
    folder = root_of_models / "ckpts" / "t2v"
    for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
        write(folder / part, "config", {})
    assert registry.availability(model) == "partial"
    write(folder, "model_index", {})
    write(folder / "transformer", "weights.index", {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})
    (folder / "transformer" / "one.safetensors").touch()
    assert registry.availability(model) == "partial"
    (folder / "transformer" / "two.safetensors").touch()
    assert registry.availability(model) == "available"


def test_a_repository_in_the_hugging_face_cache_counts(
    root_of_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    write(root_of_models / "defaults", "t2v", definition(repo="team/Clips"))
    model_folder = tmp_path / "hub" / "models--team--Clips"
    snapshot = model_folder / "snapshots" / "abc"
    for part in ("transformer", "vae", "text_encoder", "tokenizer", "scheduler"):
        write(snapshot / part, "config", {})
    write(snapshot, "model_index", {})
    (model_folder / "refs").mkdir()
    (model_folder / "refs" / "main").write_text("abc")
    registry = Registry(root_of_models)
    assert registry.availability(registry.get("t2v")) == "available"


def test_params_carry_the_models_own_bounds_and_defaults(root: Path) -> None:
    registry = Registry(root)
    params = registry.params(registry.get("starter"))
    assert params["video_length"].minimum == 1
    assert params["resolution"].default == "128x128"
    assert ("128 x 128 (1:1)", "128x128") in params["resolution"].choices
    assert "image_refs" not in params
    assert params["sample_solver"].check("euler") is None


def test_catalogue_and_params_load_no_torch(root: Path) -> None:
    code = (
        "import sys; from shared.engine.registry import Registry; r = Registry('.');"
        "[(r.params(m), r.availability(m), r.handler(m).problems(m.defaults, m)) for m in r.models().values()];"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
