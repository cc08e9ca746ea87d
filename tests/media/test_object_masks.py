"""Masks of clicked objects, judged against the masks of rendered scenes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from shared.media.object_masks import Click, cut_out, track
from tools.starter.scenes import Combination, make_scene, render

SCENES = [
    Combination("big", "red", "star", "moving up", "on a white background"),
    Combination("", "cyan", "ring", "moving right", "on a gray background"),
    Combination("", "yellow", "square", "spinning", "in front of a night sky"),
    Combination("", "purple", "triangle", "growing", "in front of green grass"),
]


def inside(mask: np.ndarray) -> Click:
    """A click on the point that is farthest from the object's edge."""
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return Click(float(x), float(y))


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union."""
    return float(((found > 127) & (true > 127)).sum() / ((found > 127) | (true > 127)).sum())


@pytest.mark.parametrize("combination", SCENES, ids=lambda combination: combination.prompt)
def test_a_clicked_object_is_found_in_every_frame(combination: Combination) -> None:
    frames, true = render(make_scene(combination, np.random.default_rng(3)), 17, 128, 128)
    start = 8
    told: list[tuple[int, int]] = []

    masks = track(frames, cut_out(frames[start], [inside(true[start])]), start, lambda *done: told.append(done))

    overlaps = [overlap(*pair) for pair in zip(masks, true, strict=True)]
    assert min(overlaps) > 0.75 and np.mean(overlaps) > 0.85, overlaps
    assert told == [(done, 17) for done in range(2, 18)]


def test_a_click_beside_the_object_takes_away_what_looks_alike() -> None:
    frame = np.full((96, 96, 3), 30, np.uint8)
    frame[30:60, 10:40], frame[30:60, 40:80] = (200, 60, 60), (200, 90, 60)

    both = cut_out(frame, [Click(25, 45), Click(60, 45)])
    one = cut_out(frame, [Click(25, 45), Click(60, 45, is_object=False)])

    assert both[45, 25] == both[45, 60] == 255 and both[10, 10] == 0
    assert one[45, 25] == 255 and one[45, 60] == 0


def test_large_frames_are_cut_at_a_smaller_size_and_given_at_their_own() -> None:
    frame = np.zeros((720, 1280, 3), np.uint8)
    cv2.circle(frame, (640, 360), 150, (250, 200, 20), -1)

    mask = cut_out(frame, [Click(640, 360)])

    true = (frame[..., 0] > 0).astype(np.uint8) * 255
    assert mask.shape == (720, 1280) and overlap(mask, true) > 0.95


def test_an_object_that_leaves_has_no_mask() -> None:
    frames = np.full((12, 64, 64, 3), 40, np.uint8)
    for number, frame in enumerate(frames):
        frame[24:40, max(0, 40 + 4 * number) : 56 + 4 * number] = (240, 240, 60)

    masks = track(frames, cut_out(frames[0], [Click(47, 31)]))

    assert masks[0].any() and not masks[-1].any()


@pytest.mark.parametrize(
    ("clicks", "told"), [([Click(3, 3, is_object=False)], "on the object"), ([Click(64, 3)], "outside")]
)
def test_clicks_that_say_nothing_are_refused(clicks: list[Click], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        cut_out(np.zeros((64, 64, 3), np.uint8), clicks)
