"""What the mask creator's tab makes of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugins.mask_creator.masks import Work, overlaid, save_masks
from shared.core.errors import MediaError
from shared.media.images import load_image, save_image
from shared.media.object_masks import Click
from shared.media.video import probe, read_frames, write_video


def frames() -> np.ndarray:
    made = np.full((6, 48, 64, 3), 60, np.uint8)
    for number, frame in enumerate(made):
        frame[12:32, 10 + 2 * number : 30 + 2 * number] = (230, 60, 40)
    return made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(frames(), tmp_path / "clip.mp4", 8)


def test_a_clip_gets_a_mask_clip_of_its_size_speed_and_length(clip: Path, tmp_path: Path) -> None:
    work = Work.of(str(clip)).at(2).clicked(22, 20, is_object=True)
    told: list[tuple[int, int]] = []

    mask, view = save_masks(work, work.masks(None, lambda *done: told.append(done)), tmp_path)

    info = probe(mask)
    assert (info.width, info.height, info.fps, info.num_frames) == (64, 48, 8, 6) and told[-1] == (6, 6)
    found = read_frames(mask)[0][..., 0] > 127
    true = frames()[..., 0] > 200
    assert (found & true).sum() / (found | true).sum() > 0.9
    assert probe(view).num_frames == 6


def test_a_picture_gets_a_picture(tmp_path: Path) -> None:
    work = Work.of(str(save_image(frames()[0], tmp_path / "one.png", "png"))).clicked(20, 20, is_object=True)

    mask, _ = save_masks(work, work.masks(None, lambda *done: None), tmp_path)
    again, _ = save_masks(work, work.masks(None, lambda *done: None), tmp_path)

    assert mask.suffix == ".png" and load_image(mask).size == (64, 48) and mask != again


def test_clicks_belong_to_a_frame_and_can_be_taken_back(clip: Path) -> None:
    work = Work.of(str(clip)).clicked(22, 20, True).clicked(2, 2, False)

    assert work.undone().clicks == (Click(22, 20, True),)
    assert work.at(3).clicks == () and work.at(99).frame == 5
    assert Work.of(str(clip)).mask() is None


def test_without_a_click_there_is_no_mask(clip: Path) -> None:
    with pytest.raises(ValueError, match="Click on the object"):
        Work.of(str(clip)).masks(None, lambda *done: None)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")

    with pytest.raises(MediaError):
        Work.of(str(tmp_path / "notes.png"))


def test_the_view_shows_mask_and_clicks() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    mask[20:] = 255

    shown = overlaid(picture, mask, [Click(10, 5), Click(30, 5, is_object=False)])

    assert shown[30, 20].any() and not shown[15, 20].any()
    assert tuple(shown[5, 10]) == (255, 255, 255) and tuple(shown[5, 30]) == (200, 40, 40)
