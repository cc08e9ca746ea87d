"""The multiplier grammar and the merging of LoRA presets (wangp.md 6)."""

from __future__ import annotations

from random import Random

import pytest

from shared.core.errors import SettingsError
from shared.core.lora_multipliers import (
    count_phase_steps,
    extract_loras_side,
    merge_loras_settings,
    override_user_side,
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


def test_a_window_changes_the_users_side_alone() -> None:
    assert override_user_side("1;0 0;1|0.8", "0.5") == "1;0 0;1|0.5"
    assert override_user_side("0.8", "0.5") == "0.5"
    assert override_user_side("1|0.8", "0|0.5") == "0|0.5"


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
        ("1;2;3", {"phases": 2}, '"1;2;3" (LoRA 1) has 3 phases, and this model has 2'),
        ("1 2;1", {"phases": 1}, '"2;1" (LoRA 2) has 2 phases'),
        ("1:2", {}, "this model takes no branch values"),
        ("1:2:3", {"branches": 2}, "this model takes exactly 2 branch values"),
        ("1|2|3", {}, "2 bars were given. Use at most one |."),
        ("1 0.5,strong", {}, '"0.5,strong" (LoRA 2) holds "strong", which is no number'),
        ("1;", {"phases": 2}, '"1;" (LoRA 1) lacks a number'),
        ("nan", {}, '"nan" (LoRA 1) holds "nan"'),
        ("1 #remark", {}, '"#remark" (LoRA 2) holds'),
        ("1 1 1 1;1", {}, '"1;1" (LoRA 4) has 2 phases'),
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


def test_phases_begin_at_their_thresholds() -> None:
    assert count_phase_steps([1000, 900, 800, 500, 100], [800]) == [2, 3]
    assert count_phase_steps([1000, 900, 800, 500, 100], [900, 100]) == [1, 3, 1]
    assert count_phase_steps([1000, 500], [0]) == [2, 0]
    assert count_phase_steps([500, 100], [900, 600]) == [0, 0, 2]
    assert count_phase_steps([], [1]) == [0, 0]


def test_a_lora_that_a_phase_does_not_ask_for_is_known() -> None:
    [high, low] = parse_multipliers("1;0 0,0;0.5", 2, phases=2)
    assert (high.is_zero([0]), high.is_zero([1]), low.is_zero([0]), low.is_zero([0, 1])) == (False, True, True, False)
    [shared] = parse_multipliers("0,1", 1, phases=2)
    assert not shared.is_zero([0]) and not shared.is_zero([1])
    [branches] = parse_multipliers("1:0", 1, branches=2)
    assert branches.is_zero([0], branch=1) and not branches.is_zero([0], branch=0)


def random_text(random: Random, phases: int, branches: int) -> tuple[str, int]:
    """A text of the grammar, and how many multipliers it holds."""

    def number() -> str:
        return random.choice(["0", "1", "0.8", "-0.5", ".5", "1e-1", "2"])

    def phase() -> str:
        count = branches if branches > 1 and random.random() < 0.5 else 1
        return ":".join(",".join(number() for _ in range(random.randint(1, 4))) for _ in range(count))

    tokens = [";".join(phase() for _ in range(random.randint(1, phases))) for _ in range(random.randint(0, 5))]
    text = ""
    bar = random.randint(0, len(tokens)) if random.random() < 0.5 else -1
    for index, token in enumerate(tokens):
        text += "|" if index == bar else random.choice([" ", "  ", "\n", "\n# a remark | with a bar\n", "\t"])
        text += token
    return text + ("|" if bar == len(tokens) else ""), len(tokens)


@pytest.mark.parametrize("seed", range(60))
def test_any_text_of_the_grammar_gives_one_strength_a_step(seed: int) -> None:
    random = Random(seed)
    phases, branches = random.randint(1, 3), random.choice([0, 2, 3])
    text, count = random_text(random, phases, branches)
    steps = [random.randint(0, 7) for _ in range(phases)]
    loras = count + random.randint(0, 2)
    parsed = parse_multipliers(text, loras, phases=phases, branches=branches, model_switch_phase=random.choice([1, 2]))
    assert len(parsed) == loras
    for multiplier in parsed:
        for branch in range(max(branches, 1)):
            strengths = multiplier.at_steps(steps, branch)
            assert len(strengths) == sum(steps)
            if multiplier.is_zero(range(phases), branch):
                assert not any(strengths)
    before, after = (extract_loras_side(["x"] * loras, text, side) for side in ("before", "after"))
    assert len(before[0]) + len(after[0]) == loras


@pytest.mark.parametrize("seed", range(25))
def test_parting_a_token_by_steps_keeps_its_order_and_its_ends(seed: int) -> None:
    random = Random(seed)
    values = [float(n) for n in range(random.randint(1, 6))]
    spread_out = spread(values, random.randint(len(values), 30))
    assert spread_out == sorted(spread_out)
    assert set(spread_out) == set(values)
    sizes = [spread_out.count(value) for value in values]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("seed", range(25))
def test_merging_keeps_each_lora_with_its_own_multiplier(seed: int) -> None:
    random = Random(seed)

    def choice(names: str) -> tuple[list[str], str, dict[str, str]]:
        loras = random.sample(names, random.randint(0, 4))
        strength = {name: f"{random.randint(1, 99) / 100:g}" for name in loras}
        bar = random.randint(0, len(loras))
        side = [" ".join(strength[name] for name in part) for part in (loras[:bar], loras[bar:])]
        return loras, "|".join(side) if random.random() < 0.6 else " ".join(side), strength

    old, old_text, old_strength = choice("abcd")
    new, new_text, new_strength = choice("cdef")
    mode = random.choice(["merge before", "merge after"])
    loras, text = merge_loras_settings(old, old_text, new, new_text, mode)  # type: ignore[arg-type]
    assert len(set(loras)) == len(loras)
    assert set(new) <= set(loras) <= set(old) | set(new)
    tokens = split_tokens(text)
    assert len(tokens) == len(loras)
    for lora, token in zip(loras, tokens, strict=True):
        assert token in (old_strength.get(lora), new_strength.get(lora))
