"""What steers a result: control clips, masks beside them, margins, reference images, pictures at given frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.core.events import Progress
from shared.media.video import read_frames, write_video
from tests.fakes.engine import Engine, make_engine, numpy_model
from tests.fakes.tiny_depth import save as save_depth

STEERED: dict[str, Any] = {
    "inpaint_support": False,
    "guide_preprocessing": {"selection": ["", "UV", "DV", "EV", "CV", "MV", "V"]},
    "mask_preprocessing": {"selection": ["", "A", "NA", "XA", "HA"]},
    "image_ref_choices": {"choices": [["None", ""], ["People", "I"], ["Place and people", "KI"], ["Frames", "FI"]]},
    "video_guide_outpainting": [0, 1],
    "any_image_refs_relative_size": True,
}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path, numpy_model(**STEERED))


def grey(level: int, width: int = 64, height: int = 48) -> Image.Image:
    return Image.new("RGB", (width, height), (level, level, level))


def left_half(width: int = 64, height: int = 48) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (0, 0, width // 2, height))
    return mask


@pytest.fixture
def control(tmp_path: Path) -> str:
    """A clip of 9 frames of one grey level each: 0, 20, 40 ..."""
    frames = np.stack([np.full((48, 64, 3), 20 * number, np.uint8) for number in range(9)])
    return str(write_video(frames, tmp_path / "control.mp4", 8, "libx264_lossless"))


def levels(frames: np.ndarray) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def test_a_control_clip_steers_and_is_not_started_from(engine: Engine, control: str) -> None:
    engine.make(video_guide=control, video_prompt_type="UV")

    (request,) = engine.pipeline.requests
    assert levels(request.control) == [0, 20, 40, 60, 80, 100, 120, 140, 160]
    assert request.control_mask is None and request.source is None and request.fps == 8


def test_each_window_gets_its_own_part_of_the_control(engine: Engine, control: str) -> None:
    engine.make(video_guide=control, video_prompt_type="UV", sliding_window_size=5, sliding_window_overlap=1)

    first, second = engine.pipeline.requests
    assert levels(first.control) == [0, 20, 40, 60, 80]
    assert levels(second.control) == [80, 100, 120, 140, 160]


def test_after_the_control_clip_the_model_is_free(engine: Engine, control: str) -> None:
    engine.make(video_guide=control, video_prompt_type="UV", video_length=13, keep_frames_video_guide="1:2 4")

    (request,) = engine.pipeline.requests
    assert levels(request.control) == [0, 20, 127, 60] + [127] * 9
    assert "the model is free after them" in engine.infos


def test_a_model_that_needs_its_control_makes_no_more_frames_than_it_has(tmp_path: Path, control: str) -> None:
    engine = make_engine(tmp_path, numpy_model(**{**STEERED, "control_video_trim": True}))
    (output,) = engine.make(video_guide=control, video_prompt_type="UV", video_length=33)

    assert len(read_frames(output.path)[0]) == 9
    assert "video_length: 33 becomes 9 frames" in engine.infos


def test_a_mask_blanks_the_control_where_it_is_white(engine: Engine, control: str) -> None:
    engine.make(video_guide=control, video_mask=left_half(), video_prompt_type="VA")

    (request,) = engine.pipeline.requests
    assert (request.control[3][:, :32] == 127).all() and (request.control[3][:, 32:] == 60).all()
    assert (request.control_mask[3][:, :32] == 255).all() and not request.control_mask[3][:, 32:].any()
    assert request.mask is None


def test_outside_of_the_mask_another_process_may_steer(engine: Engine, control: str) -> None:
    engine.make(video_guide=control, video_mask=left_half(), video_prompt_type="UVXA")

    (request,) = engine.pipeline.requests
    assert (request.control[3][:, :32] == 60).all() and (request.control[3][:, 32:] == 127).all()
    assert request.control_mask is None


def test_a_mask_can_be_its_boxes(engine: Engine, control: str) -> None:
    spots = Image.new("L", (64, 48), 0)
    spots.putpixel((10, 10), 255)
    spots.putpixel((20, 30), 255)
    engine.make(video_guide=control, video_mask=spots, video_prompt_type="VHA")

    (request,) = engine.pipeline.requests
    assert (request.control_mask[0] > 0).sum() == 11 * 21


def test_two_control_clips_and_the_clip_that_a_mask_belongs_to(tmp_path: Path, control: str) -> None:
    choices = {"choices": [["Follow", "UV+"], ["Replace", "AUV+"]]}
    model = numpy_model(inpaint_support=False, guide_custom_choices=choices, video_guide2=True,
                        custom_guide={"label": "Place"}, masked_custom_guide=True)  # fmt: skip
    engine = make_engine(tmp_path, model)
    face = write_video(np.full((9, 16, 16, 3), 90, np.uint8), tmp_path / "face.mp4", 8, "libx264_lossless")
    place = write_video(np.full((9, 48, 64, 3), 200, np.uint8), tmp_path / "place.mp4", 8, "libx264_lossless")
    engine.make(video_guide=control, video_guide2=str(face), custom_guide=str(place), video_mask=left_half(),
                video_prompt_type="AUV+")  # fmt: skip

    (request,) = engine.pipeline.requests
    assert levels(request.control)[:3] == [0, 20, 40] and request.control_mask is None
    assert request.control2.shape == (9, 16, 16, 3) and (request.source == 200).all()
    assert (request.mask[0][:, :32] == 255).all() and not request.mask[0][:, 32:].any()


def test_two_processes_at_once_are_refused(engine: Engine, control: str) -> None:
    finished = engine.run(video_guide=control, video_prompt_type="ECV")
    assert finished.error is not None and "edges and grey at once" in finished.error


def test_depth_is_read_by_the_model_on_disk_once_for_all_samples(tmp_path: Path, control: str) -> None:
    engine = make_engine(tmp_path, numpy_model(**STEERED))
    engine.registry.checkpoints = tmp_path / "ckpts"
    save_depth(tmp_path / "ckpts" / "Depth-Anything-V2-Small-hf")
    engine.make("a\n\nb", video_guide=control, video_prompt_type="DV", video_length=5, resolution="32x32")

    first, second = engine.pipeline.requests
    assert first.control.shape == (5, first.height, first.width, 3) and first.control.any()
    assert np.array_equal(first.control, second.control)
    read = [event.step for event in engine.of(Progress) if event.phase == "Encoding depth"]
    assert read == list(range(9))


def test_depth_without_its_model_says_what_is_missing(tmp_path: Path, control: str) -> None:
    engine = make_engine(tmp_path, numpy_model(**STEERED), offline=True)
    engine.registry.checkpoints = tmp_path / "ckpts"
    finished = engine.run(video_guide=control, video_prompt_type="DV")
    assert finished.outcome == "failed" and "Depth Anything" in str(finished.error)


def test_what_the_model_does_not_offer_is_refused_by_name(engine: Engine, control: str) -> None:
    finished = engine.run(video_guide=control, video_prompt_type="PV")
    assert finished.error is not None and finished.error.startswith("video_prompt_type: P (Pose) is not available")


def test_a_picture_grows_by_the_margins(engine: Engine) -> None:
    engine.make(image_mode=1, image_guide=grey(60), video_prompt_type="V", video_guide_outpainting="0 0 50 50",
                resolution="128x48")  # fmt: skip

    (request,) = engine.pipeline.requests
    assert (request.width, request.height) == (128, 48)
    inside = slice(32, 96)
    assert (request.control[0][:, inside] == 60).all() and (request.control[0][:, :32] == 127).all()
    assert not request.control_mask[0][:, inside].any() and (request.control_mask[0][:, 96:] == 255).all()


def test_a_picture_grows_to_a_shape(engine: Engine) -> None:
    engine.make(image_mode=1, image_guide=grey(60, 48, 48), video_prompt_type="V", resolution="96x48",
                video_guide_outpainting="0 0 0 0", video_guide_outpainting_ratio="2:1")  # fmt: skip

    (request,) = engine.pipeline.requests
    assert (request.width, request.height) == (96, 48)
    assert [bool(request.control_mask[0][24, column]) for column in (23, 24, 71, 72)] == [True, False, False, True]


def test_references_keep_their_shape_and_get_their_size(engine: Engine) -> None:
    engine.make(image_refs=[grey(10, 200, 100), grey(20, 50, 100)], image_refs_relative_size=50)

    (request,) = engine.pipeline.requests
    assert [picture.shape for picture in request.references] == [(16, 32, 3), (24, 12, 3)]
    assert request.settings["video_prompt_type"] == "I"


def test_a_place_fills_the_canvas_and_gives_its_shape(engine: Engine) -> None:
    engine.make(image_refs=[grey(10, 200, 100), grey(20, 50, 100)], video_prompt_type="KI", resolution="64x64")

    (request,) = engine.pipeline.requests
    assert (request.width, request.height) == (96, 48)
    assert request.references[0].shape == (48, 96, 3) and request.references[1].shape[0] == 24


def test_pictures_stand_at_their_frames_in_whichever_window_has_them(engine: Engine) -> None:
    refs = [grey(level) for level in (10, 20, 30, 40)]
    engine.make(image_refs=refs, video_prompt_type="FI", frames_positions="3 7 L", video_length=9,
                sliding_window_size=5, sliding_window_overlap=1)  # fmt: skip

    first, second = engine.pipeline.requests
    assert {number: int(frame[0, 0, 0]) for number, frame in first.injected.items()} == {2: 10, 4: 30}
    assert {number: int(frame[0, 0, 0]) for number, frame in second.injected.items()} == {0: 30, 2: 20}
    assert len(first.references) == 1


def test_a_subject_is_cut_out_where_the_model_wants_that(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, numpy_model(**{**STEERED, "background_removal": True}))
    subject = Image.new("RGB", (64, 48), (20, 90, 200))
    subject.paste((220, 30, 40), (22, 12, 42, 36))
    engine.make(image_refs=[subject], image_refs_relative_size=100, remove_background_images_ref=1)
    engine.make(image_refs=[subject], image_refs_relative_size=100, remove_background_images_ref=0)

    cut, whole = (request.references[0] for request in engine.pipeline.requests)
    assert (cut[2, 2] == 255).all() and cut[24, 32].tolist() == [220, 30, 40]
    assert whole[2, 2].tolist() == [20, 90, 200]
