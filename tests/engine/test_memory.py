"""Memory around a task: refused with what would fit, tried once more, let go, and never growing."""

from __future__ import annotations

import gc
import json
import math
import struct
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.core.contracts import LoadOptions
from shared.core.errors import OutOfMemory
from shared.core.events import Info
from shared.core.model_def import ModelDef
from shared.core.weight_plan import Room
from shared.engine.memory_budget import ModelNeeds, model_needs, refuse_what_cannot_fit, shape_of
from tests.fakes.engine import Engine, make_engine
from tests.fakes.family import NumpyPipeline

GB = 10**9
SHORTAGE = RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


def test_what_ran_out_of_memory_is_tried_once_more_in_a_leaner_way(engine: Engine) -> None:
    engine.registry.family.shortage, engine.registry.family.fits_leaner = SHORTAGE, True
    finished = engine.run()
    assert finished.outcome == "done", finished.error
    assert [options.leaner for options in engine.registry.family.options] == [False, True]
    assert [info.text for info in engine.of(Info) if "Memory ran out" in info.text]


def test_a_model_that_can_become_leaner_is_not_loaded_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = engine.registry.family
    family.shortage = SHORTAGE

    def make_leaner(pipeline: NumpyPipeline, options: LoadOptions) -> bool:
        pipeline.fail_with = None
        return options.leaner

    monkeypatch.setattr(NumpyPipeline, "make_leaner", make_leaner, raising=False)
    assert engine.run().outcome == "done"
    assert [options.leaner for options in family.options] == [False]
    assert [info.text for info in engine.of(Info) if "Memory ran out" in info.text]
    family.shortage = None
    engine.run()
    assert [options.leaner for options in family.options] == [False, False]


def test_a_second_shortage_is_explained_and_the_next_task_runs(engine: Engine) -> None:
    engine.registry.family.shortage = OutOfMemory("There is not enough memory for this.")
    finished = engine.run(resolution="64x48")
    assert (finished.outcome, finished.stage) == ("failed", "generation")
    assert "too little memory" in (finished.error or "") and "resolution 64x48" in (finished.error or "")
    assert engine.services.models.resident is None
    assert len(engine.registry.family.options) == 2
    engine.registry.family.shortage = None
    assert engine.run().outcome == "done"


