"""What is made of control clips, compared with what plain shapes must give."""

from __future__ import annotations

import numpy as np
import pytest

from shared.diffusion.control import KINDS, bounding_boxes, cut_out, preprocess


def square_moving_right(frames: int = 4, step: int = 4) -> np.ndarray:
    """A textured bright square on black that moves right."""
    clip = np.zeros((frames, 64, 96, 3), np.uint8)
    texture = np.random.default_rng(0).integers(100, 256, (24, 24, 3), dtype=np.uint8)
    for number, frame in enumerate(clip):
        frame[20:44, 16 + step * number : 40 + step * number] = texture
    return clip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_control_has_the_shape_of_its_clip(kind: str) -> None:
    clip = square_moving_right()
    for frames in (clip, clip[:1]):
        made = preprocess(frames, kind)
        assert made.shape == frames.shape and made.dtype == np.uint8


def test_edges_lie_where_brightness_changes() -> None:
    plain = np.zeros((1, 64, 96, 3), np.uint8)
    plain[:, 20:44, 16:40] = 220
    made = preprocess(plain, "edges")[0, :, :, 0]
    rows, columns = np.nonzero(made)
    assert set(np.unique(made)) == {0, 255}
    assert rows.min() >= 18 and rows.max() <= 45 and columns.min() >= 14 and columns.max() <= 41
    assert not made[26:38, 22:34].any(), "nothing inside an even square"


def test_strokes_are_strongest_at_contours_and_absent_from_flat_parts() -> None:
    plain = np.zeros((1, 64, 96, 3), np.uint8)
    plain[:, 20:44, 16:40] = 220
    made = preprocess(plain, "scribble")[0, :, :, 0].astype(int)
    assert made[20, 28] > 100 and made[5, 80] == 0 and made[32, 28] < made[20, 28] / 2


def test_grey_has_three_equal_channels_of_the_brightness() -> None:
    clip = square_moving_right(1)
    made = preprocess(clip, "grey")
    assert (made[..., 0] == made[..., 1]).all() and (made[..., 0] == made[..., 2]).all()
    expected = clip[..., 0] * 0.299 + clip[..., 1] * 0.587 + clip[..., 2] * 0.114
    assert np.abs(made[..., 0] - expected).max() <= 1


def test_motion_to_the_right_and_to_the_left_have_opposite_colours() -> None:
    right = preprocess(square_moving_right(), "flow")
    left = preprocess(square_moving_right()[::-1], "flow")
    assert (right[0, 60, 90] > 200).all(), "what stands still stays white"
    inside = (0, slice(26, 38), slice(22, 36))
    red, cyan = right[inside].mean(axis=(0, 1)), left[inside].mean(axis=(0, 1))
    assert red[0] > red[2] + 20 and cyan[2] > cyan[0] + 20
    assert np.array_equal(right[-1], right[-2]), "the last frame has no next one"


def test_boxes_hold_what_is_marked_in_each_frame() -> None:
    mask = np.zeros((2, 16, 16), np.uint8)
    mask[0, 3, 4] = mask[0, 8, 10] = 255
    boxed = bounding_boxes(mask)
    assert boxed[0, 3:9, 4:11].all() and (boxed[0] > 0).sum() == 6 * 7 and not boxed[1].any()


def test_a_subject_is_told_from_a_plain_background() -> None:
    picture = np.full((64, 64, 3), (30, 120, 60), np.uint8)
    picture[18:46, 20:44] = (220, 40, 40)
    cut = cut_out(picture)
    assert (cut[4, 4] == 255).all() and (cut[60, 32] == 255).all()
    assert cut[32, 32].tolist() == [220, 40, 40]
    assert np.array_equal(cut_out(picture), cut)
    tiny = np.zeros((8, 8, 3), np.uint8)
    assert np.array_equal(cut_out(tiny), tiny)
