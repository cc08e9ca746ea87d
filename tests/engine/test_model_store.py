"""Models fetched, measured and deleted, from definitions as their authors share them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.core.config import Config
from shared.core.errors import Cancelled, DownloadError, ModelNotFound, WanGPError
from shared.core.model_def import ModelDef
from shared.diffusion.quantization import copy_name
from shared.engine.download_file import Patience
from shared.engine.downloads import DownloadProgress
from shared.engine.model_store import ModelStore
from shared.engine.registry import Registry
from tests.fakes.hub import FakeHub, Fault

WEIGHTS = b"w" * 50_000
INDEX = {
    "_class_name": "WanPipeline",
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
}
BASE = {"model": {"name": "Base", "architecture": "t2v", "repo": "team/Base"}}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = FakeHub()
    server.repositories["team/Base"] = {
        "model_index.json": json.dumps(INDEX).encode(),
        "transformer/config.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors": WEIGHTS,
        "vae/config.json": b"{}",
        "vae/diffusion_pytorch_model.safetensors": WEIGHTS,
        "scheduler/scheduler_config.json": b"{}",
    }
    server.repositories["team/Looks"] = {
        "look_bf16.safetensors": WEIGHTS,
        "look_quanto_int8.safetensors": WEIGHTS[:30_000],
        "loras/fast.safetensors": WEIGHTS[:1000],
        "loras/style.safetensors": WEIGHTS[:2000],
    }
    yield server
    server.close()


@pytest.fixture
def store(hub: FakeHub, tmp_path: Path) -> ModelStore:
    return make_store(hub, tmp_path, t2v=BASE)


def make_store(hub: FakeHub, root: Path, **definitions: dict[str, Any]) -> ModelStore:
    (root / "defaults").mkdir(exist_ok=True)
    for name, definition in definitions.items():
        (root / "defaults" / f"{name}.json").write_text(json.dumps(definition))
    config = Config.load(root)
    config.override({"hf_endpoint": hub.url})
    return ModelStore(Registry(root, config), config, Patience(3, 0.01, 0.02))


def look(hub: FakeHub, **more: Any) -> dict[str, Any]:
    """A finetune whose transformer is one file, in two variants."""
    place = "https://huggingface.co/team/Looks/resolve/main/"
    urls = [place + "look_bf16.safetensors", place + "look_quanto_int8.safetensors"]
    return {"model": {"name": "Look", "architecture": "t2v", "URLs": urls, **more}}


def model(store: ModelStore, name: str = "t2v") -> ModelDef:
    return store.registry.get(name)


def files(root: Path) -> list[str]:
    """What lies in the first root, the notes of downloads left out."""
    ckpts = root / "ckpts"
    found = (path.relative_to(ckpts).as_posix() for path in ckpts.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith(".downloads"))


def test_a_missing_model_is_fetched_and_then_available(store: ModelStore, tmp_path: Path) -> None:
    told: list[DownloadProgress] = []
    assert store.state(model(store)).to_download_bytes is None
    assert store.fetch(model(store), on_progress=told.append)
    assert store.registry.availability(model(store)) == "available"
    assert len(files(tmp_path)) == 6 and told[-1].done > 2 * len(WEIGHTS)
    state = store.state(model(store))
    assert state.to_download_bytes == 0 and state.on_disk_bytes > 2 * len(WEIGHTS)
    assert not store.fetch(model(store))


def test_the_size_of_a_download_is_known_once_the_hub_was_asked(store: ModelStore, tmp_path: Path) -> None:
    store.ask(model(store))
    total = store.state(model(store)).to_download_bytes
    assert total is not None and 2 * len(WEIGHTS) < total < 2 * len(WEIGHTS) + 1000
    (tmp_path / "ckpts" / "Base" / "vae").mkdir(parents=True)
    (tmp_path / "ckpts" / "Base" / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(WEIGHTS)
    state = store.state(model(store))
    assert state.availability == "partial" and state.to_download_bytes == total - len(WEIGHTS)


def test_a_cancelled_download_continues_and_the_index_comes_last(
    hub: FakeHub, store: ModelStore, tmp_path: Path
) -> None:
    hub.faults["model.safetensors"] = Fault(slow_s=1.0)
    started = time.monotonic()
    with pytest.raises(Cancelled):
        store.fetch(model(store), is_cancelled=lambda: time.monotonic() - started > 0.6)
    assert "Base/model_index.json" not in files(tmp_path)
    assert store.registry.availability(model(store)) != "available"
    hub.faults.clear()
    store.fetch(model(store))
    assert store.registry.availability(model(store)) == "available"
    assert [request for request in hub.requests if request[2]]


def test_a_finetune_fetches_its_variant_and_the_rest_of_its_base(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v=BASE, look=look(hub))
    store.fetch(model(store, "look"))
    assert files(tmp_path) == [
        "Base/model_index.json",
        "Base/scheduler/scheduler_config.json",
        "Base/transformer/config.json",
        "Base/vae/config.json",
        "Base/vae/diffusion_pytorch_model.safetensors",
        "look_quanto_int8.safetensors",
    ]
    states = {name: store.registry.availability(model(store, name)) for name in ("t2v", "look")}
    assert states == {"t2v": "partial", "look": "available"}


def test_loras_of_definition_and_settings_are_fetched_into_the_lora_folder(hub: FakeHub, tmp_path: Path) -> None:
    fast = "https://huggingface.co/team/Looks/resolve/main/loras/fast.safetensors"
    store = make_store(hub, tmp_path, t2v={"model": {**BASE["model"], "loras": [fast]}})
    assert store.registry.availability(model(store)) == "missing"
    store.fetch(model(store))
    assert (tmp_path / "loras" / "wan" / "fast.safetensors").stat().st_size == 1000
    assert store.registry.availability(model(store)) == "available"
    settings = {"activated_loras": [fast.replace("fast", "style") + "|mine"]}
    assert store.fetch(model(store), settings=settings)
    assert (tmp_path / "loras" / "wan" / "mine" / "style.safetensors").stat().st_size == 2000
    assert not store.fetch(model(store), settings=settings)


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://h.example/a.safetensors", "https://"), ("https://127.0.0.1:9/a.safetensors", "private network")],
)
def test_a_lora_of_a_settings_file_reaches_no_private_host(
    hub: FakeHub, store: ModelStore, url: str, words: str
) -> None:
    store.fetch(model(store))
    with pytest.raises(WanGPError, match=words):
        store.fetch(model(store), settings={"activated_loras": [url]})


def test_offline_a_whole_model_works_and_a_missing_one_says_why(hub: FakeHub, store: ModelStore) -> None:
    store.config.override({"offline": True})
    with pytest.raises(DownloadError, match=r"Base: its files are not on disk, and downloads are switched off"):
        store.fetch(model(store))
    store.config.override({"offline": False})
    store.fetch(model(store))
    store.config.override({"offline": True})
    assert not store.fetch(model(store))


def test_a_definition_without_a_place_is_told(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v={"model": {"name": "Own", "architecture": "t2v", "folder": "own"}})
    with pytest.raises(DownloadError, match="names no place to fetch it from"):
        store.fetch(model(store))
    with pytest.raises(DownloadError, match="nobody knows where to fetch it again"):
        store.delete(model(store))


def test_deleting_frees_the_disk_and_leaves_other_files_alone(store: ModelStore, tmp_path: Path) -> None:
    store.fetch(model(store))
    (tmp_path / "ckpts" / "Base" / "my notes.txt").write_text("mine")
    (tmp_path / "ckpts" / "other.safetensors").write_bytes(b"x")
    deleted = store.delete(model(store))
    assert files(tmp_path) == ["Base/my notes.txt", "other.safetensors"]
    assert deleted.freed_bytes > 2 * len(WEIGHTS) and deleted.paths == (tmp_path / "ckpts" / "Base",)
    with pytest.raises(DownloadError, match="nothing of it is on disk"):
        (tmp_path / "ckpts" / "Base" / "my notes.txt").unlink()
        (tmp_path / "ckpts" / "Base").rmdir()
        store.delete(model(store))


def test_quantised_copies_go_with_the_model(store: ModelStore, tmp_path: Path) -> None:
    store.fetch(model(store))
    folder = tmp_path / "ckpts" / "quantized"
    names = [copy_name(tmp_path / "ckpts" / name, "transformer") + ".int8" for name in ("Base", "Other")]
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "model.safetensors").write_bytes(WEIGHTS)
    assert store.delete(model(store)).freed_bytes > 3 * len(WEIGHTS)
    assert [path.name for path in folder.iterdir()] == names[1:]


def test_what_another_model_needs_is_kept(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v=BASE, look=look(hub))
    store.fetch(model(store, "look"))
    store.fetch(model(store))
    deleted = store.delete(model(store))
    assert deleted.paths == () and "Look needs it" in deleted.kept[0]
    deleted = store.delete(model(store, "look"))
    assert [path.name for path in deleted.paths] == ["look_quanto_int8.safetensors"]
    assert "Base needs it" in deleted.kept[0]
    assert store.registry.availability(model(store)) == "available"


def test_every_variant_and_a_half_download_are_deleted(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v=BASE, look=look(hub))
    store.fetch(model(store, "look"))
    store.config.override({"transformer_quantization": ""})
    hub.faults["look_bf16.safetensors"] = Fault(times=2, cut_after=20_000)
    hub.faults["bf16.safetensors"] = Fault(status=503)
    with pytest.raises(DownloadError):
        store.fetch(model(store, "look"))
    store.delete(model(store, "look"))
    assert files(tmp_path) == [] and list((tmp_path / "ckpts" / ".downloads").glob("*.part")) == []


def test_a_folder_that_leads_astray_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    for number, folder in enumerate([".", "..", "../..", "a/../../b"]):
        store = make_store(hub, tmp_path, **{f"m{number}": {"model": {**BASE["model"], "folder": folder}}})
    assert store.registry.models() == {} and len(store.registry.broken) == 4


def test_only_what_belongs_to_the_model_is_deleted_from_a_folder_of_the_program(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v={"model": {**BASE["model"], "folder": "defaults"}})
    before = files(tmp_path)
    store.delete(model(store))
    assert files(tmp_path) == before and (tmp_path / "defaults" / "t2v.json").is_file()


def test_broken_finetunes_are_told_with_their_place_and_harm_no_other(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "finetunes").mkdir()
    (tmp_path / "finetunes" / "half.json").write_text('{\n  "model": {\n    "name": "x",,\n')
    (tmp_path / "finetunes" / "astray.json").write_text(json.dumps(look(hub, URLs=["file:///etc/passwd"])))
    (tmp_path / "finetunes" / "good.json").write_text(json.dumps(look(hub)))
    store = make_store(hub, tmp_path, t2v=BASE)
    assert set(store.registry.models()) == {"t2v", "good"}
    broken = "\n".join(store.registry.broken)
    with pytest.raises(ModelNotFound, match=r'definition of "half" cannot be used\. .*half\.json: line 3'):
        store.registry.get("half")
    assert "half.json: line 3" in broken and "astray.json" in broken and "file:///etc/passwd" in broken


def test_files_on_disk_are_compared_with_the_published_ones(hub: FakeHub, store: ModelStore, tmp_path: Path) -> None:
    model = store.registry.get("t2v")
    store.fetch(model)
    checked = list(store.check(model))
    assert len(checked) == len(hub.repositories["team/Base"])
    assert not any(file.problem for file in checked) and all(file.is_known for file in checked)
    folder = tmp_path / "ckpts" / "Base"
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(WEIGHTS[:-1] + b"x")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(WEIGHTS[:-1])
    (folder / "scheduler" / "scheduler_config.json").unlink()
    problems = {file.path.relative_to(folder).as_posix(): file.problem for file in store.check(model) if file.problem}
    assert problems == {
        "transformer/diffusion_pytorch_model.safetensors": "damaged",
        "vae/diffusion_pytorch_model.safetensors": "of another size",
        "scheduler/scheduler_config.json": "missing",
    }


def test_nothing_is_compared_without_a_line(store: ModelStore) -> None:
    store.config.override({"offline": True})
    with pytest.raises(DownloadError, match="offline"):
        store.check(store.registry.get("t2v"))