def test_nothing_of_the_failed_attempt_is_held_during_the_second(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, alive = engine.registry.family, []
    tensors: list[weakref.ref[np.ndarray]] = []

    def run_out(*_: Any) -> None:
        held = np.zeros(10)
        tensors.append(weakref.ref(held))
        raise MemoryError("can't allocate memory")

    class Failing(NumpyPipeline):
        def __call__(self, *given: Any) -> Any:
            return run_out(*given)

    def load(model: Any, roots: Any, options: LoadOptions) -> NumpyPipeline:
        alive.extend(reference() is not None for reference in tensors)
        return NumpyPipeline() if options.leaner else Failing()

    monkeypatch.setattr(family, "load", load)
    assert engine.run().outcome == "done"
    assert alive == [False]


def test_a_run_that_ran_out_never_stays_loaded(engine: Engine) -> None:
    engine.registry.family.shortage = RuntimeError("CUDA out of memory.")
    engine.run()
    engine.registry.family.shortage = None  # an error holds on to the frames that it came through
    pipelines = [weakref.ref(pipeline) for pipeline in engine.registry.family.pipelines]
    engine.registry.family.pipelines.clear()
    gc.collect()
    assert [pipeline() for pipeline in pipelines] == [None, None]


# Wan 2.1 14B by its published sizes: header-only files, so that nothing of it takes room.
_PARTS = {
    "transformer": ("diffusers", "WanTransformer3DModel", 14.3e9, {
        "num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "patch_size": [1, 2, 2],
    }),
    "vae": ("diffusers", "AutoencoderKLWan", 0.127e9, {
        "base_dim": 96, "z_dim": 16, "temperal_downsample": [False, True, True], "latents_mean": [0.0],
    }),
    "text_encoder": ("transformers", "UMT5EncoderModel", 5.68e9, {}),
}  # fmt: skip


@pytest.fixture
def wan(tmp_path: Path) -> ModelDef:
    index: dict[str, Any] = {"_class_name": "WanPipeline"}
    for part, (library, name, parameters, config) in _PARTS.items():
        index[part] = [library, name]
        folder = tmp_path / "wan" / part
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
        side = math.isqrt(int(parameters))
        header = json.dumps({"w": {"dtype": "BF16", "shape": [side, side], "data_offsets": [0, 2 * side**2]}}).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (tmp_path / "wan" / "model_index.json").write_text(json.dumps(index))
    block = {"folder": "wan", "frames_minimum": 5, "frames_steps": 4, "frames_offset": 1, "vae_block_size": 16}
    return ModelDef("wan", "Wan", "t2v", "wan", model=block)


def needs_of(model: ModelDef, root: Path, **options: Any) -> tuple[ModelNeeds, LoadOptions]:
    chosen = LoadOptions(device="cuda:0", **options)
    needs = model_needs(model, [str(root)], chosen)
    assert needs is not None
    return needs, chosen


SETTINGS = {"resolution": "832x480", "video_length": 81, "guidance_scale": 5.0}


def test_the_need_is_told_in_a_line(wan: ModelDef, tmp_path: Path) -> None:
    shape = shape_of(SETTINGS, wan)
    assert shape is not None
    needs, resident = needs_of(wan, tmp_path, profile=1)
    text = needs.budget(resident, shape, Room(80 * GB, 128 * GB)).text
    assert text.startswith("needs 4") and text.endswith("of 80.0 GB graphics memory")
    needs, streamed = needs_of(wan, tmp_path, profile=4)
    budget = needs.budget(streamed, shape, Room(12 * GB, 64 * GB))
    assert budget.fits and 4 * GB < budget.needed < 8 * GB
    assert "GB main memory" in budget.text
    _, packed = needs_of(wan, tmp_path, profile=4, quantization="int8", text_encoder_quantization="int8")
    small = needs.budget(packed, shape, Room(12 * GB, 26 * GB))
    assert small.fits and small.text.endswith("weights in int8")


def test_what_cannot_fit_is_refused_with_what_would(wan: ModelDef, tmp_path: Path) -> None:
    needs, options = needs_of(wan, tmp_path, profile=1)
    shape = shape_of({**SETTINGS, "resolution": "1280x720"}, wan)
    assert shape is not None
    with pytest.raises(OutOfMemory, match=r"needs .* of 24\.0 GB graphics memory.*override_profile 4"):
        refuse_what_cannot_fit(needs, options, shape, Room(24 * GB, 64 * GB))
    needs, options = needs_of(wan, tmp_path, profile=4)
    with pytest.raises(OutOfMemory, match=r"What would fit: .*\d+ frames .*; resolution \d+x\d+\."):
        refuse_what_cannot_fit(needs, options, shape, Room(6 * GB, 64 * GB))
    with pytest.raises(OutOfMemory, match="transformer_quantization int8"):
        refuse_what_cannot_fit(needs, options, shape, Room(24 * GB, 30 * GB))
    with pytest.raises(OutOfMemory, match="No size or profile of this model would fit"):
        refuse_what_cannot_fit(needs, options, shape, Room(24 * GB, 4 * GB))


def test_of_a_model_that_is_not_on_disk_nothing_is_told(tmp_path: Path) -> None:
    model = ModelDef("none", "None", "t2v", "wan", model={"folder": "nowhere"})
    assert model_needs(model, [str(tmp_path)], LoadOptions()) is None


def test_windows_count_by_their_size() -> None:
    model = ModelDef("m", "M", "t2v", "wan", model={"sliding_window": True})
    long = shape_of({**SETTINGS, "video_length": 501, "sliding_window_size": 81}, model)
    picture = shape_of({**SETTINGS, "image_mode": 1, "batch_size": 3}, model)
    assert long is not None and long.frames == 81
    assert picture is not None and (picture.frames, picture.samples) == (1, 3)
    assert shape_of({"resolution": "auto"}, model) is None
