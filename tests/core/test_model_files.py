"""Which files a definition asks for, and where they are found (wangp.md 4.1, 4.5)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shared.core.checkpoints import Finder, availability, locate
from shared.core.contracts import LoadOptions, ModelFile
from shared.core.errors import DownloadError, ModelNotFound
from shared.core.lora_files import LoraFolder
from shared.core.model_def import ModelDef, build_model_def
from shared.core.model_files import file_from_entry, lora_file, model_files, pick_variant
from shared.core.weights import find_weights

HUB = "https://huggingface.co/DeepBeepMeep/Wan2.1/resolve/main/"
# A finetune as its authors share it.
FUSIONIX = {
    "model": {
        "name": "Wan text2video FusioniX 14B",
        "architecture": "t2v",
        "URLs": [
            HUB + "Wan14BT2VFusioniX_fp16.safetensors",
            HUB + "Wan14BT2VFusioniX_quanto_fp16_int8.safetensors",
            HUB + "Wan14BT2VFusioniX_quanto_bf16_int8.safetensors",
        ],
        "preload_URLs": [],
        "auto_quantize": True,
    },
    "num_inference_steps": 10,
}
BASE = {"model": {"name": "T2V", "architecture": "t2v", "repo": "Wan-AI/Wan2.1-T2V-14B-Diffusers"}}


def build(model: dict[str, Any], **others: dict[str, Any]) -> ModelDef:
    sources = {"t2v": BASE, "mine": {"model": {"architecture": "t2v", **model}}, **others}
    return build_model_def("mine", sources, "wan", {})


def paths(model: ModelDef) -> list[str]:
    return [file.path for file in model_files(model)]


def checkpoint(folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """A pipeline's folder with empty-handed but whole parts."""
    index = {
        "_class_name": "WanPipeline",
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "image_encoder": [None, None],
    }
    for part in ("transformer", "vae", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text("{}")
    for part in {"transformer", "vae"} - set(without):
        (folder / part / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_repository_is_one_folder() -> None:
    file = model_files(build({"repo": "Wan-AI/Clips", "revision": "v2", "variant": "fp16"}))[0]
    assert (file.path, file.repo, file.revision) == ("Clips", "Wan-AI/Clips", "v2")
    assert (file.name, file.role, file.variant) == (".", "pipeline", "fp16")


@pytest.mark.parametrize(
    ("quantisation", "dtype", "chosen"),
    [
        ("int8", "", "Wan14BT2VFusioniX_quanto_bf16_int8.safetensors"),
        ("int8", "fp16", "Wan14BT2VFusioniX_quanto_fp16_int8.safetensors"),
        ("fp8", "bf16", "Wan14BT2VFusioniX_quanto_bf16_int8.safetensors"),
        ("", "bf16", "Wan14BT2VFusioniX_fp16.safetensors"),
        ("int4", "", "Wan14BT2VFusioniX_fp16.safetensors"),
    ],
)
def test_a_shared_finetune_picks_the_variant_that_suits(quantisation: str, dtype: str, chosen: str) -> None:
    model = build_model_def("fusionix", {"t2v": BASE, "fusionix": FUSIONIX}, "wan", {})
    folder, transformer = model_files(model, LoadOptions(quantization=quantisation, dtype=dtype))
    assert (transformer.path, transformer.role, transformer.repo) == (chosen, "transformer", "DeepBeepMeep/Wan2.1")
    assert folder.repo == "Wan-AI/Wan2.1-T2V-14B-Diffusers"
    assert folder.without == ("transformer",)


def test_of_files_without_tokens_the_first_is_taken() -> None:
    assert pick_variant(["https://h/a.safetensors", "https://h/b.safetensors"], "int8") == "https://h/a.safetensors"
    assert pick_variant(["x-Q8_0.gguf", "x-Q4_K_M.gguf", "x_bf16.safetensors"], "q4_k_m") == "x-Q4_K_M.gguf"
    assert pick_variant(["x-Q8_0.gguf", "x_bf16.safetensors"], "") == "x_bf16.safetensors"


def test_each_key_stands_for_its_part() -> None:
    model = build(
        {
            "URLs": [HUB + "high_bf16.safetensors"],
            "URLs2": [HUB + "low_bf16.safetensors"],
            "text_encoder_URLs": [HUB + "umt5/umt5_bf16.safetensors", HUB + "umt5/umt5_quanto_int8.safetensors"],
            "text_encoder_folder": "umt5",
            "VAE_URLs": [HUB + "vae_bf16.safetensors"],
            "modules": [[HUB + "vace_bf16.safetensors", HUB + "vace_quanto_int8.safetensors"]],
            "preload_URLs": [HUB + "extra/map.json|maps"],
        }
    )
    files = model_files(model, LoadOptions(text_encoder_quantization="int8"))
    assert [(file.role, file.path) for file in files] == [
        ("pipeline", "Wan2.1-T2V-14B-Diffusers"),
        ("transformer", "high_bf16.safetensors"),
        ("transformer_2", "low_bf16.safetensors"),
        ("text_encoder", "umt5/umt5_quanto_int8.safetensors"),
        ("vae", "vae_bf16.safetensors"),
        ("module", "vace_bf16.safetensors"),
        ("preload", "maps/map.json"),
    ]
    assert files[0].without == ("transformer", "transformer_2", "text_encoder", "vae")
    assert files[3].name == "umt5/umt5_quanto_int8.safetensors"


def test_a_whole_checkpoint_in_one_file_stands_for_every_part() -> None:
    model = build({"URLs": ["https://host.example/sd_xl.safetensors"], "main_part": "checkpoint"})
    folder, single = model_files(model)
    assert folder.without == ("*",) and single.role == "checkpoint"


def test_a_part_of_another_repository_has_a_folder_of_its_own(tmp_path: Path) -> None:
    control = {"class": "ControlNetModel", "repo": "team/Control-Net"}
    adapter = {"repo": "team/Adapter", "subfolder": "sdxl", "file": "adapter.safetensors"}
    files = model_files(build({"repo": "team/Clips", "extra_parts": {"controlnet": control, "adapter": adapter}}))
    assert [(file.path, file.name, file.role) for file in files[1:]] == [
        ("Control-Net", ".", "part:controlnet"),
        ("Adapter/sdxl/adapter.safetensors", "sdxl/adapter.safetensors", "part:adapter"),
    ]
    assert files[0].without == ("part:controlnet", "part:adapter")


def test_of_a_part_that_lies_elsewhere_nothing_is_asked_of_the_pipelines_folder(tmp_path: Path) -> None:
    checkpoint(tmp_path / "Clips", without=("vae",))
    shutil.rmtree(tmp_path / "Clips" / "vae")
    model = build({"repo": "team/Clips", "extra_parts": {"vae": {"repo": "team/Vae"}}})
    assert [file.role for file in model_files(model) if Finder([tmp_path]).state(file) != "available"] == ["part:vae"]


def test_a_module_that_names_a_model_is_that_models() -> None:
    vace = {"model": {"architecture": "t2v", "modules": [[HUB + "vace_bf16.safetensors"]]}}
    assert paths(build({"URLs": "t2v", "modules": ["vace"]}, vace=vace))[-1] == "vace_bf16.safetensors"
    assert paths(build({"modules": "vace"}, vace=vace))[-1] == "vace_bf16.safetensors"
    with pytest.raises(ModelNotFound, match='"t2v", which offers no module'):
        build({"modules": ["t2v"]})


def test_multipliers_of_always_on_loras_are_inherited_with_them() -> None:
    fast = {"model": {"architecture": "t2v", "loras": [HUB + "fast.safetensors"], "loras_multipliers": [0.5]}}
    assert build({"loras": "fast", "loras_multipliers": "fast"}, fast=fast).get("loras_multipliers") == [0.5]
    assert build({"loras": "fast", "loras_multipliers": "1;0 0.5"}, fast=fast).get("loras_multipliers") == "1;0 0.5"


def test_files_with_common_names_keep_the_folder_of_their_origin() -> None:
    hub = file_from_entry("https://huggingface.co/team/Clips/resolve/v1/vae/diffusion_pytorch_model.safetensors")
    assert (hub.path, hub.revision) == ("Clips/vae/diffusion_pytorch_model.safetensors", "v1")
    other = file_from_entry("https://host.example/files/model.safetensors?token=1")
    assert other.path == "host.example/model.safetensors" and other.url.endswith("?token=1")


def test_checksums_of_the_definition_go_with_the_files() -> None:
    model = build({"URLs": ["https://h.example/a.safetensors"], "sha256": {"a.safetensors": "AB12"}})
    assert model_files(model)[1].sha256 == "ab12"


@pytest.mark.parametrize(
    "entry",
    [
        "file:///etc/passwd",
        "ftp://host/a.safetensors",
        "https://user:secret@host/a.safetensors",
        "https://host/",
        "../../etc/passwd.safetensors",
        "https://host/a.safetensors|../../x",
        "https://huggingface.co/a/b/resolve/main/../../../x.safetensors",
        "a/../../b.safetensors",
    ],
)
def test_addresses_and_paths_that_lead_astray_are_refused(entry: str) -> None:
    with pytest.raises(ModelNotFound):
        model_files(build({"URLs": [entry]}))


def test_a_lora_from_an_address_lies_in_the_lora_folder(tmp_path: Path) -> None:
    folder = LoraFolder(tmp_path / "wan", "wan")
    file = lora_file("https://host.example/x/style.safetensors?a=b|looks", folder)
    assert file.path == str(tmp_path / "wan" / "looks" / "style.safetensors")
    assert file.url == "https://host.example/x/style.safetensors?a=b"
    hub = lora_file(HUB + "loras/fast.safetensors", folder)
    assert (hub.path, hub.repo) == (str(tmp_path / "wan" / "fast.safetensors"), "DeepBeepMeep/Wan2.1")
    assert hub.name == "loras/fast.safetensors"
    with pytest.raises(ModelNotFound):
        lora_file("file:///etc/style.safetensors", folder)


def test_files_of_another_programs_folder_are_found_by_name(tmp_path: Path) -> None:
    comfy = tmp_path / "ComfyUI" / "models"
    (comfy / "diffusion_models" / "wan").mkdir(parents=True)
    weights = comfy / "diffusion_models" / "wan" / "Wan14BT2VFusioniX_fp16.safetensors"
    weights.touch()
    (comfy / "vae").mkdir()
    (comfy / "vae" / "model.safetensors").touch()
    roots = [tmp_path / "ckpts", comfy]
    assert locate(file_from_entry(HUB + "Wan14BT2VFusioniX_fp16.safetensors"), roots) == weights
    assert locate(ModelFile("Other/model.safetensors", repo="team/Other"), roots) is None
    assert locate(file_from_entry("diffusion_models/wan/Wan14BT2VFusioniX_fp16.safetensors"), roots) == weights
    assert locate(file_from_entry(str(weights)), roots) == weights


def test_a_root_that_holds_other_roots_is_not_searched_by_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "look.safetensors").touch()
    file = ModelFile("look.safetensors")
    assert locate(file, [tmp_path / "ckpts", tmp_path]) is None
    assert locate(file, [tmp_path / "ckpts", tmp_path / "elsewhere"]) is not None


def test_what_lies_where_is_read_again_after_a_refresh(tmp_path: Path) -> None:
    finder = Finder([tmp_path])
    assert finder.locate(ModelFile("look.safetensors")) is None
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "look.safetensors").touch()
    finder.refresh()
    assert finder.locate(ModelFile("look.safetensors")) == tmp_path / "sub" / "look.safetensors"


