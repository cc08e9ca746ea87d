"""Masks and descriptions of pictures, by models on disk or without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import DownloadError
from shared.diffusion.caption import caption_of
from shared.diffusion.enlarging import enlarged
from shared.diffusion.finding import clothes, detect, outline
from shared.engine.picture_reading import tags_of
from tests.fakes.engine import Engine, make_engine
from tests.fakes.tiny_finding import save_caption, save_clothes, save_detection, save_enlarging, save_sam

SCENE = np.full((60, 90, 3), (60, 160, 70), np.uint8)
SCENE[15:45, 30:65] = (230, 40, 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finding")
    save_sam(root / "sam-vit-base")
    save_detection(root / "grounding-dino-tiny")
    save_clothes(root / "segformer_b2_clothes")
    save_caption(root / "blip-image-captioning-large")
    return root


@pytest.fixture
def engine(tmp_path: Path, models: Path) -> Engine:
    engine = make_engine(tmp_path)
    engine.registry.checkpoints = models
    return engine


@pytest.fixture
def bare_engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


@pytest.fixture
def scene(tmp_path: Path) -> str:
    Image.fromarray(SCENE).save(tmp_path / "scene.png")
    return str(tmp_path / "scene.png")


def mask(engine: Engine, **settings: Any) -> np.ndarray:
    (output,) = engine.make(mode="make_mask", **settings)
    assert output.media_type == "image" and output.path.endswith(".png")
    return np.asarray(Image.open(output.path).convert("L"))


def test_the_subject_becomes_a_mask_of_the_pictures_size_without_a_model(bare_engine: Engine, scene: str) -> None:
    found = mask(bare_engine, image_guide=scene, mask_model="isnet-general-use")
    assert found.shape == SCENE.shape[:2] and set(np.unique(found)) == {0, 255}
    assert found[20:40, 35:60].mean() > 250 and found[:8].max() == 0
    assert "isnet-general-use finds the subject by its colours (GrabCut)" in bare_engine.infos
    assert bare_engine.registry.family.pipelines == []

    turned = mask(bare_engine, image_guide=scene, mask_model="u2net", mask_expand=3, invert_mask=1)
    assert turned[20:40, 35:60].max() == 0 and (turned > 0).sum() < (found == 0).sum()


def test_what_a_text_names_is_detected_and_outlined(models: Path) -> None:
    every = detect(SCENE, "Face.", models / "grounding-dino-tiny", (0.0, 0.0))
    assert len(every) == 10 and every == sorted(every, key=lambda one: -one.score)
    middle = every[4].score
    assert len(detect(SCENE, "face", models / "grounding-dino-tiny", (middle, 0.0))) == 4
    assert detect(SCENE, "face", models / "grounding-dino-tiny", (0.0, 1.0)) == []
    for one in every:
        left, top, right, bottom = one.box
        assert 0 <= left <= right <= 90 and 0 <= top <= bottom <= 60

    drawn = outline(SCENE, [(10, 10, 50, 50), (0, 0, 5, 5)], models / "sam-vit-base")
    assert drawn.shape == SCENE.shape[:2] and drawn.dtype == np.uint8
    parts = [outline(SCENE, [box], models / "sam-vit-base") for box in ((10, 10, 50, 50), (0, 0, 5, 5))]
    assert np.array_equal(drawn, np.maximum(*parts)), "each box has an outline of its own"


def test_clothes_are_those_of_the_category(models: Path) -> None:
    folder = models / "segformer_b2_clothes"
    upper, lower, full, person = (clothes(SCENE, name, folder) for name in ("upper", "lower", "full", "person"))
    assert ((upper > 0) | (lower > 0)).sum() <= (full > 0).sum() <= (person > 0).sum()
    assert not ((upper > 0) & (lower > 0)).any()


def test_sam_takes_no_more_finds_than_asked(engine: Engine, scene: str) -> None:
    settings = {"image_guide": scene, "mask_model": "sam", "mask_prompt": "face", "mask_box_threshold": 0.0,
                "mask_text_threshold": 0.0}  # fmt: skip
    one, every = mask(engine, **settings, mask_detections=1), mask(engine, **settings)
    assert not (one & ~every).any()


def test_nothing_found_is_said_and_a_pass_is_left_out(engine: Engine, scene: str) -> None:
    nothing = {"mask_prompt": "face", "mask_box_threshold": 1.0}
    finished = engine.run(mode="make_mask", image_guide=scene, mask_model="sam", **nothing)
    assert finished.error == 'mask_model: sam found no "face" in this picture.'
    (output,) = engine.make(image_mode=1, image_guide=scene, enhance=[nothing])
    assert np.array_equal(np.asarray(Image.open(output.path)), SCENE)
    assert 'enhance: pass 1 is left out. mask_model: sam found no "face"' in engine.infos


def test_a_named_thing_without_the_models_is_an_error_that_says_so(bare_engine: Engine, scene: str) -> None:
    bare_engine.services.config.set("offline", True)
    finished = bare_engine.run(mode="make_mask", image_guide=scene, mask_model="sam", mask_prompt="face")
    assert finished.outcome == "failed" and "Grounding DINO" in str(finished.error)
    found = mask(bare_engine, image_guide=scene, mask_model="u2net_cloth_seg")
    assert found[20:40, 35:60].mean() > 250 and "(GrabCut) instead" in bare_engine.infos


@pytest.mark.parametrize("kind", ["photo", "anime"])
def test_a_description_is_the_output(engine: Engine, scene: str, models: Path, kind: str) -> None:
    (output,) = engine.make(mode="describe", image_guide=scene, describe_kind=kind)
    said = caption_of(SCENE, models / "blip-image-captioning-large")
    expected = said if kind == "photo" else tags_of(said)
    assert output.media_type == "text" and output.settings["prompt"] == expected
    assert Path(output.path).read_text() == expected


def test_a_description_without_its_model_is_an_error_that_names_it(bare_engine: Engine, scene: str) -> None:
    bare_engine.services.config.set("offline", True)
    assert "BLIP captions" in str(bare_engine.run(mode="describe", image_guide=scene).error)
    assert "image_guide: no picture is given" in str(bare_engine.run(mode="describe").error)


def test_tags_are_the_words_that_name_something() -> None:
    assert tags_of("a red fox is sitting in the snow, and a tree") == "red fox, sitting, snow, tree"
    assert tags_of("") == ""


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is damaged"):
        outline(SCENE, [(0, 0, 9, 9)], tmp_path)
    with pytest.raises(DownloadError, match="is damaged"):
        caption_of(SCENE, tmp_path)


def test_a_picture_is_enlarged_by_the_network_on_disk(tmp_path: Path, scene: str) -> None:
    engine = make_engine(tmp_path)
    folder = save_enlarging(tmp_path / "models" / "swin2SR-realworld-sr-x4-64-bsrgan-psnr")
    engine.registry.checkpoints = tmp_path / "models"
    (output,) = engine.make(image_mode=1, image_guide=scene, vary_upscale="upscale_fast")
    assert np.array_equal(np.asarray(Image.open(output.path)), enlarged(SCENE, folder))
    assert "Lanczos" not in engine.infos


def test_pieces_join_to_what_the_whole_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_enlarging(tmp_path / "enlarging")
    whole = enlarged(SCENE, folder)
    monkeypatch.setattr("shared.diffusion.enlarging._PIECE", 32)
    pieces = enlarged(SCENE, folder)
    assert whole.shape == pieces.shape == (120, 180, 3)
    assert np.abs(whole.astype(int) - pieces).max() <= 4
