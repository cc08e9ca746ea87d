"""Start and end images, control pictures and clips, masks, and media that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.media.images import load_image
from shared.media.video import probe, read_frames, write_video
from tests.fakes.engine import Engine, make_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


def grey(level: int, width: int = 64, height: int = 48) -> Image.Image:
    return Image.new("RGB", (width, height), (level, level, level))


def left_half(width: int = 64, height: int = 48) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (0, 0, width // 2, height))
    return mask


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """A clip of 9 frames of one grey level each: 0, 20, 40 ..."""
    frames = np.stack([np.full((48, 64, 3), 20 * number, np.uint8) for number in range(9)])
    return write_video(frames, tmp_path / "control.mp4", 8, "libx264_lossless")


def test_a_clip_starts_and_ends_on_the_images(engine: Engine, tmp_path: Path) -> None:
    grey(10).save(tmp_path / "start.png")

    (output,) = engine.make(image_prompt_type="SE", image_start=str(tmp_path / "start.png"), image_end=grey(200))

    frames, _ = read_frames(output.path)
    assert (frames[0] == 10).all() and (frames[-1] == 200).all()
    assert "image_start" not in output.settings and output.settings["image_prompt_type"] == "SE"


def test_the_letters_of_given_images_are_added_where_none_are_given(engine: Engine) -> None:
    engine.make(image_start=grey(10), image_end=grey(20))
    (request,) = engine.pipeline.requests
    assert request.image_start is not None and request.image_end is not None

    engine.make(image_start=grey(10), image_prompt_type="")
    assert engine.pipeline.requests[-1].image_start is None
    assert "image_start: it is not used" in engine.infos


def test_the_end_image_ends_the_last_window_and_several_end_each(engine: Engine) -> None:
    engine.make(image_end=grey(200), video_length=29)
    assert [request.image_end is not None for request in engine.pipeline.requests] == [False, True]

    engine.pipeline.requests.clear()
    engine.make("a\nb", multi_prompts_gen_type="W", image_end=[grey(100), grey(200)], video_length=29)
    assert [int(request.image_end[0, 0, 0]) for request in engine.pipeline.requests] == [100, 200]


def test_an_end_image_is_not_among_the_frames_that_are_dropped(engine: Engine) -> None:
    (output,) = engine.make(image_end=grey(200), video_length=29, sliding_window_discard_last_frames=4)

    frames, _ = read_frames(output.path)
    assert len(frames) == 29 and (frames[-1] == 200).all()


def test_every_start_image_meets_every_prompt_or_goes_pair_by_pair(engine: Engine) -> None:
    starts = [grey(10), grey(20)]
    engine.make("a\n\nb", image_start=starts)
    made = [(request.prompt, int(request.image_start[0, 0, 0])) for request in engine.pipeline.requests]
    assert made == [("a", 10), ("a", 20), ("b", 10), ("b", 20)]

    engine.pipeline.requests.clear()
    engine.make("a\n\nb", image_start=starts, multi_images_gen_type=1)
    made = [(request.prompt, int(request.image_start[0, 0, 0])) for request in engine.pipeline.requests]
    assert made == [("a", 10), ("b", 20)]


def test_the_result_takes_the_shape_of_its_start_image(engine: Engine) -> None:
    (output,) = engine.make(image_start=grey(10, 200, 100), resolution="64x64")

    info = probe(output.path)
    assert (info.width, info.height) == (96, 48)
    assert "shape of the picture" in engine.infos


def test_a_picture_from_a_picture_starts_from_a_part_of_its_noise(engine: Engine) -> None:
    (output,) = engine.make(image_mode=1, image_start=grey(100), denoising_strength=0.25)

    (request,) = engine.pipeline.requests
    assert request.denoising_strength == 0.25 and (request.source == 100).all() and request.image_start is None
    assert output.settings["denoising_strength"] == 0.25 and output.settings["video_prompt_type"] == "VG"
    assert abs(np.asarray(load_image(output.path)).astype(int) - 100).max() <= 0.25 * 255


@pytest.mark.parametrize("image_mode", [1, 2])
def test_a_masked_part_of_a_picture_is_repainted(engine: Engine, image_mode: int) -> None:
    (output,) = engine.make(image_mode=image_mode, image_guide=grey(100), image_mask=left_half())

    picture = np.asarray(load_image(output.path))
    assert (picture[:, 32:] == 100).all() and (picture[:, :32] != 100).any()
    assert output.settings["video_prompt_type"] == "VA"


def test_the_mask_can_be_turned_round_and_widened(engine: Engine) -> None:
    engine.make(image_mode=1, image_guide=grey(100), image_mask=left_half(), video_prompt_type="VAN", mask_expand=4)

    (request,) = engine.pipeline.requests
    assert (request.mask[0, :, 28:] == 255).all() and (request.mask[0, :, :28] == 0).all()


def test_a_clip_is_denoised_from_the_control_clip(engine: Engine, control: Path) -> None:
    engine.make(video_guide=str(control), video_prompt_type="VG", denoising_strength=0.5)

    (request,) = engine.pipeline.requests
    assert request.source[:, 0, 0, 0].tolist() == list(range(0, 180, 20)) and request.denoising_strength == 0.5


def test_a_masked_part_of_a_clip_is_repainted_window_after_window(engine: Engine, control: Path) -> None:
    (output,) = engine.make(
        video_guide=str(control), video_mask=left_half(), video_prompt_type="VA", video_length=9, sliding_window_size=5,
        sliding_window_overlap=1,
    )  # fmt: skip

    frames, _ = read_frames(output.path)
    assert len(engine.pipeline.requests) == 2
    np.testing.assert_array_equal(frames[:, :, 32:], read_frames(control)[0][:, :, 32:])


def test_a_control_clip_that_is_too_short_stands_still_and_that_is_told(engine: Engine, control: Path) -> None:
    engine.make(video_guide=str(control), video_prompt_type="VG", denoising_strength=0.5, video_length=13)

    (request,) = engine.pipeline.requests
    assert request.source[8:, 0, 0, 0].tolist() == [160] * 5
    assert "stands still" in engine.infos


def test_a_control_clip_without_use_is_told(engine: Engine, control: Path) -> None:
    engine.make(video_guide=str(control), video_prompt_type="V")

    assert engine.pipeline.requests[0].source is None and "denoising_strength: at 1" in engine.infos


def test_a_start_image_beside_a_continued_clip_is_told(engine: Engine, control: Path) -> None:
    engine.make(image_prompt_type="SV", image_start=grey(10), video_source=str(control))

    assert "image_start: it is not used" in engine.infos and engine.pipeline.requests[0].image_start is None


def test_a_strength_without_a_control_is_told(engine: Engine) -> None:
    engine.make(denoising_strength=0.5)

    assert "denoising_strength: 0.5 has no effect" in engine.infos


@pytest.mark.parametrize("name", ["image_start", "video_source", "image_end"])
def test_a_text_file_under_another_name_is_told_with_its_setting(engine: Engine, tmp_path: Path, name: str) -> None:
    path = tmp_path / ("clip.mp4" if name.startswith("video") else "picture.png")
    path.write_text("This is no picture at all.\n" * 20)

    finished = engine.run(**{name: str(path)})

    assert (finished.outcome, finished.stage) == ("failed", "validation")
    assert (finished.error or "").startswith(f"{name}: ") and "text" in (finished.error or "")
    assert engine.services.models.resident is None


@pytest.mark.parametrize("name", ["image_start", "video_source", "video_guide"])
def test_a_missing_file_is_told_with_its_setting(engine: Engine, name: str) -> None:
    finished = engine.run(**{name: "/nowhere/at/all.png"})

    assert finished.outcome == "failed" and f"{name}: " in (finished.error or "")
    assert "/nowhere/at/all.png" in (finished.error or "")


def test_a_letter_without_its_picture_is_told(engine: Engine) -> None:
    finished = engine.run(image_prompt_type="S")

    assert finished.stage == "validation" and "image_start" in (finished.error or "")


def test_a_picture_cut_in_half_is_told(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Image.effect_noise((64, 48), 80).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    finished = engine.run(image_start=str(path))

    assert finished.outcome == "failed" and "image_start" in (finished.error or "")
