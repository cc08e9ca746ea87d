"""The multiplier grammar and the merging of LoRA presets (wangp.md 6)."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.lora_multipliers import (
    extract_loras_side,
    merge_loras_settings,
    parse_multipliers,
    split_tokens,
    spread,
)


def strengths(text: object, phase_steps: list[int], **model: int) -> list[float]:
    [multiplier] = parse_multipliers(text, 1, phases=len(phase_steps), **model)  # type: ignore[arg-type]
    return multiplier.at_steps(phase_steps)


def test_a_list_is_spread_evenly_over_the_steps() -> None:
    assert spread([1, 0], 5) == [1, 1, 1, 0, 0]
    assert [int(i * 3 / 7) for i in range(7)] == [0, 0, 0, 1, 1, 2, 2]
    assert spread([1, 2, 3], 7) == [1, 1, 1, 2, 2, 3, 3]


def test_a_token_without_semicolon_spans_all_steps() -> None:
    assert strengths("0.8", [2, 2]) == [0.8] * 4
    assert strengths("0,1", [2, 2]) == [0, 0, 1, 1]


def test_a_semicolon_parts_the_phases() -> None:
    assert strengths("1;0", [2, 3]) == [1, 1, 0, 0, 0]
    assert strengths("0,1;0.5", [2, 3]) == [0, 1, 0.5, 0.5, 0.5]


def test_too_few_phases_repeat_the_last_or_before_a_switch_in_phase_two_the_first() -> None:
    assert strengths("1;0", [1, 1, 1]) == [1, 0, 0]
    assert strengths("1;0", [1, 1, 1], model_switch_phase=2) == [1, 1, 0]


def test_missing_tokens_are_one_and_superfluous_ones_are_ignored() -> None:
    assert [m.at_steps([1]) for m in parse_multipliers("0.5", 3)] == [[0.5], [1.0], [1.0]]
    assert len(parse_multipliers("0.5 1 2", 1)) == 1
    assert parse_multipliers("", 0) == []


def test_remark_lines_line_breaks_and_the_bar_part_nothing_but_tokens() -> None:
    assert split_tokens("# fast\n1;0 0.5|\n# mine\n0.7\n0.2") == ["1;0", "0.5", "0.7", "0.2"]
    assert split_tokens("1  2") == ["1", "2"]


def test_lists_are_accepted_instead_of_text() -> None:
    assert [m.at_steps([1, 1]) for m in parse_multipliers([0.5, "1;0"], 2, phases=2)] == [[0.5, 0.5], [1, 0]]


def test_branches_have_values_of_their_own() -> None:
    [multiplier] = parse_multipliers("1:0;0.5:0.25", 1, phases=2, branches=2)
    assert multiplier.at_steps([1, 1], branch=0) == [1, 0.5]
    assert multiplier.at_steps([1, 1], branch=1) == [0, 0.25]
    [shared] = parse_multipliers("0.5", 1, branches=2)
    assert shared.at_steps([1], branch=1) == [0.5]


@pytest.mark.parametrize(
    ("text", "model", "message"),
    [
        ("1;2;3", {"phases": 2}, '"1;2;3" has 3 phases, and this model has 2'),
        ("1 2;1", {"phases": 1}, '"2;1" has 2 phases'),
        ("1:2", {}, "this model takes no branch values"),
        ("1:2:3", {"branches": 2}, "this model takes exactly 2 branch values"),
        ("1|2|3", {}, "2 bars were given. Use at most one |."),
        ("1 strong", {}, '"strong" is not accepted'),
        ("1;", {"phases": 2}, '"1;" is not accepted'),
        ("nan", {}, '"nan" is not accepted'),
        ("1 #remark", {}, '"#remark" is not accepted'),
    ],
)
def test_errors_name_the_token(text: str, model: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_multipliers(text, 3, **model)
    assert str(error.value).startswith("loras_multipliers: ")
    assert message in str(error.value)


def test_sides_are_told_apart_by_the_tokens_before_the_bar() -> None:
    loras, text = ["fast", "faster", "style"], "1;0 0.5|0.8"
    assert extract_loras_side(loras, text, "before") == (["fast", "faster"], "1;0 0.5")
    assert extract_loras_side(loras, text, "after") == (["style"], "0.8")
    assert extract_loras_side(loras, "1 2 3", "before") == ([], "")
    assert extract_loras_side(loras, "1 2 3", "after") == (loras, "1 2 3")


def test_an_accelerator_profile_takes_the_place_of_the_accelerators() -> None:
    merged = merge_loras_settings(["old", "style"], "1|0.8", ["fast"], "1;0", "merge before")
    assert merged == (["fast", "style"], "1;0|0.8")
    merged = merge_loras_settings(["style"], "0.8", ["fast"], "1;0", "merge before")
    assert merged == (["fast", "style"], "1;0|0.8")


def test_another_preset_takes_the_place_of_the_users_loras() -> None:
    merged = merge_loras_settings(["fast", "style"], "1;0|0.8", ["person", "place"], "0.5", "merge after")
    assert merged == (["fast", "person", "place"], "1;0|0.5\n1")


def test_a_lora_is_not_listed_twice_and_remarks_stay() -> None:
    merged = merge_loras_settings(
        ["./a/fast.sft", "style"], "# mine\n1 0.8", ["a\\fast.sft"], "# speed\n1;0", "merge before"
    )
    assert merged == (["a\\fast.sft", "style"], "# speed\n1;0|# mine\n0.8")
    assert split_tokens(merged[1]) == ["1;0", "0.8"]
