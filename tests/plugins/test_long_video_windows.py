"""How the long-video plugin cuts a clip and joins the results."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from plugins.long_video.windows import Span, joined, plan_spans


def gray(*levels: int) -> list[np.ndarray]:
    return [np.full((4, 4, 3), level, np.uint8) for level in levels]


@pytest.mark.parametrize("overlap", [0, 1, 5, 16])
@pytest.mark.parametrize("num_frames", [1, 16, 17, 18, 33, 34, 100, 241])
def test_spans_cover_the_whole_clip_and_fit_the_window(num_frames: int, overlap: int) -> None:
    spans = plan_spans(num_frames, 17, overlap)

    assert spans[0].first == 0 and spans[-1].last == num_frames - 1
    assert all(span.num_frames == min(17, num_frames) for span in spans)
    assert all(later.first <= span.last - overlap + 1 for span, later in pairwise(spans))
    assert len(set(spans)) == len(spans)


def test_what_is_joined_has_the_length_of_the_source_and_its_frames() -> None:
    source = gray(*range(50))
    spans = plan_spans(50, 17, 4)

    frames = list(joined(([*source[span.first : span.last + 1]] for span in spans), spans))

    assert [int(frame[0, 0, 0]) for frame in frames] == list(range(50))


def test_an_overlap_is_faded() -> None:
    spans = [Span(0, 4), Span(2, 6)]

    frames = list(joined([gray(0, 0, 0, 0, 0), gray(100, 100, 100, 100, 100)], spans))

    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 0, 25, 50, 75, 100, 100]


def test_a_part_that_came_out_short_stands_still_and_one_that_came_out_long_is_cut() -> None:
    spans = [Span(0, 4), Span(5, 9)]

    frames = list(joined([gray(1, 2, 3), gray(*range(10, 20))], spans))

    assert [int(frame[0, 0, 0]) for frame in frames] == [1, 2, 3, 3, 3, 10, 11, 12, 13, 14]


def test_parts_are_made_as_they_are_needed() -> None:
    spans = plan_spans(1000, 100, 10)
    made: list[Span] = []

    def part(span: Span) -> list[np.ndarray]:
        made.append(span)
        return gray(*[0] * span.num_frames)

    frames = joined(map(part, spans), spans)
    for _ in range(95):
        next(frames)
    assert len(made) == 2
    assert sum(1 for _ in frames) == 905 and made == spans


def test_parts_of_another_size_and_empty_parts_are_refused() -> None:
    spans = [Span(0, 2), Span(2, 4)]

    with pytest.raises(ValueError, match="4x4"):
        list(joined([gray(0, 0, 0), [np.zeros((8, 8, 3), np.uint8)] * 3], spans))
    with pytest.raises(ValueError, match="no frames"):
        list(joined([gray(0, 0, 0), []], spans))


@pytest.mark.parametrize(("size", "overlap"), [(17, 17), (17, -1), (0, 0)])
def test_a_window_that_makes_no_sense_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        plan_spans(100, size, overlap)
