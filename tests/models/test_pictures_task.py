"""Tasks of picture models, from settings with files to saved pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers.pipelines.qwenimage import pipeline_qwenimage_layered
from PIL import Image

from models.qwen import pipeline as qwen_pipeline
from shared.core.config import Config
from shared.core.contracts import Control
from shared.core.events import Finished, Info, Output
from shared.core.task import Task
from shared.engine.generate_task import run_task
from shared.engine.model_manager import ModelManager
from shared.engine.registry import Registry
from shared.engine.services import Services
from shared.media.metadata import read_settings
from tests.fakes import tiny_flux, tiny_qwen, tiny_z_image
from tests.models.picture_contract import SIDE_PX, left_half, picture

SIZE = f"{SIDE_PX}x{SIDE_PX}"


class Studio:
    """The engine over a folder with tiny checkpoints and their definitions."""

    def __init__(self, root: Path) -> None:
        config = Config.load(root)
        config.set("image_output_codec", "png")
        self.registry = Registry(root, config)
        self.services = Services(root, self.registry, ModelManager(self.registry, [str(root / "ckpts")]), config)
        self.told: list[str] = []

    def run(self, model_type: str, **settings: Any) -> tuple[Finished, list[Path]]:
        outputs: list[Path] = []
        self.told.clear()

        def hear(event: Any) -> None:
            if isinstance(event, Output):
                outputs.append(Path(event.path))
            if isinstance(event, Info):
                self.told.append(event.text)

        params = {"model_type": model_type, "prompt": "a red ball", "resolution": SIZE, "num_inference_steps": 3,
                  "seed": 5, **settings}  # fmt: skip
        return run_task(Task(params=params, id=1), hear, Control(), self.services), outputs

    def make(self, model_type: str, **settings: Any) -> list[Path]:
        finished, outputs = self.run(model_type, **settings)
        assert finished.outcome == "done", finished.error
        return outputs


@pytest.fixture
def studio(tmp_path: Path) -> Callable[..., Studio]:
    def build(model_type: str, save: Callable[[str, Path], Path], **definition: Any) -> Studio:
        save(model_type if save is not tiny_z_image.save else "z_image", tmp_path / "ckpts" / model_type)
        block = {"name": model_type, "architecture": model_type, "folder": model_type, **definition}
        (tmp_path / "defaults").mkdir()
        (tmp_path / "defaults" / f"{model_type}.json").write_text(json.dumps({"model": block}))
        return Studio(tmp_path)

    return build


@pytest.fixture
def photo(tmp_path: Path) -> str:
    Image.fromarray(picture(1)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def mask(tmp_path: Path) -> str:
    Image.fromarray(left_half()).save(tmp_path / "mask.png")
    return str(tmp_path / "mask.png")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_flux_repaints_and_starts_from_a_picture(studio: Callable[..., Studio], photo: str, mask: str) -> None:
    flux = studio("flux", tiny_flux.save)
    (repainted,) = flux.make("flux", image_mode=2, image_guide=photo, image_mask=mask)
    kept = left_half() == 0
    assert np.array_equal(pixels(repainted)[kept], picture(1)[kept])
    assert not np.array_equal(pixels(repainted), picture(1))

    (little,) = flux.make("flux", image_guide=photo, denoising_strength=0.34)
    (anew,) = flux.make("flux")
    assert not np.array_equal(pixels(little), pixels(anew))


def test_a_batch_saves_a_picture_each(studio: Callable[..., Studio]) -> None:
    outputs = studio("flux_schnell", tiny_flux.save).make("flux_schnell", batch_size=2)
    assert len(outputs) == 2
    assert not np.array_equal(pixels(outputs[0]), pixels(outputs[1]))


def test_what_a_model_cannot_do_is_refused_by_name(studio: Callable[..., Studio], photo: str) -> None:
    finished, outputs = studio("flux", tiny_flux.save).run("flux", image_refs=[photo])
    assert finished.outcome == "failed"
    assert "image_refs" in str(finished.error)
    assert outputs == []


def test_kontext_takes_one_reference(studio: Callable[..., Studio], photo: str) -> None:
    finished, _ = studio("flux_dev_kontext", tiny_flux.save).run("flux_dev_kontext", image_refs=[photo, photo])
    assert "image_refs: 2 pictures were given" in str(finished.error)


def test_layers_are_saved_with_alpha_beside_the_picture(studio: Callable[..., Studio], photo: str) -> None:
    own = pipeline_qwenimage_layered.calculate_dimensions
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_qwenimage_layered, "calculate_dimensions", lambda area, ratio: own(SIDE_PX**2, ratio))
        patch.setattr(qwen_pipeline, "size_of_area", lambda side_px, ratio: (SIDE_PX, SIDE_PX))
        layered = studio("qwen_image_layered_20B", tiny_qwen.save)
        made, *layers = layered.make("qwen_image_layered_20B", image_refs=[photo], custom_settings={"layers": 3})
    assert layers == sorted(made.parent.glob(f"{made.stem}_layer*.png"))
    assert read_settings(layers[0])["custom_settings"] == {"layers": 3}
    assert [Image.open(layer).mode for layer in layers] == ["RGBA"] * 3
    assert Image.open(made).size == (SIDE_PX, SIDE_PX)


def test_a_control_picture_is_read_as_edges(studio: Callable[..., Studio], photo: str, tmp_path: Path) -> None:
    tiny_z_image.save_control(tmp_path / "ckpts" / "control")
    spec = {"class": "ZImageControlNetModel", "folder": "control", "file": "control.safetensors",
            "config": tiny_z_image.CONTROL_CONFIG}  # fmt: skip
    control = studio("z_image_control", tiny_z_image.save, extra_parts={"controlnet": spec})
    (edges,) = control.make("z_image_control", image_guide=photo, video_prompt_type="EV")
    (plain,) = control.make("z_image_control", image_guide=photo, video_prompt_type="UV")
    (free,) = control.make("z_image_control")
    assert not np.array_equal(pixels(edges), pixels(plain))
    assert not np.array_equal(pixels(plain), pixels(free))


def test_pictures_of_a_batch_are_made_in_one_run(studio: Callable[..., Studio]) -> None:
    flux, passes = studio("flux", tiny_flux.save, text_length=32), [0]
    alone = flux.make("flux", repeat_generation=2, guidance_scale=1.0)
    resident: Any = flux.services.models.resident
    resident.pipe.transformer.register_forward_pre_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
    made = flux.make("flux", batch_size=2, guidance_scale=1.0)
    assert passes == [3]
    for left, right in zip(made, alone, strict=True):
        assert np.abs(np.asarray(Image.open(left)).astype(int) - np.asarray(Image.open(right))).max() <= 1
    assert not np.array_equal(np.asarray(Image.open(made[0])), np.asarray(Image.open(made[1])))
    assert [read_settings(path)["seed"] for path in made] == [5, 6]
