"""Masks, views and parts put back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from shared.media.regions import grown, margin_mask, mask_of, put_into, view_of, with_margins


def square(side: int = 60, box: tuple[int, int, int, int] = (20, 25, 30, 40)) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def test_a_mask_grows_and_shrinks_by_pixels_on_all_sides() -> None:
    assert np.array_equal(grown(square(), 3), square(box=(17, 22, 33, 43)))
    assert np.array_equal(grown(square(), -2), square(box=(22, 27, 28, 38)))
    assert grown(square(), 0) is not None and not grown(square(), -20).any()
    assert np.array_equal(grown(np.full((9, 9), 255, np.uint8), -3), np.full((9, 9), 255, np.uint8))


def test_a_mask_is_black_and_white_at_the_size_of_its_picture() -> None:
    grey = Image.fromarray(np.tile(np.linspace(0, 255, 10, dtype=np.uint8), (10, 1)))
    mask = mask_of(grey, (40, 30))
    assert mask.shape == (30, 40) and set(np.unique(mask)) == {0, 255}
    assert not mask[:, :15].any() and mask[:, 25:].all()


@pytest.mark.parametrize("field", [0.0, 0.3, 0.618, 1.0])
def test_a_view_holds_the_mask_and_as_much_of_the_picture_as_asked(field: float) -> None:
    mask = square()
    left, top, right, bottom = view_of(mask, field)
    assert mask[top:bottom, left:right].sum() == mask.sum()
    assert right - left >= round(field * 60) and bottom - top >= round(field * 60)
    if field == 0:
        assert right - left == bottom - top == 17
    if field == 1:
        assert (left, top, right, bottom) == (0, 0, 60, 60)


def test_a_view_at_the_edge_stays_in_the_picture() -> None:
    left, top, right, bottom = view_of(square(box=(0, 0, 6, 6)), 0.5)
    assert (left, top, right, bottom) == (0, 0, 30, 30)


def test_margins_go_on_with_the_edge_and_are_made_anew() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    wider = with_margins(picture, (1, 2, 3, 4))
    assert wider.shape == (7, 12, 3)
    assert np.array_equal(wider[1:5, 3:8], picture) and np.array_equal(wider[0, 3:8], picture[0])
    assert np.array_equal(wider, cv2.copyMakeBorder(picture, 1, 2, 3, 4, cv2.BORDER_REPLICATE))
    mask = margin_mask(np.zeros((4, 5), np.uint8), (1, 2, 3, 4))
    assert mask.shape == (7, 12) and not mask[1:5, 3:8].any() and mask.sum() == (7 * 12 - 20) * 255


def test_a_part_is_put_back_inside_the_mask_alone() -> None:
    picture = np.full((60, 60, 3), 10, np.uint8)
    mask, box = square(), (10, 15, 50, 55)
    result = put_into(picture, np.full((20, 20, 3), 250, np.uint8), box, mask)
    assert np.array_equal(result[mask == 0], picture[mask == 0])
    assert (result[30:35, 24:27] == 250).all()
    assert not np.array_equal(result, picture)
