"""Upsamplers, audio processors and models of plugins: found like the program's own, and at work in whole tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.core.config import Config
from shared.core.contracts import Control
from shared.core.errors import SettingsError
from shared.core.lora_presets import presets_of
from shared.core.plugin_info import read_info
from shared.core.processors import Processors
from shared.core.task import Task
from shared.engine.executors.spec import Runner, RunnerSpec
from shared.engine.processors import find_processors
from shared.engine.registry import Registry
from shared.media.audio import AudioClip, read_audio, write_audio
from shared.media.video import probe, read_frames
from shared.media.video_write import write_video
from tests.fakes.engine import Engine, make_engine, numpy_model

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ("smooth_motion", "pixel_upsampler", "loudness")


@pytest.fixture
def processors() -> Processors:
    return find_processors([read_info(ROOT / "plugins" / name) for name in BUNDLED])


@pytest.fixture
def engine(tmp_path: Path, processors: Processors) -> Iterator[Engine]:
    made = make_engine(tmp_path, numpy_model(temporal_upsamplers=True))
    made.services.registry.processors = processors  # type: ignore[attr-defined]
    yield made


def moving_square(count: int, step: int) -> np.ndarray:
    """A textured square on grey that moves right."""
    frames = np.full((count, 64, 96, 3), 90, np.uint8)
    texture = np.random.default_rng(1).integers(120, 256, (24, 24, 3), dtype=np.uint8)
    for number in range(count):
        frames[number, 20:44, 8 + number * step : 32 + number * step] = texture
    return frames


def test_there_is_a_built_in_of_each_kind_that_is_a_plugin(processors: Processors) -> None:
    assert processors.broken == ()
    assert list(processors.spatial) == ["lanczos", "pixel"]
    assert list(processors.temporal) == ["flow"]
    assert list(processors.audio) == ["custom", "loudness", "fade"]
    assert [value for _, value in processors.spatial_choices()] == [
        "", "lanczos1.5", "lanczos2", "pixel2", "pixel3", "pixel4",
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "says"), [
    ("lanczos9", "lanczos1.5"), ("pixel1.5", "pixel2"), ("seedvr2", "seedvr2"), ("flow2", "flow2"),
])  # fmt: skip
def test_a_method_or_factor_that_is_not_here_is_told(processors: Processors, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        processors.spatial_for(value)


def test_frames_in_between_lie_on_the_way(processors: Processors) -> None:
    flow, factor = processors.temporal_for("flow2") or (None, 0)
    assert flow is not None
    truth = moving_square(9, 2)
    made, last, fps = flow.temporal_upsample(truth[::2], None, 8.0, factor)
    assert made.shape == truth.shape and fps == 16 and np.array_equal(last, truth[8])
    held = np.repeat(truth[::2], 2, axis=0)[: len(truth)]
    between = slice(1, None, 2)
    error = np.abs(made[between].astype(int) - truth[between]).mean()
    assert error < 0.35 * np.abs(held[between].astype(int) - truth[between]).mean()
    assert np.array_equal(made[::2], truth[::2])


def test_parts_of_a_clip_join_and_a_cut_is_kept(processors: Processors) -> None:
    flow, _ = processors.temporal_for("flow2") or (None, 0)
    assert flow is not None
    first, last, _ = flow.temporal_upsample(moving_square(2, 2), None, 8.0, 2)
    second, _, _ = flow.temporal_upsample(np.full((1, 64, 96, 3), 250, np.uint8), last, 8.0, 2)
    assert len(first) == 3 and len(second) == 2
    assert np.array_equal(second[0], last)


def test_a_task_is_smoothed_and_enlarged_by_plugins(engine: Engine) -> None:
    (plain,) = engine.make(video_length=9, seed=3)
    (output,) = engine.make(video_length=9, seed=3, temporal_upsampling="flow2", spatial_upsampling="pixel2")
    before, after = probe(plain.path), probe(output.path)
    assert (after.width, after.height) == (2 * before.width, 2 * before.height)
    assert after.num_frames == 2 * before.num_frames - 1 and after.fps == 2 * before.fps


def test_a_finished_clip_and_a_sound_are_worked_on(engine: Engine, tmp_path: Path) -> None:
    clip, sound = tmp_path / "clip.mp4", tmp_path / "quiet.wav"
    tone = 0.02 * np.sin(np.linspace(0, 2000, 16000, dtype=np.float32))[:, None]
    write_video(moving_square(9, 2), clip, 8, audio=AudioClip(tone, 16000))
    write_audio(AudioClip(tone, 16000), sound, "wav")
    (smooth,) = engine.make(mode="edit_postprocessing", video_source=str(clip), temporal_upsampling="flow4")
    assert probe(smooth.path).num_frames == 33 and probe(smooth.path).fps == 32
    (loud,) = engine.make(mode="edit_remux", video_source=str(clip), postprocess_audio="loudness")
    level = float(np.sqrt(np.mean(np.square(read_audio(loud.path).samples))))
    assert level == pytest.approx(0.1, rel=0.2) and len(read_frames(loud.path)[0]) == 9
    (faded,) = engine.make(mode="edit_audio", audio_source=str(sound), postprocess_audio="fade")
    assert faded.media_type == "audio"
    samples = read_audio(faded.path).samples
    assert abs(samples[:200]).max() < 0.1 * abs(samples[7000:9000]).max()


def test_what_a_plugin_brings_wrongly_is_told_and_left_out(tmp_path: Path) -> None:
    own = tmp_path / "odd"
    own.mkdir()
    (own / "__init__.py").touch()
    (own / "parts.py").write_text(
        "class Half:\n    name = 'half'\n\nclass Taken:\n    name = 'lanczos'\n    label = ''\n    factors = ()\n"
        "    def upsample(self, frames, width, height):\n        return frames\n\nhalf, taken = Half(), Taken()\n",
        encoding="utf-8",
    )
    told = {"spatial_upsampler_handlers": ["parts:half", "parts:taken", "parts:gone", "nowhere"]}
    (own / "plugin_info.json").write_text(json.dumps(told), encoding="utf-8")
    found = find_processors([read_info(own)])
    assert list(found.spatial) == ["lanczos"]
    assert len(found.broken) == 4
    assert any("has no attribute 'gone'" in text for text in found.broken)
    assert any("No module named 'plugins.odd.nowhere'" in text for text in found.broken)
    assert any("it lacks label, factors, upsample" in text for text in found.broken)
    assert any('the name "lanczos" is taken' in text for text in found.broken)


def test_a_plugin_brings_profiles_for_models(tmp_path: Path) -> None:
    own = tmp_path / "plugins" / "quick"
    (own / "profiles" / "starter").mkdir(parents=True)
    (own / "profiles" / "starter" / "few steps.json").write_text('{"num_inference_steps": 3}', encoding="utf-8")
    (own / "plugin_info.json").write_text('{"type": ["model"], "profiles": "profiles"}', encoding="utf-8")
    config = Config.load(tmp_path)
    config.update(enabled_plugins=["quick"])
    registry = Registry(ROOT, config)
    model = registry.get("starter")
    names = model.get("profiles_dir") or model.get("lora_dir") or model.family
    (own / "profiles" / "starter").rename(own / "profiles" / str(names if isinstance(names, str) else names[0]))
    found = presets_of(model, ROOT, registry.lora_folder(model))
    assert ("few steps", "accelerator") in [(one.name, one.kind) for one in found]


def test_a_model_of_a_plugin_makes_a_clip(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    config.update(enabled_plugins=["test_card"])
    registry = Registry(ROOT, config)
    assert registry.models()["test_card"].family == "test_card"
    assert "flow2" in [value for _, value in registry.params(registry.get("test_card"))["temporal_upsampling"].choices]
    runner = Runner(RunnerSpec(str(ROOT), str(tmp_path), str(tmp_path / "out")), "cpu")
    events: list[Any] = []
    settings = {"model_type": "test_card", "prompt": "TEST", "resolution": "128x64", "video_length": 5, "seed": 1}
    finished = runner.run(Task(settings, 1, "me"), events.append, Control())
    assert finished.outcome == "done", finished.error
    path = next(event.path for event in events if hasattr(event, "path"))
    assert (probe(path).width, probe(path).num_frames) == (128, 5)
    assert "test_card" not in Registry(ROOT, Config.load(tmp_path / "other")).models()