def test_a_folder_is_whole_when_each_part_has_its_weights(tmp_path: Path) -> None:
    model = build({"repo": "team/Clips"})
    assert availability(model_files(model), [tmp_path]) == "missing"
    folder = checkpoint(tmp_path / "Clips", without=("transformer",))
    assert availability(model_files(model), [tmp_path]) == "partial"
    with pytest.raises(DownloadError, match="missing transformer/its weights"):
        find_weights(model, [str(tmp_path)])
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    assert availability(model_files(model), [tmp_path]) == "available"
    assert find_weights(model, [str(tmp_path)]).folder == folder


def test_a_part_that_a_single_file_replaces_needs_only_its_configuration(tmp_path: Path) -> None:
    model = build({"repo": "team/Clips", "URLs": ["https://h.example/look_bf16.safetensors"]})
    folder = checkpoint(tmp_path / "Clips", without=("transformer",))
    assert availability(model_files(model), [tmp_path]) == "partial"
    with pytest.raises(DownloadError, match=r"look_bf16\.safetensors is missing"):
        find_weights(model, [str(tmp_path)])
    (tmp_path / "look_bf16.safetensors").touch()
    assert availability(model_files(model), [tmp_path]) == "available"
    weights = find_weights(model, [str(tmp_path)])
    assert weights.folder == folder and dict(weights.parts) == {"transformer": tmp_path / "look_bf16.safetensors"}


def test_a_part_of_its_own_is_whole_with_settings_and_weights(tmp_path: Path) -> None:
    file, folder = ModelFile("Control", repo="team/Control", name=".", role="part:controlnet"), tmp_path / "Control"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert availability([file], [tmp_path]) == "partial"
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"w")
    assert availability([file], [tmp_path]) == "available"


def test_a_whole_folder_of_a_later_root_comes_before_a_broken_one(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a" / "Clips", without=("vae",))
    whole = checkpoint(tmp_path / "b" / "Clips")
    model = build({"repo": "team/Clips"})
    assert find_weights(model, [str(tmp_path / "a"), str(tmp_path / "b")]).folder == whole
