"""Vary, enlarge, repaint in place, paint beyond the borders, improve parts: through the whole engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.core.contracts import WindowRequest
from shared.core.picture_sizes import outpainting_text
from shared.engine.tiled_pipeline import TiledPipeline, tiles
from tests.fakes.engine import Engine, make_engine
from tests.fakes.family import NumpyPipeline


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


def saved(tmp_path: Path, pixels: np.ndarray, name: str) -> str:
    Image.fromarray(pixels).save(tmp_path / name)
    return str(tmp_path / name)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    cells = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return saved(tmp_path, np.asarray(Image.fromarray(cells).resize((120, 90), Image.Resampling.NEAREST)), "photo.png")


@pytest.fixture
def mask(tmp_path: Path) -> str:
    pixels = np.zeros((90, 120), np.uint8)
    pixels[30:50, 70:100] = 255
    return saved(tmp_path, pixels, "mask.png")


def made(engine: Engine, **settings: object) -> np.ndarray:
    (output,) = engine.make(image_mode=1, seed=3, **settings)
    return np.asarray(Image.open(output.path).convert("RGB"))


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(("method", "strength"), [("vary_subtle", 0.5), ("vary_strong", 0.85)])
def test_varying_starts_from_the_picture_in_its_own_shape(
    engine: Engine, photo: str, method: str, strength: float
) -> None:
    result = made(engine, image_guide=photo, vary_upscale=method, resolution="96x32")
    (request,) = engine.pipeline.requests
    assert request.denoising_strength == strength and request.mask is None
    assert abs(request.width / request.height - 120 / 90) < 0.1
    assert result.shape[:2] == (request.height, request.width) == (96, 128)


def test_a_strength_of_ones_own_takes_the_place_of_the_usual(engine: Engine, photo: str) -> None:
    made(engine, image_guide=photo, vary_upscale="vary_strong", denoising_strength=0.3)
    assert engine.pipeline.requests[0].denoising_strength == 0.3
    assert engine.pipeline.requests[0].num_inference_steps == 4, "of 3 steps 0.3 would be none"


@pytest.mark.parametrize(("method", "size"), [("upscale_1.5", (60, 45)), ("upscale_2", (80, 60)),
                                              ("upscale_custom", (100, 75))])  # fmt: skip
def test_enlarging_ends_at_the_factor_and_keeps_the_picture(
    engine: Engine, tmp_path: Path, photo: str, method: str, size: tuple[int, int]
) -> None:
    small = saved(tmp_path, np.asarray(Image.open(photo).resize((40, 30))), "small.png")
    result = made(engine, image_guide=small, vary_upscale=method, upscale_factor=2.5)
    expected = size if size[0] * size[1] >= 64 * 48 else (64, 48)
    assert result.shape[1::-1] == expected
    assert engine.pipeline.requests[0].denoising_strength == 0.382


def test_the_fast_one_needs_no_model(engine: Engine, photo: str) -> None:
    result = made(engine, image_guide=photo, vary_upscale="upscale_fast", repeat_generation=3)
    assert np.array_equal(result, np.asarray(Image.open(photo).resize((240, 180), Image.Resampling.LANCZOS)))
    assert engine.registry.family.pipelines == []


def test_a_picture_too_large_for_the_model_is_made_in_tiles(engine: Engine, photo: str) -> None:
    result = made(engine, image_guide=photo, vary_upscale="upscale_custom", upscale_factor=1.25, upscale_tile=64)
    assert result.shape == (112, 150, 3)
    assert len(engine.pipeline.requests) > 2
    assert all((one.width, one.height) == (64, 64) for one in engine.pipeline.requests)


@pytest.mark.parametrize("size", [(64, 64), (200, 130), (256, 300), (65, 500)])
def test_tiles_cover_a_picture_and_overlap(size: tuple[int, int]) -> None:
    seen = np.zeros(size[::-1], int)
    for left, top, right, bottom in tiles(*size, 64):
        assert right - left <= 64 and bottom - top <= 64 and right <= size[0] and bottom <= size[1]
        seen[top:bottom, left:right] += 1
    assert seen.min() == 1


def test_joined_tiles_show_no_seam_where_all_agree() -> None:
    source = np.random.default_rng(0).integers(0, 256, (1, 130, 200, 3), dtype=np.uint8)
    window = WindowRequest("x", 200, 130, 1, 2, 1.0, 0, source=source, denoising_strength=0.0)
    steps: list[tuple[int, int]] = []
    result = TiledPipeline(NumpyPipeline(), 64)(
        window, lambda step: steps.append((step.index, step.total)) if step.index else None, lambda: False
    )
    assert np.abs(result.frames[0].astype(int) - source).max() <= 1
    assert steps[-1][0] == steps[-1][1] and [index for index, _ in steps] == sorted(index for index, _ in steps)


def test_repainting_in_place_keeps_size_and_every_pixel_outside_the_mask(
    engine: Engine, photo: str, mask: str
) -> None:
    result = made(engine, image_guide=photo, image_mask=mask, paste_back=1, inpaint_field=0.4)
    own, marked = pixels(photo), pixels(mask) > 127
    assert result.shape == own.shape
    assert np.array_equal(result[~marked], own[~marked])
    assert (result[marked] != own[marked]).any()
    (request,) = engine.pipeline.requests
    assert request.mask is not None and request.width * request.height <= 64 * 64


def test_the_view_grows_with_the_field(engine: Engine, photo: str, mask: str) -> None:
    def share() -> float:
        return float((np.asarray(engine.pipeline.requests[-1].mask) > 127).mean())

    made(engine, image_guide=photo, image_mask=mask, paste_back=1, inpaint_field=0.0)
    close = share()
    made(engine, image_guide=photo, image_mask=mask, paste_back=1, inpaint_field=1.0)
    assert close > 2 * share()


def test_a_mask_can_be_grown_and_turned_round(engine: Engine, photo: str, mask: str) -> None:
    result = made(engine, image_guide=photo, image_mask=mask, paste_back=1, mask_expand=4, invert_mask=1)
    own = pixels(photo)
    assert np.array_equal(result[26:54, 66:104], own[26:54, 66:104])
    assert not np.array_equal(result[:20], own[:20])


def test_turning_round_works_on_the_canvas_too(engine: Engine, photo: str, mask: str) -> None:
    made(engine, image_guide=photo, image_mask=mask)
    plain = np.asarray(engine.pipeline.requests[-1].mask)
    made(engine, image_guide=photo, image_mask=mask, invert_mask=1)
    assert np.array_equal(np.asarray(engine.pipeline.requests[-1].mask), 255 - plain)


def test_a_mask_that_marks_nothing_is_refused(engine: Engine, photo: str, tmp_path: Path) -> None:
    black = saved(tmp_path, np.zeros((9, 9), np.uint8), "black.png")
    finished = engine.run(image_mode=1, image_guide=photo, image_mask=black, paste_back=1)
    assert "image_mask: it marks nothing" in str(finished.error)


def test_painting_beyond_the_borders_ends_at_exact_pixels(engine: Engine, tmp_path: Path) -> None:
    small = np.random.default_rng(2).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    text = outpainting_text(["Left", "Right"], {}, (64, 48))
    result = made(engine, image_guide=saved(tmp_path, small, "s.png"), video_guide_outpainting=text)
    assert result.shape == (48, 102, 3)
    assert np.array_equal(result[:, 19:83], small)
    assert engine.pipeline.requests[0].denoising_strength == 1.0


def test_the_subject_can_be_found_and_repainted(engine: Engine, tmp_path: Path) -> None:
    scene = np.full((90, 120, 3), (60, 160, 70), np.uint8)
    scene[25:65, 40:80] = (230, 40, 40)
    result = made(engine, image_guide=saved(tmp_path, scene, "scene.png"), mask_model="u2net", paste_back=1)
    changed = (result != scene).any(axis=2)
    assert changed[30:60, 45:75].mean() > 0.9 and not changed[:15].any() and not changed[:, :25].any()


def test_passes_improve_parts_of_a_given_picture_one_after_the_other(engine: Engine, tmp_path: Path) -> None:
    scene = np.full((90, 120, 3), (60, 160, 70), np.uint8)
    scene[25:65, 40:80] = (230, 40, 40)
    passes = [{"mask_model": "u2net", "prompt": "a cube", "denoising_strength": 1.0},
              {"vary_upscale": "upscale_fast"}]  # fmt: skip
    result = made(engine, image_guide=saved(tmp_path, scene, "scene.png"), enhance=passes)
    assert result.shape == (180, 240, 3)
    (request,) = engine.pipeline.requests
    assert request.prompt == "a cube" and request.mask is not None


def test_passes_follow_a_made_picture_and_one_that_finds_nothing_is_left_out(engine: Engine) -> None:
    made(engine, enhance=[{"mask_model": "u2net"}], resolution="16x16")
    assert len(engine.pipeline.requests) in (1, 2)
    finished = engine.run(image_mode=1, enhance=[{"nonsense": 1}, {"mask_box_threshold": 3}])
    assert "enhance: pass 1: nonsense: this model has no such setting." in str(finished.error)
    assert "enhance: pass 2: mask_box_threshold: 3 is not accepted" in str(finished.error)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"image_mode": 1, "vary_upscale": "vary_subtle"}, "image_guide: it is missing"),
     ({"vary_upscale": "vary_subtle"}, "vary_upscale: it is for single pictures"),
     ({"video_guide_outpainting": "10 0 0 0"}, "this model paints beyond the borders of pictures")],
)  # fmt: skip
def test_what_the_work_lacks_is_named(engine: Engine, settings: dict, told: str) -> None:
    assert told in str(engine.run(**settings).error)


def test_a_start_image_is_worked_on_as_well(engine: Engine, photo: str) -> None:
    made(engine, image_start=photo, vary_upscale="vary_subtle")
    assert engine.pipeline.requests[0].source is not None
