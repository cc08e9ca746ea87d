"""The motion designer's paths, control clips and trajectories."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.motion_designer.motion import MotionPath, control_clip, drawn_paths, positions, progress, trajectories

PICTURE = np.full((64, 96, 3), 90, np.uint8)
PICTURE[20:40, 10:30] = (230, 40, 40)
MASK = np.where((PICTURE == (230, 40, 40)).all(axis=2), np.uint8(255), np.uint8(0))


def centre(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


def test_a_path_is_walked_at_even_speed_whatever_the_spacing_of_its_points() -> None:
    path = MotionPath(((0, 0), (1, 0), (10, 0), (10, 30)), is_smooth=False)

    steps = np.linalg.norm(np.diff(positions(path, 41), axis=0), axis=1)

    assert np.allclose(steps, 1.0)


def test_a_smooth_path_goes_through_every_drawn_point() -> None:
    points = ((0.0, 0.0), (20.0, 30.0), (50.0, 10.0), (80.0, 60.0))

    walked = positions(MotionPath(points), 4001)

    for point in points:
        assert np.linalg.norm(walked - point, axis=1).min() < 0.1


@pytest.mark.parametrize(("ease", "half"), [("linear", 0.5), ("in", 0.25), ("out", 0.75), ("in_out", 0.5)])
def test_an_ease_shapes_the_speed(ease: str, half: float) -> None:
    share = progress(MotionPath(((0, 0), (1, 1)), ease=ease), 17)

    assert share[0] == 0 and share[-1] == 1 and share[8] == pytest.approx(half)


def test_before_and_after_its_span_a_path_stands_still() -> None:
    walked = positions(MotionPath(((0, 0), (10, 0)), first=5, last=10), 17)

    assert np.all(walked[:6, 0] == 0) and np.all(walked[10:, 0] == 10) and 0 < walked[7, 0] < 10


def test_an_object_moves_along_its_path_and_leaves_no_copy_behind() -> None:
    frames, masks = control_clip(PICTURE, [(MASK, MotionPath(((19.5, 29.5), (69.5, 39.5))))], 9)

    assert frames.shape == (9, 64, 96, 3) and masks.shape == (9, 64, 96)
    assert np.abs(frames[0].astype(int) - PICTURE).mean() < 3
    first, last = centre(masks[0]), centre(masks[-1])
    assert last[0] - first[0] == pytest.approx(50, abs=0.6) and last[1] - first[1] == pytest.approx(10, abs=0.6)
    assert np.abs(frames[-1][20:40, 10:30].astype(int) - 90).max() < 25
    assert tuple(frames[-1][40, 70]) == (230, 40, 40)


def test_an_object_grows_and_turns_on_its_way() -> None:
    _, masks = control_clip(PICTURE, [(MASK, MotionPath(((48, 32), (48, 32)), scale=1.5, turn_degrees=45))], 5)

    first, last = (np.count_nonzero(mask) for mask in (masks[0], masks[-1]))
    assert last / first == pytest.approx(2.25, abs=0.12)
    rows, columns = np.nonzero(masks[-1])
    side = 30 * 2**0.5
    assert np.ptp(columns) == pytest.approx(side, abs=4) and np.ptp(rows) == pytest.approx(side, abs=4)


def test_later_objects_lie_in_front() -> None:
    other = np.zeros_like(MASK)
    other[44:60, 60:90] = 255
    picture = PICTURE.copy()
    picture[44:60, 60:90] = (20, 200, 20)

    frames, _ = control_clip(
        picture, [(MASK, MotionPath(((0, 0), (55, 22)))), (other, MotionPath(((0, 0),)))], 3
    )

    assert tuple(frames[-1][52, 72]) == (20, 200, 20)


def test_trajectories_hold_a_point_a_frame_in_pixels() -> None:
    tracks = trajectories([MotionPath(((0, 0), (8, 4))), MotionPath(((3, 3),))], 5)

    assert tracks[0][0] == {"x": 0.0, "y": 0.0} and tracks[0][2] == {"x": 4.0, "y": 2.0}
    assert [len(track) for track in tracks] == [5, 5] and tracks[1][4] == {"x": 3.0, "y": 3.0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"points": ()}, "points"),
        ({"points": ((0, 0),), "ease": "bounce"}, "ease"),
        ({"points": ((0, 0),), "first": 5, "last": 2}, "first, last"),
        ({"points": ((0, 0),), "scale": 0}, "scale"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused_by_name(arguments: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MotionPath(**arguments)


def test_an_empty_cut_out_and_one_of_another_size_are_refused() -> None:
    path = MotionPath(((0, 0), (5, 5)))

    with pytest.raises(ValueError, match="empty"):
        control_clip(PICTURE, [(np.zeros_like(MASK), path)], 3)
    with pytest.raises(ValueError, match="32x32"):
        control_clip(PICTURE, [(np.full((32, 32), 255, np.uint8), path)], 3)


def test_drawn_paths_change_the_picture_along_them_alone() -> None:
    shown = drawn_paths(PICTURE, [MotionPath(((5, 50), (90, 50)), is_smooth=False)], [(255, 255, 0)])

    changed = np.nonzero((shown != PICTURE).any(axis=2))
    assert changed[0].min() > 40 and changed[0].max() < 60
