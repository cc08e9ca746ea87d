"""What models take on the disk: shared files once, and what deleting one would free."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.errors import Cancelled
from shared.engine.model_disk import disk_use
from tests.engine.test_model_store import BASE, FakeHub, files, hub, look, make_store, model
from tests.fakes.hub import Fault

__all__ = ["hub"]  # the fixture


def on_disk(root: Path) -> int:
    return sum((root / "ckpts" / name).stat().st_size for name in files(root))


def test_files_that_two_models_use_are_counted_once(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v=BASE, look=look(hub))
    empty = disk_use(store)
    assert (empty.total_bytes, empty.models["t2v"].on_disk_bytes) == (0, 0)
    assert empty.free_bytes > 0
    store.fetch(model(store))
    store.fetch(model(store, "look"))
    use = disk_use(store)
    own, finetune = use.models["t2v"], use.models["look"]
    assert use.total_bytes == on_disk(tmp_path)
    assert use.total_bytes < own.on_disk_bytes + finetune.on_disk_bytes
    assert own.is_fetchable and own.availability == finetune.availability == "available"
    freed = store.delete(model(store, "look")).freed_bytes
    assert freed == finetune.own_bytes < finetune.on_disk_bytes


def test_a_half_download_is_measured_and_given_back(hub: FakeHub, tmp_path: Path) -> None:
    store = make_store(hub, tmp_path, t2v=BASE)
    hub.faults["diffusion_pytorch_model.safetensors"] = Fault(slow_s=0.05)
    with pytest.raises(Cancelled):
        store.fetch(model(store), is_cancelled=lambda: store.left_to_fetch(model(store))[1] > 0)
    left, half = store.left_to_fetch(model(store))
    assert half > 0 and left is not None
    assert disk_use(store).models["t2v"].half_bytes == half
    assert store.delete(model(store)).freed_bytes >= half
    assert store.left_to_fetch(model(store)) == (None, 0)
