"""Pipelines of diffusers that have no folder here run by one JSON: the family reads their own signature."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from models.general import handler
from models.general.definition import definition_of
from models.general.signature import read_signature
from shared.core.contracts import Step, WindowRequest
from shared.core.model_def import ModelDef
from shared.core.settings import problems
from shared.diffusion.driver import DiffusersPipeline
from shared.engine.registry import Registry
from tests.fakes.tiny_general import BUILDERS, save
from tests.models.contract import STEPS, PipelineContract, run

SIDE = 32


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def from_json(root: Path, name: str, **block: Any) -> ModelDef:
    """The model of a finetunes/*.json, as the program finds it."""
    (root / "finetunes").mkdir(exist_ok=True)
    definition = {"model": {"name": name, "architecture": "diffusers", "pipeline": name, "folder": name, **block}}
    (root / "finetunes" / "my_model.json").write_text(json.dumps(definition), encoding="utf-8")
    registry = Registry(root)
    assert registry.broken == []
    return registry.get("my_model")


class GeneralContract(PipelineContract):
    handler = handler
    pipeline_name = ""

    def build(self, root: Path) -> ModelDef:
        save(self.pipeline_name, root / self.pipeline_name)
        return from_json(root, self.pipeline_name)

    def request(self) -> WindowRequest:
        return WindowRequest("a red ball", SIDE, SIDE, 1, STEPS, 3.0, seed=7, negative_prompt="blurry")

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = getattr(diffusers, self.pipeline_name).from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        output = pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, num_inference_steps=STEPS,
            guidance_scale=window.guidance_scale, generator=torch.Generator("cpu").manual_seed(window.seed),
            output_type="np", **self.bare_arguments(window),
        )  # fmt: skip
        return self.read(output)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"width": window.width, "height": window.height}

    def read(self, output: Any) -> np.ndarray:
        return np.asarray(output.images[:1])


class TestSana(GeneralContract):
    pipeline_name = "SanaPipeline"

    def request(self) -> WindowRequest:
        return replace(super().request(), settings={"custom_settings": {"use_resolution_binning": 0}})

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "use_resolution_binning": False}

    def unsupported(self) -> dict[str, Any]:
        return {
            "image_start": [Image.new("RGB", (SIDE, SIDE))], "image_mask": Image.new("RGB", (SIDE, SIDE)),
            "image_refs": [Image.new("RGB", (SIDE, SIDE))], "sample_solver": "euler",
            "custom_settings": {"magic": 1},
        }  # fmt: skip


class TestPixArtSigma(TestSana):
    pipeline_name = "PixArtSigmaPipeline"


class TestCogVideoXFromAPicture(GeneralContract):
    pipeline_name = "CogVideoXImageToVideoPipeline"

    def request(self) -> WindowRequest:
        return replace(super().request(), num_frames=9, image_start=picture())

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        pixels = Image.fromarray(window.image_start)
        return {**super().bare_arguments(window), "image": pixels, "num_frames": window.num_frames}

    def read(self, output: Any) -> np.ndarray:
        return output.frames[0]

    def unsupported(self) -> dict[str, Any]:
        return {"image_start": None, "image_end": [Image.new("RGB", (SIDE, SIDE))], "image_mode": 1}


class TestStableDiffusionRepaints(GeneralContract):
    pipeline_name = "StableDiffusionInpaintPipeline"
    parts = frozenset({"unet", "vae", "text_encoder"})

    def request(self) -> WindowRequest:
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[8:24, 8:24] = 255
        return replace(super().request(), source=picture()[None], mask=mask)

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        media = {"image": Image.fromarray(window.source[0]), "mask_image": Image.fromarray(window.mask)}
        return {**super().bare_arguments(window), **media, "strength": 1.0}

    def unsupported(self) -> dict[str, Any]:
        return {"image_guide": None, "image_mask": None, "image_mode": 0}


class TestStableAudio(GeneralContract):
    pipeline_name = "StableAudioPipeline"
    parts = frozenset({"transformer", "vae", "text_encoder", "projection_model"})
    has_preview = False

    def request(self) -> WindowRequest:
        return replace(super().request(), settings={"duration_seconds": 2.0})

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"audio_end_in_s": 2.0}

    def read(self, output: Any) -> np.ndarray:
        return output.audios[0].T

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_start": [Image.new("RGB", (SIDE, SIDE))]}


def test_the_five_have_no_folder_of_their_own(root: Path) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (root / "models").rglob("*.py")]
    assert not [name for name in BUILDERS if any(name in source for source in sources)]


def test_a_custom_setting_reaches_the_pipeline(tmp_path: Path) -> None:
    save("PixArtSigmaPipeline", tmp_path / "PixArtSigmaPipeline")
    model = from_json(tmp_path, "PixArtSigmaPipeline", vae_block_size=8)
    pipeline = handler.load(model, [str(tmp_path)], _options())
    window = WindowRequest("a red ball", SIDE, SIDE, 1, 2, 3.0, seed=7)
    steady = run(pipeline, replace(window, settings={"custom_settings": {"eta": 0.0, "use_resolution_binning": 0}}))
    lively = run(pipeline, replace(window, settings={"custom_settings": {"eta": 1.0, "use_resolution_binning": 0}}))
    assert not np.array_equal(steady, lively)


def test_steps_of_a_partly_kept_picture_are_counted_as_they_are(tmp_path: Path) -> None:
    save("StableDiffusionInpaintPipeline", tmp_path / "StableDiffusionInpaintPipeline")
    pipeline = handler.load(from_json(tmp_path, "StableDiffusionInpaintPipeline"), [str(tmp_path)], _options())
    mask, told = np.full((SIDE, SIDE), 255, np.uint8), []
    window = WindowRequest(
        "a red ball", SIDE, SIDE, 1, 4, 3.0, seed=7, source=picture()[None], mask=mask, denoising_strength=0.5
    )
    pipeline(window, told.append, lambda: False)
    counted = [(step.index, step.total) for step in told if step.phase == "Denoising"]
    assert counted == [(0, 2), (1, 2), (2, 2)]


def test_the_pipe_is_as_before_when_a_run_fails(tmp_path: Path) -> None:
    save("SanaPipeline", tmp_path / "SanaPipeline")
    driver = handler.load(from_json(tmp_path, "SanaPipeline"), [str(tmp_path)], _options())
    assert isinstance(driver, DiffusersPipeline)

    def fail(step: Step) -> None:
        if step.index == 1:
            raise KeyError("a bug elsewhere")

    kind = type(driver.pipe.scheduler)
    with pytest.raises(KeyError):
        driver(WindowRequest("a red ball", SIDE, SIDE, 1, 2, 3.0, seed=7), fail, lambda: False)
    assert type(driver.pipe.scheduler) is kind
    assert "progress_bar" not in vars(driver.pipe)
    assert "decode" not in vars(driver.pipe.vae)
    assert not driver.pipe.transformer._forward_pre_hooks


def test_defaults_are_those_of_the_pipeline(tmp_path: Path) -> None:
    model = from_json(tmp_path, "MochiPipeline")
    wanted = {"num_inference_steps": 64, "guidance_scale": 4.5, "resolution": "848x480", "video_length": 19}
    assert {name: model.defaults[name] for name in wanted} == wanted
    assert [model.frame_rule.round_up(frames) for frames in (1, 2, 19, 20)] == [1, 7, 19, 25]
    assert problems({**model.default_settings(), "prompt": "a cat"}, model) == []


def test_keys_of_the_json_win(tmp_path: Path) -> None:
    model = from_json(tmp_path, "MochiPipeline", fps=30, frames_steps=1, default_settings={"guidance_scale": 2})
    assert (model.fps, model.frames_steps, model.defaults["guidance_scale"]) == (30.0, 1, 2)


def test_a_pipeline_without_prompt_offers_none(tmp_path: Path) -> None:
    model = from_json(tmp_path, "StableVideoDiffusionPipeline")
    offered = {param.name for param in handler.settings(model)}
    assert {"prompt", "negative_prompt", "guidance_scale"}.isdisjoint(offered)
    assert {"image_start", "video_length", "custom_settings"} <= offered
    assert problems({"image_prompt_type": "S", "image_start": [Image.new("RGB", (8, 8))]}, model) == []


def test_a_wrong_custom_setting_is_named() -> None:
    signature = read_signature("StableVideoDiffusionPipeline")
    assert signature is not None
    model = ModelDef("svd", "svd", "diffusers", "diffusers", model=definition_of(signature))
    told = handler.problems({"custom_settings": {"motion_bucket_id": "much", "speed": 1}}, model)
    assert any("motion_bucket_id" in sentence and "a whole number" in sentence for sentence in told)
    assert any('"speed" is not a setting of this model' in sentence for sentence in told)


@pytest.mark.parametrize(
    ("block", "words"), [({}, 'names no "pipeline"'), ({"pipeline": "NoSuchPipeline"}, "has no pipeline")]
)
def test_a_json_without_a_known_pipeline_is_told(tmp_path: Path, block: dict[str, Any], words: str) -> None:
    (tmp_path / "finetunes").mkdir()
    text = json.dumps({"model": {"name": "x", "architecture": "diffusers", **block}})
    (tmp_path / "finetunes" / "mine.json").write_text(text, encoding="utf-8")
    registry = Registry(tmp_path)
    assert any("mine.json" in sentence and words in sentence for sentence in registry.broken)


def test_the_class_is_read_from_a_checkpoint_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "AllegroPipeline"}', encoding="utf-8")
    definition = handler.definition("diffusers", {"folder": str(folder)})
    assert (definition["fps"], definition["frames_steps"]) == (15, 4)


def test_pipelines_of_all_kinds_can_be_described() -> None:
    names = [name for name in dir(diffusers.pipelines) if name.endswith("Pipeline") and name != "DiffusionPipeline"]
    for name in names[::12]:
        signature = read_signature(name)
        assert signature is not None, name
        assert definition_of(signature)["pipeline"] == name


def test_describing_a_model_loads_no_torch(root: Path) -> None:
    code = (
        "import sys; from models.general import handler;"
        "handler.definition('diffusers', {'pipeline': 'SanaPipeline'});"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def _options() -> Any:
    from shared.core.contracts import LoadOptions

    return LoadOptions()
