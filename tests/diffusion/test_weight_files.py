"""Weights from single files and quantised copies, put in the place of a checkpoint's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.core.contracts import LoadOptions
from shared.core.errors import DownloadError, SettingsError
from shared.diffusion.loading import load_pipeline
from shared.diffusion.offload import is_packed, weight_bytes
from shared.diffusion.quantization import FOLDER, quantization_config
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import _transformer, save

State = dict[str, torch.Tensor]

# diffusers' names of a Wan transformer and those of its publisher, in this order.
_ORIGINAL = (
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("attn1", "self_attn"), ("attn2", "cross_attn"), (".to_out.0.", ".o."), (".to_q.", ".q."), (".to_k.", ".k."),
    (".to_v.", ".v."), ("ffn.net.0.proj", "ffn.0"), ("ffn.net.2", "ffn.2"), ("proj_out", "head.head"),
    ("norm2", "norm_"), ("norm3", "norm2"), ("norm_.", "norm3."),
)  # fmt: skip


def as_published(state: State) -> State:
    found = {}
    for name, value in state.items():
        for own, original in _ORIGINAL:
            name = name.replace(own, original)
        table = "head.modulation" if name == "scale_shift_table" else name.replace("scale_shift_table", "modulation")
        found[table] = value.contiguous()
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ckpts")
    save("t2v", folder / "t2v")
    return folder


@pytest.fixture(scope="module")
def other() -> State:
    """The weights of another transformer of the same size."""
    return dict(_transformer(seed=7).state_dict())


def load(root: Path, **definition: Any) -> Any:
    return load_pipeline(wan_model("t2v", **definition), [str(root)], LoadOptions(), ("WanPipeline",))


def as_scaled_fp8(state: State) -> State:
    found = as_published(state)
    for name in [name for name in found if name.endswith(".weight") and found[name].ndim == 2]:
        scale = found[name].abs().max() / 448
        found[name] = (found[name] / scale).to(torch.float8_e4m3fn)
        found[name.replace(".weight", ".scale_weight")] = scale.reshape(1)
    found["scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    return {f"model.diffusion_model.{name}": value for name, value in found.items()}


def as_quanto_int8(state: State) -> State:
    found = as_published(state)
    for name in [name for name in found if name.endswith(".weight") and found[name].ndim == 2]:
        weight = found.pop(name)
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        found[f"{name}._data"] = (weight / scale).round().to(torch.int8)
        found[f"{name}._scale"] = scale.to(torch.bfloat16)
        found[name.replace(".weight", ".input_scale")] = torch.ones(())
    return found


@pytest.mark.parametrize(
    ("convert", "tolerance"),
    [
        (dict, 0),
        (as_published, 0),
        (lambda state: {f"model.diffusion_model.{name}": value for name, value in as_published(state).items()}, 0),
        (as_scaled_fp8, 0.04),
        (as_quanto_int8, 0.02),
    ],
    ids=["diffusers", "published", "ComfyUI", "scaled fp8", "quanto int8"],
)
def test_a_single_file_takes_the_place_of_the_transformer(
    root: Path, other: State, tmp_path: Path, convert: Callable[[State], State], tolerance: float
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(convert({name: value.contiguous() for name, value in other.items()}), path)
    loaded = load(root, URLs=[str(path)]).transformer.state_dict()
    assert loaded.keys() == other.keys()
    for name, value in other.items():
        worst = (loaded[name] - value).abs().max() / value.abs().max().clamp(min=1e-9)
        assert worst <= tolerance, name


def write_gguf(path: Path, state: State) -> None:
    writer = gguf.GGUFWriter(str(path), "wan")
    for name, value in state.items():
        array = value.float().numpy()
        if value.ndim == 2 and value.shape[1] % 32 == 0:
            packed = gguf.quants.quantize(array, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_runs_nearly_as_the_weights_it_was_made_from(root: Path, other: State, tmp_path: Path) -> None:
    write_gguf(tmp_path / "other-Q8_0.gguf", as_published(other))
    packed = load(root, URLs=[str(tmp_path / "other-Q8_0.gguf")]).transformer
    whole = _transformer(seed=7)
    assert any(type(weight).__name__ == "GGUFParameter" for weight in packed.parameters())
    assert 0 < difference(packed, whole) < 0.02


def difference(one: torch.nn.Module, other: torch.nn.Module) -> float:
    torch.manual_seed(0)
    inputs = {
        "hidden_states": torch.randn(1, 16, 3, 4, 4),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 10, 32),
    }
    with torch.no_grad():
        expected = other(**inputs).sample
        return float((one(**inputs).sample - expected).norm() / expected.norm())


def test_a_file_of_another_model_is_refused_with_its_name(root: Path, other: State, tmp_path: Path) -> None:
    few = {name: value.contiguous() for name, value in other.items() if not name.startswith("blocks.1")}
    save_file(few, tmp_path / "few.safetensors")
    with pytest.raises(DownloadError, match=r"few\.safetensors does not hold the weights of a WanTransformer3DModel"):
        load(root, URLs=[str(tmp_path / "few.safetensors")])
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(DownloadError, match=r"broken\.safetensors is damaged"):
        load(root, URLs=[str(tmp_path / "broken.safetensors")])
    save_file({**few, "blocks.0.ffn.weight_scale_2": torch.ones(1)}, tmp_path / "fp4.safetensors")
    with pytest.raises(DownloadError, match=r"fp4\.safetensors holds weights in a quantised form"):
        load(root, URLs=[str(tmp_path / "fp4.safetensors")])


def test_text_encoder_and_vae_come_from_single_files_too(root: Path, tmp_path: Path) -> None:
    own = load(root)
    text = {name: value + 0.5 for name, value in own.text_encoder.state_dict().items() if "embed_tokens" not in name}
    save_file(published_umt5(text), tmp_path / "umt5.safetensors")
    vae = {name: value + 0.5 for name, value in own.vae.state_dict().items()}
    save_file(vae, tmp_path / "vae.safetensors")
    files = {"text_encoder_URLs": [str(tmp_path / "umt5.safetensors")], "VAE_URLs": [str(tmp_path / "vae.safetensors")]}
    pipe = load(root, **files)
    loaded = pipe.text_encoder.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in text.items())
    assert torch.equal(loaded["encoder.embed_tokens.weight"], text["shared.weight"])
    assert all(torch.equal(pipe.vae.state_dict()[name], value) for name, value in vae.items())


def published_umt5(state: State) -> State:
    pairs = (
        ("encoder.final_layer_norm", "norm"), ("encoder.block.", "blocks."), ("shared.", "token_embedding."),
        (".layer.0.SelfAttention.relative_attention_bias", ".pos_embedding.embedding"),
        (".layer.0.SelfAttention.", ".attn."), (".layer.0.layer_norm", ".norm1"), (".layer.1.layer_norm", ".norm2"),
        (".layer.1.DenseReluDense.wi_0", ".ffn.gate.0"), (".layer.1.DenseReluDense.wi_1", ".ffn.fc1"),
        (".layer.1.DenseReluDense.wo", ".ffn.fc2"),
    )  # fmt: skip
    found = {}
    for name, value in state.items():
        for own, original in pairs:
            name = name.replace(own, original)
        found[name] = value.contiguous()
    return found


@pytest.mark.parametrize(("kind", "error"), [("int8", 0.02), ("fp8", 0.06)])
def test_quantised_weights_are_kept_and_found_again(
    root: Path, tmp_path: Path, kind: str, error: float, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "t2v").symlink_to(root / "t2v")
    first = load(tmp_path, quantization=kind).transformer
    copy = next((tmp_path / FOLDER).iterdir())
    made = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    second = load(tmp_path, quantization=kind).transformer
    assert {path.name: path.stat().st_mtime_ns for path in copy.iterdir()} == made
    assert difference(second, first) < 1e-6
    assert 0 < difference(first, load(root).transformer) < error
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_damaged_or_outdated_copy_is_made_again(root: Path, tmp_path: Path) -> None:
    folder = save("t2v", tmp_path / "t2v")
    expected = load(tmp_path, quantization="int8").transformer
    copy = next((tmp_path / FOLDER).iterdir())
    weights = copy / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    assert difference(load(tmp_path, quantization="int8").transformer, expected) < 1e-6
    source = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 2 for name, value in load_file(source).items()}, source, {"format": "pt"})
    os.utime(source, ns=(0, 0))
    assert difference(load(tmp_path, quantization="int8").transformer, expected) > 0.1
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_a_root_that_cannot_be_written_only_costs_the_copy(root: Path, tmp_path: Path) -> None:
    (tmp_path / "t2v").symlink_to(root / "t2v")
    (tmp_path / FOLDER).write_text("in the way")
    assert load(tmp_path, quantization="int8").transformer is not None


def test_layers_are_cast_for_their_passes_alone(root: Path) -> None:
    cast, whole = load(root, quantization="fp8_cast").transformer, load(root).transformer
    kept = [weight.dtype for weight in cast.blocks.parameters() if weight.ndim == 2]
    assert torch.float8_e4m3fn in kept and not (root / FOLDER).exists()
    assert 0 < difference(cast, whole) < 0.06
    assert weight_bytes(cast.blocks) < 0.6 * weight_bytes(whole.blocks)
    assert is_packed(cast) and not is_packed(whole)


def test_a_single_file_is_quantised_as_well(root: Path, other: State, tmp_path: Path) -> None:
    save_file(as_published(other), tmp_path / "other.safetensors")
    (tmp_path / "t2v").symlink_to(root / "t2v")
    given = {"URLs": [str(tmp_path / "other.safetensors")], "quantization": "int8"}
    first, second = (load(tmp_path, **given).transformer for _ in range(2))
    assert 0 < difference(first, _transformer(seed=7)) < 0.02
    assert difference(first, second) < 1e-6


def test_a_kind_without_its_back_end_is_refused() -> None:
    with pytest.raises(SettingsError, match="nf4"):
        quantization_config("nf4", "diffusers", "cpu", torch.float32)
