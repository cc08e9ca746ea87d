"""Which weights are quantised and where they go, decided from sizes alone."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from shared.core.contracts import LoadOptions
from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from shared.core.weight_plan import Room, budgets_mb, plan_weights, quantisation_kind
from shared.core.weight_sizes import PartSize, file_size, folder_size, read_header

GB = 2**30
# Wan 2.1 14B: a transformer of 14.3 billion parameters, a text encoder of 5.7.
SIZES = {
    "transformer": PartSize(14.3e9, int(28.6e9)),
    "text_encoder": PartSize(5.7e9, int(11.4e9)),
    "vae": PartSize(0.13e9, int(0.26e9)),
}
INT8 = {"quantization": "int8", "text_encoder_quantization": "int8"}


def model(**definition: Any) -> ModelDef:
    return ModelDef("wan", "Wan", "t2v", "wan", model=definition)


def cuda(profile: float = -1, **changes: Any) -> LoadOptions:
    return LoadOptions(device="cuda:0", profile=profile, **{**INT8, **changes})


@pytest.mark.parametrize(
    ("profile", "vram", "ram", "placement", "quantised"),
    [
        (-1, 80, 128, "resident", ()),
        (-1, 24, 128, "streamed", ()),
        (4, 80, 128, "streamed", ()),
        (4, 24, 40, "streamed", ("text_encoder",)),
        (4, 12, 26, "streamed", ("text_encoder", "transformer")),
        (3, 80, 32, "resident", ()),
        (3, 48, 32, "resident", ("text_encoder",)),
        (1, 32, 64, "resident", ("text_encoder", "transformer")),
        (3, 16, 64, "streamed", ("text_encoder", "transformer")),
        (3.5, 80, 32, "resident", ()),
        (3.5, 48, 32, "resident", ("text_encoder",)),
        (4.5, 80, 128, "streamed", ()),
        (4.5, 12, 26, "streamed", ("text_encoder", "transformer")),
    ],
)
def test_weights_shrink_only_when_they_would_not_fit(
    profile: float, vram: int, ram: int, placement: str, quantised: tuple[str, ...]
) -> None:
    plan = plan_weights(SIZES, model(), cuda(profile), Room(vram * GB, ram * GB))
    assert plan.placement == placement
    assert tuple(sorted(part for part, kind in plan.kinds.items() if kind)) == quantised


def test_without_a_card_the_weights_shrink_to_fit_main_memory() -> None:
    options = LoadOptions(**INT8)
    assert not plan_weights(SIZES, model(), options, Room(None, 128 * GB)).kinds
    small = plan_weights(SIZES, model(), options, Room(None, 36 * GB))
    assert small.kinds == {"transformer": "int8", "text_encoder": "int8"} and small.fits
    assert not plan_weights(SIZES, model(), options, Room(None, 8 * GB)).fits


def test_a_definition_decides_over_the_configuration() -> None:
    room = Room(80 * GB, 128 * GB)
    assert plan_weights(SIZES, model(quantization="fp8"), cuda(), room).kinds == {"transformer": "fp8"}
    assert plan_weights(SIZES, model(quantization={"text_encoder": "int8"}), cuda(), room).kinds == {
        "text_encoder": "int8"
    }
    never = plan_weights(SIZES, model(quantization="bf16"), cuda(4), Room(8 * GB, 20 * GB))
    assert never.kinds["transformer"] == "" and never.kinds["text_encoder"] == "int8"


def test_a_definition_can_ask_for_the_configured_bits_in_any_case() -> None:
    room = Room(80 * GB, 128 * GB)
    assert plan_weights(SIZES, model(auto_quantize=True), cuda(), room).kinds == {"transformer": "int8"}
    own = model(auto_quantize=True, quantization="fp8")
    assert plan_weights(SIZES, own, cuda(), room).kinds == {"transformer": "fp8"}
    assert not plan_weights(SIZES, model(auto_quantize=True), cuda(quantization=""), room).kinds


def test_streamed_weights_without_transfers_ahead_take_half() -> None:
    room = Room(24 * GB, 128 * GB)
    ahead, behind = (plan_weights(SIZES, model(), cuda(profile), room).device_bytes for profile in (4, 4.5))
    assert behind == ahead / 2


def test_quantised_files_are_left_as_they_are() -> None:
    sizes = {**SIZES, "transformer": PartSize(8e9, int(8.5e9), is_quantised=True)}
    plan = plan_weights(sizes, model(quantization="int8"), cuda(4), Room(8 * GB, 20 * GB))
    assert not plan.kinds.get("transformer")


def test_streamed_weights_take_little_of_the_card() -> None:
    usual = plan_weights(SIZES, model(), cuda(4), Room(12 * GB, 64 * GB))
    leanest = plan_weights(SIZES, model(), cuda(5), Room(12 * GB, 64 * GB))
    preloaded = plan_weights(SIZES, model(), cuda(4, preload_mb=6000), Room(24 * GB, 64 * GB))
    assert leanest.device_bytes < usual.device_bytes < 2 * GB < preloaded.device_bytes
    assert usual.ram_bytes == pytest.approx(40.26e9)


def test_the_budgets_are_those_of_wangp() -> None:
    assert budgets_mb(4, 0) == {"transformer": 100, "transformer_2": 100, "text_encoder": 100, "*": 3000}
    assert budgets_mb(5, 700) == {"transformer": 700, "transformer_2": 700, "text_encoder": 100, "*": 1000}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("int8", "int8"), ("quanto_int8", "int8"), ("FP8", "fp8"), ("bf16", ""), ("", ""), ("4bit", "int4")],
)
def test_kinds_have_the_names_that_configurations_use(name: str, kind: str) -> None:
    assert quantisation_kind(name) == kind


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r'"magic" is no kind of weights\. Use int8, fp8'):
        quantisation_kind("magic")


def write_safetensors(path: Path, header: str, payload: int) -> Path:
    data = header.encode()
    path.write_bytes(struct.pack("<Q", len(data)) + data + bytes(payload))
    return path


def test_sizes_are_read_from_headers(tmp_path: Path) -> None:
    header = '{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[4,8],"data_offsets":[0,128]}}'
    path = write_safetensors(tmp_path / "model.safetensors", header, 128)
    write_safetensors(tmp_path / "model.fp16.safetensors", header.replace("F32", "F16"), 64)
    (tmp_path / "model.bin").write_bytes(bytes(500))
    assert read_header(path) == {"x": ("F32", (4, 8))}
    assert file_size(path) == PartSize(32, 128)
    assert folder_size(tmp_path) == PartSize(32, 128)
    assert folder_size(tmp_path, "fp16") == PartSize(32, 64)
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(bytes(1000))
    assert file_size(gguf).is_quantised and file_size(gguf).bytes_as(2, "int8") == 1000


def test_a_damaged_header_counts_by_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not a header at all" * 10)
    with pytest.raises(ValueError, match="no safetensors"):
        read_header(path)
    assert file_size(path) == PartSize(95, 190)
