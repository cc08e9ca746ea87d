"""Styles: their names, and what they make of a prompt."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.styles import apply_styles, random_style, style_names, styles


def test_there_are_279_names_each_once_and_none_is_empty() -> None:
    names = style_names()
    assert len(names) == 279 and len(set(names)) == 279
    assert names[:4] == ("Fooocus V2", "Random Style", "Fooocus Enhance", "Fooocus Semi Realistic")
    assert names[-1] == "Mk Shepard Fairey Style"
    assert all(style.prompt or style.negative_prompt for style in styles().values())


def test_each_style_says_something_of_its_own() -> None:
    texts = [style.prompt for style in styles().values() if style.prompt]
    assert len(set(texts)) == len(texts)
    assert all(text.count("{prompt}") == 1 for text in texts)


def test_a_style_takes_up_the_prompt_and_adds_what_to_avoid() -> None:
    styled = apply_styles("a fox", "rain", ["SAI Origami"])
    assert styled.positive == (styles()["SAI Origami"].prompt.replace("{prompt}", "a fox"),)
    assert styled.negative == ("rain", styles()["SAI Origami"].negative_prompt)


def test_a_prompt_that_no_style_takes_up_stands_first_and_further_lines_last() -> None:
    styled = apply_styles("a fox\nin the snow", "", ["Fooocus Enhance"])
    assert styled.positive == ("a fox", "in the snow")
    both = apply_styles("a fox\nin the snow", "", ["Fooocus Enhance", "SAI Anime"])
    assert both.positive[0].startswith("anime artwork of a fox") and both.positive[-1] == "in the snow"
    assert len(both.negative) == 2


def test_the_expansion_is_asked_for_only_where_there_is_something_to_expand() -> None:
    assert apply_styles("a fox", "", ["Fooocus V2"]).expands
    assert not apply_styles("", "", ["Fooocus V2"]).expands
    assert not apply_styles("a fox", "", ["SAI Anime"]).expands


def test_a_random_style_is_the_same_for_the_same_seed() -> None:
    drawn = {random_style(seed) for seed in range(30)}
    assert len(drawn) > 15
    assert apply_styles("a fox", "", ["Random Style"], seed=3).used == (random_style(3),)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match='styles: there is no "Sai Anime"'):
        apply_styles("a fox", "", ["Sai Anime"])
