"""What the motion designer's tab makes of a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from plugins.motion_designer.design import MOST_OBJECTS, Design, Motion, make
from shared.media.images import save_image
from shared.media.video import probe, read_frames


@pytest.fixture
def design(tmp_path: Path) -> Design:
    picture = np.full((48, 64, 3), 90, np.uint8)
    picture[10:26, 8:24] = (230, 40, 40)
    return Design(str(save_image(picture, tmp_path / "scene.png", "png")))


def test_a_cut_out_with_a_path_becomes_a_control_clip_its_mask_and_its_trajectory(design: Design, tmp_path) -> None:
    made = make(design.clicked(16, 18).drawn(16, 18).drawn(46, 28), 9, 8, tmp_path)

    assert made.clip is not None and made.mask is not None and len(made.files) == 3
    assert (probe(made.clip).num_frames, probe(made.mask).num_frames) == (9, 9)
    places = [np.argwhere(mask[..., 0] > 127).mean(axis=0) for mask in read_frames(made.mask)[0]]
    assert np.allclose(places[-1] - places[0], (10, 30), atol=1)
    told = json.loads(made.trajectories.read_text())
    assert (told["width"], told["height"], told["num_frames"]) == (64, 48, 9)
    assert told["trajectories"][0][0] == {"x": 16.0, "y": 18.0}


def test_a_bare_path_becomes_a_trajectory_alone(design: Design, tmp_path: Path) -> None:
    made = make(design.drawn(1, 1).drawn(9, 9), 5, 8, tmp_path)

    assert made.clip is None and [Path(path).suffix for path in made.files] == [".json"]


def test_nothing_made_before_is_overwritten(design: Design, tmp_path: Path) -> None:
    drawn = design.drawn(1, 1).drawn(9, 9)

    assert make(drawn, 5, 8, tmp_path).trajectories != make(drawn, 5, 8, tmp_path).trajectories


def test_without_a_path_there_is_nothing_to_make(design: Design, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Draw a path"):
        make(design.clicked(16, 18), 5, 8, tmp_path)


def test_objects_are_added_chosen_and_taken_away(design: Design) -> None:
    two = design.clicked(16, 18).with_new_object().drawn(5, 5)

    assert two.chosen == 1 and two.objects[0].points == () and two.objects[1].points == ((5, 5),)
    assert two.undone(draws=True).current.points == ()
    assert two.without_current().objects == (two.objects[0],) and two.without_current().chosen == 0
    assert len(design.without_current().objects) == 1
    assert two.with_current(motion=Motion(ease="in")).current.path().ease == "in"


def test_there_are_as_many_objects_as_colours(design: Design) -> None:
    for _ in range(MOST_OBJECTS - 1):
        design = design.with_new_object()

    with pytest.raises(ValueError, match="objects"):
        design.with_new_object()


def test_the_picture_shows_cut_outs_and_paths(design: Design) -> None:
    shown = design.clicked(16, 18).drawn(40, 40).drawn(60, 40).shown()

    assert (shown != design.picture()).any(axis=2)[10:26, 8:24].mean() > 0.9
    assert (shown != design.picture()).any(axis=2)[40, 45:55].all()
